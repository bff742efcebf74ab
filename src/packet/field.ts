/**
 * Fields of a header as they are declared: where they are, how many bits, and as what a script sees them.
 * @module
 */
import type { View } from "./view.ts";

/** Turns the number of a field into what a script sees, and back. Writing may throw for what cannot be written. */
export interface Codec<T, R extends number | bigint = number | bigint> {
  readonly get: (raw: R) => T;
  readonly set: (value: T) => R;
}

export interface FieldSpec {
  /** Bits from the start of the header; behind the field before it when absent. A function for a layout that varies. */
  readonly at?: number | ((header: View) => number);
  /** How many bits: to 53 a number, above that a bigint, or any whole bytes with `as: "bytes"`. */
  readonly bits: number | ((header: View) => number);
  /** `"boolean"` for one bit, `"bytes"` for raw bytes, or a codec of one's own. */
  // biome-ignore lint/suspicious/noExplicitAny: what a codec takes and gives is inferred by FieldValue
  readonly as?: "boolean" | "bytes" | Codec<any, any>;
}

export interface Fields {
  readonly [name: string]: FieldSpec;
}

/** What a script gets from a field of this declaration. */
export type FieldValue<S extends FieldSpec> =
  | (S["as"] extends Codec<infer T, infer _R>
      ? T
      : S["as"] extends "boolean"
        ? boolean
        : S["as"] extends "bytes"
          ? Uint8Array
          : S["bits"] extends BigBits
            ? bigint
            : number)
  | (S["at"] extends (header: View) => number
      ? undefined
      : S["bits"] extends (header: View) => number
        ? undefined
        : never);

/** Widths that do not fit a number and are common enough to be told apart by the compiler. */
type BigBits = 56 | 64 | 72 | 80 | 96 | 112 | 128;

/** What a field of this declaration may be set to; codecs may take more than they give. */
export type FieldInput<S extends FieldSpec> = S["as"] extends {
  readonly set: (value: infer T) => number | bigint;
}
  ? T
  : Exclude<FieldValue<S>, undefined>;

/** What a header of this declaration is built from; every field may be left out. */
export type InputsOf<F extends Fields> = { readonly [K in keyof F]?: FieldInput<F[K]> };

/** The fields of a declaration, readable and writable. */
export type FieldsOf<F extends Fields> = { -readonly [K in keyof F]: FieldValue<F[K]> };
