/**
 * Fields whose place or width the header decides.
 * @module
 */
import type { FieldSpec } from "./field.ts";
import type { View } from "./view.ts";

/** A field whose place or width the header decides: looked at when it is used, `undefined` where it is not there. */
export function defineVariable(prototype: object, name: string, spec: FieldSpec): void {
  const { at = 0, bits, as } = spec;
  const place = (view: View): { byte: number; shift: number; width: number } | undefined => {
    const start = typeof at === "function" ? at(view) : at;
    const width = typeof bits === "function" ? bits(view) : bits;
    if (!Number.isInteger(start) || !Number.isInteger(width) || start < 0 || width < 1) return undefined;
    const length = Math.ceil(((start & 7) + width) / 8);
    if (!view.$has(start >> 3, length)) return undefined;
    return { byte: start >> 3, shift: length * 8 - (start & 7) - width, width };
  };
  const whole = (view: View, byte: number, length: number): bigint =>
    view.bytes(byte, length).reduce((value, one) => (value << 8n) | BigInt(one), 0n);
  const lengthOf = ({ shift, width }: { shift: number; width: number }): number =>
    Math.ceil((shift + width) / 8);
  Object.defineProperty(prototype, name, {
    configurable: true,
    get(this: View): unknown {
      const found = place(this);
      if (found === undefined) return undefined;
      if (as === "bytes") return this.bytes(found.byte, found.width >> 3);
      const value = (whole(this, found.byte, lengthOf(found)) >> BigInt(found.shift)) & mask(found.width);
      const raw = found.width > 53 ? value : Number(value);
      if (as === "boolean") return raw !== 0;
      return as === undefined ? raw : as.get(raw);
    },
    set(this: View, value: unknown) {
      const found = place(this);
      if (found === undefined) return;
      if (as === "bytes") {
        this.write(found.byte, (value as Uint8Array).subarray(0, found.width >> 3));
        return;
      }
      const raw = as === undefined ? value : as === "boolean" ? (value ? 1 : 0) : as.set(value);
      const length = lengthOf(found);
      const kept = whole(this, found.byte, length) & ~(mask(found.width) << BigInt(found.shift));
      let all = kept | ((BigInt(raw as number) & mask(found.width)) << BigInt(found.shift));
      const bytes = new Uint8Array(length);
      for (let index = length - 1; index >= 0; index--, all >>= 8n) bytes[index] = Number(all & 0xffn);
      this.write(found.byte, bytes);
    },
  });
}

function mask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}
