/**
 * The memory of a simulated machine: regions, each with a number, so that an address says which region it is in and no
 * access can leave it. What the kernel's verifier excludes before a program runs is found here when it happens.
 * @module
 */
import { InvariantError } from "#base/errors.ts";

/** What a region's bytes are to a program. */
export interface Region {
  readonly data: DataView;
  readonly isWritable: boolean;
}

/** An access outside of what a program was given: the verifier would have refused the program. */
export class WrongAccessError extends InvariantError {
  override readonly code: string = "wrong-access";
}

/** Regions begin at multiples of this. */
const REGION_BYTES = 1n << 32n;
/** Offsets below 0 land in the region's own upper half, and are refused there. */
const OFFSET_MASK = REGION_BYTES - 1n;
const MASK64 = (1n << 64n) - 1n;

export class MachineMemory {
  readonly #regions: (Region | undefined)[] = [undefined];
  readonly #addresses = new WeakMap<ArrayBufferLike, bigint>();

  /** The address of some bytes, which are the memory's from now on; the same bytes have the same address again. */
  map(bytes: Uint8Array, isWritable = true): bigint {
    const known = this.#addresses.get(bytes.buffer);
    if (known !== undefined && bytes.byteOffset === 0) return known;
    const address = BigInt(this.#regions.length) * REGION_BYTES;
    this.#regions.push({
      data: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      isWritable,
    });
    if (bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength)
      this.#addresses.set(bytes.buffer, address);
    return address;
  }

  /** @throws WrongAccessError */
  read(address: bigint, bytes: number): bigint {
    const { data, at } = this.#place(address, bytes, false);
    switch (bytes) {
      case 1:
        return BigInt(data.getUint8(at));
      case 2:
        return BigInt(data.getUint16(at, true));
      case 4:
        return BigInt(data.getUint32(at, true));
      default:
        return data.getBigUint64(at, true);
    }
  }

  /** Writes the lowest bytes of a value. @throws WrongAccessError */
  write(address: bigint, bytes: number, value: bigint): void {
    const { data, at } = this.#place(address, bytes, true);
    switch (bytes) {
      case 1:
        data.setUint8(at, Number(value & 0xffn));
        return;
      case 2:
        data.setUint16(at, Number(value & 0xffffn), true);
        return;
      case 4:
        data.setUint32(at, Number(value & 0xffff_ffffn), true);
        return;
      default:
        data.setBigUint64(at, value & MASK64, true);
    }
  }

  /** The bytes themselves, not a copy. @throws WrongAccessError */
  bytes(address: bigint, length: number, isWriting = false): Uint8Array {
    const { data, at } = this.#place(address, length, isWriting);
    return new Uint8Array(data.buffer, data.byteOffset + at, length);
  }

  #place(address: bigint, bytes: number, isWriting: boolean): { data: DataView; at: number } {
    const region = this.#regions[Number(address / REGION_BYTES)];
    const at = Number(address & OFFSET_MASK);
    const what = `${isWriting ? "write" : "read"} ${bytes} bytes at 0x${address.toString(16)}`;
    if (region === undefined) throw new WrongAccessError(`Cannot ${what}: nothing is there`);
    if (at + bytes > region.data.byteLength)
      throw new WrongAccessError(`Cannot ${what}: ${region.data.byteLength} bytes are there`);
    if (isWriting && !region.isWritable) throw new WrongAccessError(`Cannot ${what}: it is read only`);
    return { data: region.data, at };
  }
}
