/**
 * Reading tuples of the protocol itself: control tuples and the bodies of control frames. Unknown tags are passed
 * over; a known one that comes twice, or with the wrong type, is the peer's mistake.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Tuples, Value } from "#base/value.ts";

/** The tags of a control body; of a tag outside `repeatable` there is at most one. */
export class ControlTuples {
  readonly #tuples: Tuples;

  /** @throws ProtocolViolationError on a tag that comes twice. */
  constructor(tuples: Tuples, repeatable: readonly string[] = []) {
    this.#tuples = tuples;
    for (let index = 2; index < tuples.length; index += 2) {
      const tag = tuples[index] as string;
      if (repeatable.includes(tag)) continue;
      for (let earlier = 0; earlier < index; earlier += 2) {
        if (tuples[earlier] === tag) {
          throw new ProtocolViolationError(`Cannot read control tuples: '${tag}' comes twice`);
        }
      }
    }
  }

  text(tag: string): string | undefined {
    return this.#read(tag, "text", (value) => (typeof value === "string" ? value : undefined));
  }

  /** A whole number of at least 0 and at most 2^53 - 1. */
  count(tag: string): number | undefined {
    return this.#read(tag, "a count", (value) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined,
    );
  }

  number(tag: string): number | undefined {
    return this.#read(tag, "a finite number", (value) =>
      typeof value === "number" && Number.isFinite(value) ? value : undefined,
    );
  }

  flag(tag: string): boolean {
    return (
      this.#read(tag, "true or false", (value) => (typeof value === "boolean" ? value : undefined)) ?? false
    );
  }

  texts(tag: string): readonly string[] | undefined {
    return this.#read(tag, "a list of texts", (value) =>
      Array.isArray(value) && value.every((item) => typeof item === "string")
        ? (value as string[])
        : undefined,
    );
  }

  /** One of a closed set. */
  oneOf<const Choice extends string>(tag: string, choices: readonly Choice[]): Choice | undefined {
    return this.#read(tag, choices.join(", "), (value) => choices.find((choice) => choice === value));
  }

  #read<T>(tag: string, wanted: string, read: (value: Value) => T | undefined): T | undefined {
    for (let index = 0; index < this.#tuples.length; index += 2) {
      if (this.#tuples[index] !== tag) continue;
      const found = read(this.#tuples[index + 1] as Value);
      if (found !== undefined) return found;
      throw new ProtocolViolationError(`Cannot read control tuple '${tag}': not ${wanted}`);
    }
    return undefined;
  }
}

/** The value of a tag that must be there. */
export function required<T>(value: T | undefined, tag: string): T {
  if (value !== undefined) return value;
  throw new ProtocolViolationError(`Cannot read control tuples: '${tag}' is missing`);
}
