/**
 * Classic BPF as the kernel runs it on captured packets (its Documentation/networking/filter.rst), with the packet type
 * and the interface among what is not in the packet. A load outside of the packet ends the program with 0.
 * @module
 */
import type { CaptureFilter, CaptureInstruction } from "#io/packet-capture.ts";

/** The packet as a program sees it. */
export interface FilteredPacket {
  readonly bytes: Uint8Array;
  readonly packetType: number;
  readonly interfaceId: number;
  /** The EtherType. */
  readonly protocol: number;
  /** -1 when there is none. */
  readonly vlanTag: number;
  readonly vlanProtocol: number;
}

const MEMORY_WORDS = 16;
/** SKF_AD_OFF; what is known without looking into the packet lies from here on. */
const AUXILIARY_AT = 0xffff_f000;
const CLASS = { load: 0, loadIndex: 1, store: 2, storeIndex: 3, compute: 4, jump: 5, return: 6 } as const;

/** How many bytes of the packet the program keeps, 0 for none. */
export function runPacketFilter(program: CaptureFilter, packet: FilteredPacket): number {
  const state = new FilterState(packet);
  for (let at = 0; at < program.length; at++) {
    const one = program[at];
    if (!one) return 0;
    switch (one.code & 7) {
      case CLASS.jump:
        at += state.jump(one);
        break;
      case CLASS.return:
        return (one.code & 0x18) === 0x10 ? state.accumulator : one.constant;
      default:
        if (!state.step(one)) return 0;
    }
  }
  return 0;
}

class FilterState {
  accumulator = 0;
  #index = 0;
  readonly #memory = new Uint32Array(MEMORY_WORDS);
  readonly #packet: FilteredPacket;

  constructor(packet: FilteredPacket) {
    this.#packet = packet;
  }

  /** Instructions to skip. */
  jump({ code, jumpTrue, jumpFalse, constant }: CaptureInstruction): number {
    const other = code & 8 ? this.#index : constant;
    switch (code & 0xf0) {
      case 0x10:
        return this.accumulator === other ? jumpTrue : jumpFalse;
      case 0x20:
        return this.accumulator > other ? jumpTrue : jumpFalse;
      case 0x30:
        return this.accumulator >= other ? jumpTrue : jumpFalse;
      case 0x40:
        return (this.accumulator & other) !== 0 ? jumpTrue : jumpFalse;
      default:
        return constant;
    }
  }

  /** `false` ends the program. */
  step(one: CaptureInstruction): boolean {
    const { code, constant } = one;
    switch (code & 7) {
      case CLASS.load:
      case CLASS.loadIndex: {
        const value = this.#load(code, constant);
        if (value === undefined) return false;
        if (code & 1) this.#index = value;
        else this.accumulator = value;
        return true;
      }
      case CLASS.store:
        this.#memory[constant] = this.accumulator;
        return true;
      case CLASS.storeIndex:
        this.#memory[constant] = this.#index;
        return true;
      case CLASS.compute:
        return this.#compute(code & 0xf0, code & 8 ? this.#index : constant);
      default:
        if (code & 0x80) this.accumulator = this.#index;
        else this.#index = this.accumulator;
        return true;
    }
  }

  #load(code: number, constant: number): number | undefined {
    const { bytes } = this.#packet;
    const size = code & 0x18 ? (code & 0x10 ? 1 : 2) : 4;
    switch (code & 0xe0) {
      case 0x00:
        return constant;
      case 0x20:
        return constant >= AUXILIARY_AT
          ? this.#auxiliary(constant - AUXILIARY_AT)
          : read(bytes, constant, size);
      case 0x40:
        return read(bytes, this.#index + constant, size);
      case 0x60:
        return this.#memory[constant];
      case 0x80:
        return bytes.length;
      case 0xa0: {
        const byte = read(bytes, constant, 1);
        return byte === undefined ? undefined : (byte & 0xf) << 2;
      }
      default:
        return undefined;
    }
  }

  #auxiliary(at: number): number | undefined {
    const { protocol, packetType, interfaceId, vlanTag, vlanProtocol } = this.#packet;
    const known: Readonly<Record<number, number>> = {
      0: protocol,
      4: packetType,
      8: interfaceId,
      44: Math.max(0, vlanTag),
      48: Number(vlanTag >= 0),
      60: Math.max(0, vlanProtocol),
    };
    return known[at];
  }

  #compute(operation: number, other: number): boolean {
    const left = this.accumulator;
    if ((operation === 0x30 || operation === 0x90) && other === 0) return false;
    this.accumulator = (OPERATIONS[operation]?.(left, other) ?? 0) >>> 0;
    return true;
  }
}

const OPERATIONS: Readonly<Record<number, (left: number, right: number) => number>> = {
  0: (left, right) => left + right,
  16: (left, right) => left - right,
  32: (left, right) => Math.imul(left, right),
  48: (left, right) => left / right,
  64: (left, right) => left | right,
  80: (left, right) => left & right,
  96: (left, right) => (right > 31 ? 0 : left << right),
  112: (left, right) => (right > 31 ? 0 : left >>> right),
  128: (left) => -left,
  144: (left, right) => left % right,
  160: (left, right) => left ^ right,
};

/** In network order; `undefined` where it is not in the packet. */
function read(bytes: Uint8Array, at: number, size: number): number | undefined {
  if (at + size > bytes.length) return undefined;
  let value = 0;
  for (let index = at; index < at + size; index++) value = value * 256 + (bytes[index] ?? 0);
  return value;
}
