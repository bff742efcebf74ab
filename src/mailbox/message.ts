/**
 * A message: an ordered list of tuples (tag, type, value). Immutable; the type of a tuple is that of its value.
 * Repeated tags are kept in order (MetaNet paper §4); reading one tag gives its last value, as the paper's
 * own programs do.
 * @module
 */
import type { Tuples, Value } from "#base/value.ts";

/** What a mailbox without a contract may carry. */
export type Loose = Record<string, Value | undefined>;

/** Tags to put into a message, as an object; `undefined` values are left out. */
export type Fields = { readonly [tag: string]: Value | undefined };

/** An edit of a message: removed first, then set in place, then added at the end. */
export interface Edit {
  readonly set?: Fields;
  readonly add?: Fields;
  readonly remove?: readonly string[];
}

// The type parameter only describes which tags there are; `object` lets contracts use interfaces as well.
export class Message<Shape extends object = Loose> {
  /** `[tag, value, tag, value, …]`, as on the wire. */
  readonly tuples: Tuples;

  private constructor(tuples: Tuples) {
    this.tuples = tuples;
  }

  /** The message of a flat list of tags and values; the list must not be changed afterwards. */
  static fromTuples<Shape extends object = Loose>(tuples: Tuples): Message<Shape> {
    return new Message<Shape>(tuples);
  }

  /** The message of an object's tags, in the object's order. */
  static fromFields<Shape extends object = Loose>(fields: Fields): Message<Shape> {
    const tuples: (string | Value)[] = [];
    for (const tag in fields) {
      const value = fields[tag];
      if (value !== undefined) tuples.push(tag, value);
    }
    return new Message<Shape>(tuples);
  }

  /** How many tuples there are. */
  get size(): number {
    return this.tuples.length / 2;
  }

  /** The last value under a tag. */
  get<Tag extends keyof Shape & string>(tag: Tag): Shape[Tag] | undefined {
    const tuples = this.tuples;
    for (let index = tuples.length - 2; index >= 0; index -= 2) {
      if (tuples[index] === tag) return tuples[index + 1] as Shape[Tag];
    }
    return undefined;
  }

  /** Every value under a tag, in order. */
  all<Tag extends keyof Shape & string>(tag: Tag): NonNullable<Shape[Tag]>[] {
    const values: NonNullable<Shape[Tag]>[] = [];
    for (const [name, value] of this) if (name === tag) values.push(value as NonNullable<Shape[Tag]>);
    return values;
  }

  has(tag: keyof Shape & string): boolean {
    return this.get(tag) !== undefined;
  }

  *[Symbol.iterator](): IterableIterator<[tag: string, value: Value]> {
    for (let index = 0; index < this.tuples.length; index += 2) {
      yield [this.tuples[index] as string, this.tuples[index + 1] as Value];
    }
  }

  /** The tuples as an object; of a repeated tag the last value. */
  toObject(): { [tag: string]: Value } {
    return Object.fromEntries(this);
  }

  /** A message with the edit applied: `set` keeps a tag's place, and drops what else was under it. */
  change(edit: Edit): Message<Shape> {
    const tuples: (string | Value)[] = [];
    const unset = new Map(Object.entries(edit.set ?? {}));
    for (const [tag, value] of this) {
      if (edit.remove?.includes(tag)) continue;
      if (edit.set && Object.hasOwn(edit.set, tag)) {
        const replacement = unset.get(tag);
        if (unset.delete(tag) && replacement !== undefined) tuples.push(tag, replacement);
      } else {
        tuples.push(tag, value);
      }
    }
    for (const [tag, value] of [...unset, ...Object.entries(edit.add ?? {})]) {
      if (value !== undefined) tuples.push(tag, value);
    }
    return new Message<Shape>(tuples);
  }
}

/** What may be sent: a message, or its tags as an object. */
export type Body<Shape extends object = Loose> = Message<Shape> | (Shape & Fields);

/** The message of an object's tags; a message is given back as it is. */
export function message<Shape extends object = Loose>(
  body: Message<Shape> | (Shape & Fields),
): Message<Shape> {
  return body instanceof Message ? body : Message.fromFields<Shape>(body);
}

/** Whether `fields` has every one of the `wanted`, with the same value. */
export function hasFields(fields: Fields = {}, wanted: Fields = {}): boolean {
  return Object.entries(wanted).every(([tag, value]) => sameValue(fields[tag], value));
}

/** Whether two values of tuples are the same: bytes by content, addresses by what they name. */
export function sameValue(left: Value | undefined, right: Value | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined || left === null || right === null) return false;
  if (typeof left !== "object")
    return (
      typeof left !== typeof right && isNumeric(left) && isNumeric(right) && BigInt(left) === BigInt(right)
    );
  if (typeof right !== "object") return false;
  if (left instanceof Uint8Array || right instanceof Uint8Array) {
    return left instanceof Uint8Array && right instanceof Uint8Array && sameBytes(left, right);
  }
  if (Array.isArray(left) || Array.isArray(right)) {
    return Array.isArray(left) && Array.isArray(right) && sameList(left, right);
  }
  return left.constructor === right.constructor && String(left) === String(right);
}

function isNumeric(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function sameList(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((value, index) => sameValue(value, right[index]));
}
