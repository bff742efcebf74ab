/**
 * Segments that were refused and may yet have been right: a tap that has missed much, or the end of a connection,
 * finds both ends far from where it takes them to be. They are believed when the other end agrees: nobody but the two
 * knows both of their numbers.
 * @module
 */
import type { Direction } from "../side.ts";

/** How far apart the two ends' words may lie when they agree: a window that nobody has scaled. */
const APART_MAX = 65_535;

/** What was refused last of one flow. Numbers are signed, of 32 bits. */
class Suspect {
  direction: Direction = 0;
  isSyn = false;
  sequence = 0;
  end = 0;
  acknowledgement = 0;
}

export class Suspects {
  readonly #suspects = new Map<number, Suspect>();

  /** Remembers a segment of the flow in `row` that its receiver would not take. */
  add(
    row: number,
    direction: Direction,
    isSyn: boolean,
    sequence: number,
    lengthBytes: number,
    acknowledgement: number,
  ): void {
    const suspect = this.#suspects.get(row) ?? new Suspect();
    suspect.direction = direction;
    suspect.isSyn = isSyn;
    suspect.sequence = sequence | 0;
    suspect.end = (sequence + lengthBytes) | 0;
    suspect.acknowledgement = acknowledgement | 0;
    this.#suspects.set(row, suspect);
  }

  /** Whether a segment `[sequence, end)` agrees with what the other end was refused for. */
  agrees(row: number, direction: Direction, sequence: number, end: number, acknowledgement: number): boolean {
    const suspect = this.#suspects.get(row);
    if (suspect === undefined || suspect.direction === direction || suspect.isSyn) return false;
    const acknowledged = (acknowledgement - suspect.sequence) | 0;
    if (acknowledged < 0 || acknowledged > ((suspect.end - suspect.sequence) | 0)) return false;
    const behind = (end - suspect.acknowledgement) | 0;
    return behind >= 0 && behind <= ((end - sequence) | 0) + APART_MAX;
  }

  /** What the segment that was refused had acknowledged; `otherwise` when there is none. */
  acknowledgementOf(row: number, otherwise: number): number {
    return this.#suspects.get(row)?.acknowledgement ?? otherwise;
  }

  /** Whether a SYN with ACK answers a SYN that was refused: they have opened another connection. */
  isAnswer(row: number, direction: Direction, acknowledgement: number): boolean {
    const suspect = this.#suspects.get(row);
    if (suspect === undefined || suspect.direction === direction) return false;
    return suspect.isSyn && suspect.end === (acknowledgement | 0);
  }

  /** The flow is in order, or over. */
  forget(row: number): void {
    if (this.#suspects.size > 0) this.#suspects.delete(row);
  }
}
