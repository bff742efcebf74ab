/**
 * Names of interfaces by their index, as this thread's network namespace has them, kept for a while.
 * @module
 */
import { readFileSync } from "node:fs";
import { native } from "#linux/native.ts";

/** How old a name may be, in milliseconds: interfaces are renamed seldom, and their indices used again never. */
const AGE_MAX = 5000;
/** An index that is not found makes the names be read again at most this often, in milliseconds. */
const RETRY_AFTER = 100;

export class InterfaceNames {
  #names: string[] = [];
  #readAt = Number.NEGATIVE_INFINITY;

  /** Empty for 0 and for an interface that is gone. @param now milliseconds of a clock that is never set */
  name(index: number, now: number): string {
    const known = this.#names[index];
    if (known !== undefined && now - this.#readAt < AGE_MAX) return known;
    if (index === 0) return "";
    if (now - this.#readAt >= (known === undefined ? RETRY_AFTER : AGE_MAX)) this.#read(now);
    return this.#names[index] ?? "";
  }

  #read(now: number): void {
    this.#readAt = now;
    const names: string[] = [""];
    for (const name of interfaceNames()) {
      try {
        names[native().interfaceIndex(name)] = name;
      } catch {
        // Gone since the list was read.
      }
    }
    this.#names = names;
  }
}

/** The names of all interfaces of this thread's network namespace. */
export function interfaceNames(): string[] {
  try {
    const lines = readFileSync("/proc/thread-self/net/dev", "utf8").split("\n").slice(2);
    return lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()).filter((name) => name !== "");
  } catch {
    return [];
  }
}
