/**
 * Keys of maps in the kernel as bytes, as {@link kernelMapLayout} says where they are.
 * @module
 */
import type { SharedMapKey } from "./shared-map-key.ts";
import type { MapShape } from "./shared-map-layout.ts";

const MASK64 = 0xffff_ffff_ffff_ffffn;

/** Bits of a whole address of a map of prefixes. */
export function addressBits({ key }: Pick<MapShape, "key">): number {
  return key === "number" ? 32 : 128;
}

/**
 * The bytes of a key; `undefined` when no entry can have it.
 * @param bits of a prefix; the whole address when absent. What the address has behind them does not count.
 */
export function encodeKernelKey(shape: MapShape, key: SharedMapKey, bits?: number): Uint8Array | undefined {
  if (shape.kind === "prefix") return encodePrefix(shape, key, bits ?? addressBits(shape));
  if (shape.key === "bytes") return isBytes(key, shape.keyBytes) ? key : undefined;
  if (shape.key === "bigint") return typeof key === "bigint" ? encodeBigint(key) : undefined;
  if (typeof key !== "number" || !(key >= 0) || !Number.isSafeInteger(key)) return undefined;
  if (shape.kind === "array") {
    if (key >= shape.countMax) return undefined;
    const index = new Uint8Array(4);
    new DataView(index.buffer).setUint32(0, key, true);
    return index;
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(key), true);
  return bytes;
}

/** The key that stands in bytes of the kernel; of a prefix its address. */
export function decodeKernelKey(shape: MapShape, bytes: Uint8Array): SharedMapKey {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (shape.kind === "prefix") {
    if (shape.key === "number") return data.getUint32(4);
    return (data.getBigUint64(4) << 64n) | data.getBigUint64(12);
  }
  if (shape.kind === "array") return data.getUint32(0, true);
  if (shape.key === "bytes") return bytes.slice();
  if (shape.key === "bigint") return (data.getBigUint64(8, true) << 64n) | data.getBigUint64(0, true);
  return Number(data.getBigUint64(0, true));
}

/** How long a prefix is, in bits. */
export function kernelPrefixBits(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}

function isBytes(key: SharedMapKey, count: number): key is Uint8Array {
  return key instanceof Uint8Array && key.length === count;
}

function encodeBigint(key: bigint): Uint8Array | undefined {
  if (key < 0n || key >> 64n > MASK64) return undefined;
  const bytes = new Uint8Array(16);
  const data = new DataView(bytes.buffer);
  data.setBigUint64(0, key & MASK64, true);
  data.setBigUint64(8, key >> 64n, true);
  return bytes;
}

function encodePrefix(shape: MapShape, key: SharedMapKey, bits: number): Uint8Array | undefined {
  const bitsMax = addressBits(shape);
  if (typeof key !== shape.key || !Number.isInteger(bits) || bits < 0 || bits > bitsMax) return undefined;
  const whole = BigInt(key as number | bigint);
  if (whole < 0n || whole >> BigInt(bitsMax) !== 0n) return undefined;
  const behind = BigInt(bitsMax - bits);
  const address = (whole >> behind) << behind;
  const bytes = new Uint8Array(4 + bitsMax / 8);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, bits, true);
  if (bitsMax === 32) data.setUint32(4, Number(address));
  else {
    data.setBigUint64(4, address >> 64n);
    data.setBigUint64(12, address & MASK64);
  }
  return bytes;
}
