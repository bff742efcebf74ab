/**
 * Numbers of the packet at constant places behind a pointer: of whole bytes up to 128 bits, and of bits within 32, as
 * `#packet/compile-bits.ts` reads and writes them.
 * @module
 */
import type { AccessBytes, Value } from "../../ir/ir.ts";
import type { Lowered } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { load, store } from "./code.ts";
import type { FieldModel } from "./protocol-model.ts";

/** Where something stands: behind a pointer to so many bytes. */
export interface Room {
  readonly pointer: Value;
  readonly bytes: number;
}

/** Reads `length` bytes, 1 to 8, in network order. */
export function readWhole(lowering: Lowering, room: Room, at: number, length: number): Value {
  if (length === 1 || length === 2 || length === 4 || length === 8) {
    return load(lowering, room.pointer, at, length);
  }
  const container: AccessBytes = length === 3 ? 4 : 8;
  // One load that takes in a little more is cheaper than two.
  if (at + container <= room.bytes) {
    const whole = load(lowering, room.pointer, at, container);
    return lowering.binary("shiftRight", whole, (container - length) * 8, "wrap");
  }
  if (at >= container - length) {
    const whole = load(lowering, room.pointer, at - (container - length), container);
    return maskTo(lowering, whole, length * 8);
  }
  const first: AccessBytes = length === 3 ? 2 : 4;
  const high = load(lowering, room.pointer, at, first);
  const low = readWhole(lowering, room, at + first, length - first);
  const shifted = lowering.binary("shiftLeft", high, (length - first) * 8, "wrap");
  return lowering.binary("or", shifted, low, "wrap");
}

/** The lowest bits of a value. */
export function maskTo(lowering: Lowering, value: Value, bits: number): Value {
  return lowering.binary("and", value, lowering.constant((1n << BigInt(bits)) - 1n), "wrap");
}

/** What a script reads from a field with a number in it. */
export function readField(lowering: Lowering, room: Room, field: FieldModel): Lowered {
  const { at, bits } = field;
  const byte = at >> 3;
  const length = Math.ceil((at + bits) / 8) - byte;
  const isWhole = at % 8 === 0 && bits % 8 === 0;
  if (isWhole && length > 8) {
    const high = readWhole(lowering, room, byte, length - 8);
    return { kind: "wide", high, low: readWhole(lowering, room, byte + length - 8, 8) };
  }
  const raw = isWhole ? readWhole(lowering, room, byte, length) : readBits(lowering, room, field);
  if (field.as === "boolean") {
    return { kind: "boolean", value: lowering.compare("unequal", raw, 0) };
  }
  // As in user space, from seven whole bytes on a field is a bigint.
  return { kind: "integer", value: raw, isBig: isWhole && length >= 7 };
}

function readBits(lowering: Lowering, room: Room, { at, bits }: FieldModel): Value {
  const byte = at >> 3;
  const length = Math.ceil((at + bits) / 8) - byte;
  const shift = length * 8 - (at % 8) - bits;
  const whole = readWhole(lowering, room, byte, length);
  const shifted = shift === 0 ? whole : lowering.binary("shiftRight", whole, shift);
  return at % 8 === 0 ? shifted : maskTo(lowering, shifted, bits);
}

/** Writes the lowest `length` bytes of a number or a bigint, 1 to 8, in network order: two's complement. */
export function writeWhole(lowering: Lowering, room: Room, at: number, length: number, value: Value): void {
  let left = length;
  for (let next = at; left > 0; ) {
    const take: AccessBytes = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    left -= take;
    const part = left === 0 ? value : lowering.binary("shiftRight", value, left * 8, "wrap");
    store(lowering, room.pointer, next, take, part);
    next += take;
  }
}

/** Writes bits within 32 of one byte, and leaves those around them as they are. */
export function writeBits(lowering: Lowering, room: Room, field: FieldModel, value: Value): void {
  const { at, bits } = field;
  const byte = at >> 3;
  const length = Math.ceil((at + bits) / 8) - byte;
  const shift = length * 8 - (at % 8) - bits;
  const all = (1n << BigInt(length * 8)) - 1n;
  const own = ((1n << BigInt(bits)) - 1n) << BigInt(shift);
  const whole = readWhole(lowering, room, byte, length);
  const kept = lowering.binary("and", whole, lowering.constant(all & ~own));
  const cut = maskTo(lowering, value, bits);
  const shifted = shift === 0 ? cut : lowering.binary("shiftLeft", cut, shift);
  writeWhole(lowering, room, byte, length, lowering.binary("or", kept, shifted));
}
