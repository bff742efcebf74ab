/**
 * bpf(2) as calls with named numbers: commands, attributes as lists of fields, and file descriptors of what is made.
 * The numbers are those of linux/bpf.h of Linux 6.18; the headers that Debian's compilers come with are older.
 * @module
 */
import { getSystemErrorName } from "node:util";
import { native } from "../native.ts";

/** `enum bpf_cmd`. */
export const BpfCommand = {
  createMap: 0,
  lookUp: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  load: 5,
  pin: 6,
  openPinned: 7,
  testRun: 10,
  describe: 15,
  loadTypes: 18,
  freeze: 22,
  lookUpBatch: 24,
  createLink: 28,
  updateLink: 29,
  detachLink: 34,
} as const;

/** `enum bpf_map_type`. */
export const MapType = {
  hash: 1,
  array: 2,
  programs: 3,
  "per-cpu-hash": 5,
  "per-cpu-array": 6,
  lru: 9,
  "per-cpu-lru": 10,
  prefix: 11,
  ring: 27,
} as const;

/** `enum bpf_prog_type`. */
export const ProgramType = { trafficControl: 3, xdp: 6, netfilter: 32 } as const;

/** `enum bpf_attach_type`. */
export const AttachType = { xdp: 37, netfilter: 45, tcxIngress: 46, tcxEgress: 47 } as const;

/** `enum bpf_link_type`. */
export const LinkType = { xdp: 6, netfilter: 10, tcx: 11 } as const;

export const NAME_BYTES = 16;

/** A field of an attribute: where it is, its value, and how wide it is when not 4 bytes. */
export type Field = readonly [offset: number, value: number, bytes?: 8];

/** An attribute of this many bytes; what no field names is 0. */
export function attribute(bytes: number, ...fields: readonly Field[]): Uint8Array {
  const result = new Uint8Array(bytes);
  const view = new DataView(result.buffer);
  for (const [offset, value, width] of fields) {
    if (width === 8) view.setBigUint64(offset, BigInt(value), true);
    else view.setUint32(offset, value, true);
  }
  return result;
}

/** A field of an attribute that the kernel has written. */
export function fieldOf(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

/** At most 15 characters that the kernel takes in names; others become `_`. */
export function kernelName(name: string): Uint8Array {
  const bytes = new Uint8Array(NAME_BYTES);
  bytes.set(new TextEncoder().encode(name.replace(/[^a-zA-Z0-9_.]/g, "_").slice(0, NAME_BYTES - 1)));
  return bytes;
}

/** A text as the kernel reads it, with a 0 at its end. */
export function kernelText(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** What the kernel answered: 0 and more, or -errno. */
export function bpf(
  command: keyof typeof BpfCommand,
  attributes: Uint8Array,
  ...buffers: readonly (Uint8Array | undefined)[]
): number {
  return native().bpf(BpfCommand[command], attributes, ...buffers);
}

/** The name of an answer that is an error: `EPERM`; empty for one that is none. */
export function errnoName(answer: number): string {
  return answer < 0 ? getSystemErrorName(answer) : "";
}

/** A descriptor of the kernel, closed once. */
export class Descriptor {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  /** -1 when it is closed. */
  get number(): number {
    return this.#number;
  }

  close(): void {
    if (this.#number < 0) return;
    native().close(this.#number);
    this.#number = -1;
  }
}
