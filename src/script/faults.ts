/**
 * Faults of scripts, counted by kind and place. The place is the first line of the stack that stands in the script's
 * own files: Node strips types without moving what is left, so it is the line of the source.
 * @module
 */
import type { ScriptFault } from "./engine.ts";

/** Different faults one script is listed with; further ones are counted in the last place, as `other places`. */
export const FAULT_COUNT_MAX = 64;
/** Characters of a message that are kept. */
export const FAULT_MESSAGE_LENGTH_MAX = 200;

export type FaultKind = ScriptFault["kind"];

interface Counted {
  readonly kind: FaultKind;
  readonly place: string;
  readonly message: string;
  count: number;
}

const OTHER_PLACES = "other places";

export class FaultTable {
  readonly #faults = new Map<string, Counted>();
  #changeCount = 0;

  /** Grows with every fault. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** Counts one more; the message that is kept is the first of its place. */
  add(kind: FaultKind, place: string, message: string, count = 1): void {
    this.#changeCount++;
    const key = `${kind} ${place}`;
    const known = this.#faults.get(key);
    if (known) {
      known.count += count;
    } else if (this.#faults.size < FAULT_COUNT_MAX - 1 || place === OTHER_PLACES) {
      const kept = message.slice(0, FAULT_MESSAGE_LENGTH_MAX);
      this.#faults.set(key, { kind, place, message: kept, count });
    } else {
      // One row for all kinds, so that the table never grows past its maximum.
      const last = this.#faults.get(OTHER_PLACES);
      if (last) last.count += count;
      else this.#faults.set(OTHER_PLACES, { kind, place: OTHER_PLACES, message, count });
    }
  }

  /** The most frequent first. */
  list(): ScriptFault[] {
    return [...this.#faults.values()].map((fault) => ({ ...fault })).sort((a, b) => b.count - a.count);
  }
}

/** Whether a stack's line stands in a file of the script: the address as the stack has it. */
export type IsOwnFile = (address: string) => boolean;

/** A line of a stack that stands in a file, not in Node: `at name (file:///…:1:2)` or `at file:///…:1:2`. */
const FILE_FRAME = /(?:^\s+at (?:async )?|\()((?:file:\/\/)?\/\S*?):(\d+):(\d+)\)?$/;

/** What a thrown value says of itself, whatever it is; never throws, though its getters may. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return firstLine(`${thrown.name}: ${thrown.message}`);
    return firstLine(`threw ${describeValue(thrown)}`);
  } catch {
    return "threw something that cannot be read";
  }
}

/** `nat.ts:12:7`, the first line of the stack in a file of the script; `undefined` when there is none. */
export function placeOf(thrown: unknown, isOwn: IsOwnFile): string | undefined {
  let stack: string | undefined;
  try {
    stack = thrown instanceof Error ? String(thrown.stack) : undefined;
  } catch {
    return undefined;
  }
  for (const line of stack?.split("\n") ?? []) {
    const found = FILE_FRAME.exec(line);
    if (!found) continue;
    const [, address = "", row, column] = found;
    if (!isOwn(address)) continue;
    const path = address.replace(/[?#].*$/, "");
    return `${path.slice(path.lastIndexOf("/") + 1)}:${row}:${column}`;
  }
  return undefined;
}

/** A value in a few words, for a message. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").slice(0, FAULT_MESSAGE_LENGTH_MAX);
}
