/**
 * Mailbox names as small numbers, one table for each direction of a link: a path that is used again is bound to a
 * number with a NAME frame and spelled out no more.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import { SPELLED_MAILBOX } from "#wire/link.ts";
import { NAME_COUNT_MAX } from "./limits.ts";

/** Paths remembered as used once; then they are forgotten together. */
const ONCE_COUNT_MAX = 4096;

/** The names this side has bound. */
export class SentNames {
  readonly #ids: Map<string, number> = new Map();
  readonly #once: Set<string> = new Set();
  readonly #bind: (id: number, path: string) => void;

  /** @param bind sends the NAME frame. */
  constructor(bind: (id: number, path: string) => void) {
    this.#bind = bind;
  }

  /** The number of a path, or {@link SPELLED_MAILBOX} on its first use and when the table is full. */
  idOf(path: string): number {
    const id = this.#ids.get(path);
    if (id !== undefined) return id;
    if (!this.#once.has(path)) {
      if (this.#once.size >= ONCE_COUNT_MAX) this.#once.clear();
      this.#once.add(path);
      return SPELLED_MAILBOX;
    }
    if (this.#ids.size >= NAME_COUNT_MAX) return SPELLED_MAILBOX;
    const next = this.#ids.size + 1;
    this.#once.delete(path);
    this.#ids.set(path, next);
    this.#bind(next, path);
    return next;
  }
}

/** The names the peer has bound. */
export class ReceivedNames {
  readonly #paths: (string | undefined)[] = [];

  /** @throws ProtocolViolationError on a number out of range, and on one that means another path already. */
  bind(id: number, path: string): void {
    if (id < 1 || id > NAME_COUNT_MAX) {
      throw new ProtocolViolationError(`Cannot bind name ${id}: outside 1..${NAME_COUNT_MAX}`);
    }
    const bound = this.#paths[id];
    if (bound !== undefined && bound !== path) {
      throw new ProtocolViolationError(`Cannot bind name ${id} to ${path}: it is ${bound} already`);
    }
    this.#paths[id] = path;
  }

  /** @throws ProtocolViolationError when nothing was bound to the number. */
  pathOf(id: number): string {
    const path = this.#paths[id];
    if (path !== undefined) return path;
    throw new ProtocolViolationError(`Cannot find mailbox: name ${id} was not bound`);
  }
}
