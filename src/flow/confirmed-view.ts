/**
 * What of each direction has been shown to the monitors of the `acked` view: those that want only what has reached its
 * receiver.
 * @module
 */
import type { Dispatcher } from "./dispatcher.ts";
import type { Direction } from "./side.ts";

export class ConfirmedView {
  readonly #dispatcher: Dispatcher;
  /** By row and direction: `row * 2 + direction`. */
  readonly #shown = new Map<number, number>();

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** The offset that a direction has been shown to. */
  shown(row: number, direction: Direction): number {
    return this.#shown.size === 0 ? 0 : (this.#shown.get(row * 2 + direction) ?? 0);
  }

  /** Shows all up to `to`; returns the most bytes that a monitor has left unread. */
  tell(row: number, direction: Direction, to: number): number {
    const from = this.shown(row, direction);
    if (to <= from) return 0;
    this.#shown.set(row * 2 + direction, to);
    return this.#dispatcher.raiseData(row, direction, from, to, true, 0);
  }

  clear(row: number, direction: Direction): void {
    this.#shown.delete(row * 2 + direction);
  }
}
