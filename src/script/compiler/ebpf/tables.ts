/**
 * Tables of constants: all of a program's stand in the one value of an array that nobody can write.
 * @module
 */
import type { KernelMapSpec } from "#io/kernel-programs.ts";

/** The array's name. */
export const TABLES_MAP = "tables";

/** The tables of one program; equal ones are kept once. */
export class Tables {
  readonly #bytes: number[] = [];
  readonly #offsets = new Map<string, number>();

  /** Where a table stands in the array's value; 8-byte aligned. */
  add(table: Uint8Array): number {
    const key = table.join();
    const known = this.#offsets.get(key);
    if (known !== undefined) return known;
    const offset = this.#bytes.length;
    this.#offsets.set(key, offset);
    this.#bytes.push(...table, ...new Uint8Array(-table.length & 7));
    return offset;
  }

  /** `undefined` when there are no tables. */
  map(): KernelMapSpec | undefined {
    if (this.#bytes.length === 0) return undefined;
    const frozen = Uint8Array.from(this.#bytes);
    return { name: TABLES_MAP, kind: "array", keyBytes: 4, valueBytes: frozen.length, countMax: 1, frozen };
  }
}
