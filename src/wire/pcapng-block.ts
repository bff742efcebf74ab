/**
 * Parts of pcapng blocks (draft-ietf-opsawg-pcapng): their types, their options, and an interface's description.
 * @module
 */
import { decodeUtf8 } from "#base/utf8.ts";
import type { CaptureInterface } from "./capture-record.ts";
import { type TickUnit, tickUnit } from "./capture-time.ts";

/** The types that are read; the section's reads the same in both byte orders. */
export const BlockType = {
  section: 0x0a0d_0d0a,
  interface: 1,
  /** Obsolete, but old files have it. */
  packet: 2,
  simple: 3,
  enhanced: 6,
} as const;

/** The number that says a section's byte order. */
export const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;

/** Options; the same number means other things in other blocks. */
export const BlockOption = {
  end: 0,
  comment: 1,
  sectionApplication: 4,
  interfaceName: 2,
  interfaceTimeResolution: 9,
  interfaceTimeOffset: 14,
} as const;

/** Type, length, link type, reserved and snap length come before an interface's options. */
const INTERFACE_OPTIONS_AT = 16;
const TRAILER_BYTES = 4;
const MICROSECONDS = tickUnit(6, 0);

/** Whether the low byte comes first, from a section's magic read as if it did; undefined for neither. */
export function isLittleOrder(magic: number): boolean | undefined {
  if (magic === BYTE_ORDER_MAGIC) return true;
  return magic === 0x4d3c_2b1a ? false : undefined;
}

/** An interface, with what its time stamps count. */
export interface DescribedInterface extends CaptureInterface {
  readonly unit: TickUnit;
}

/** A whole Interface Description Block of at least 20 bytes; undefined when its options do not add up. */
export function decodeInterface(block: Uint8Array, isLittle: boolean): DescribedInterface | undefined {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  let name: string | undefined;
  let resolution = 6;
  let offsetSeconds = 0;
  const end = block.length - TRAILER_BYTES;
  for (let at = INTERFACE_OPTIONS_AT; at < end; ) {
    if (end - at < 4) return undefined;
    const code = view.getUint16(at, isLittle);
    const lengthBytes = view.getUint16(at + 2, isLittle);
    if (code === BlockOption.end) break;
    if (lengthBytes > end - at - 4) return undefined;
    if (code === BlockOption.interfaceName) {
      name = decodeUtf8(block.subarray(at + 4, at + 4 + lengthBytes));
    } else if (code === BlockOption.interfaceTimeResolution) {
      if (lengthBytes !== 1) return undefined;
      resolution = block[at + 4] as number;
    } else if (code === BlockOption.interfaceTimeOffset) {
      if (lengthBytes !== 8) return undefined;
      offsetSeconds = Number(view.getBigInt64(at + 4, isLittle));
    }
    at += 4 + padded(lengthBytes);
  }
  const isUsual = resolution === 6 && offsetSeconds === 0;
  return {
    linkType: view.getUint16(8, isLittle),
    snapLengthBytes: view.getUint32(12, isLittle),
    name,
    unit: isUsual ? MICROSECONDS : tickUnit(resolution, offsetSeconds),
  };
}

/** What so many bytes take when everything begins at a multiple of four. */
export function padded(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}
