/**
 * What a program is given when it begins: `struct __sk_buff`, `struct xdp_md`, or netfilter's `struct bpf_nf_ctx`.
 * @module
 */
import type { KernelProgramType } from "#io/kernel-programs.ts";
import type { RunState } from "./kernel-calls.ts";

/** Offsets in `struct __sk_buff` (linux/bpf.h). */
const Skb = {
  length: 0,
  mark: 8,
  protocol: 16,
  inInterface: 36,
  interface: 40,
  data: 76,
  dataEnd: 80,
  segmentBytes: 176,
  bytes: 192,
} as const;

/** Offsets in `struct xdp_md`. */
const Xdp = { data: 0, dataEnd: 4, bytes: 24 } as const;

/** Offsets of the fields of the kernel's own structures, as this kernel has them. */
export const SIM_KERNEL_FIELDS: Readonly<Record<string, number>> = {
  "bpf_nf_ctx.state": 0,
  "bpf_nf_ctx.skb": 8,
  "sk_buff.len": 0,
  "sk_buff.mark": 8,
  "sk_buff.protocol": 16,
  "sk_buff.end": 20,
  "sk_buff.head": 24,
  "skb_shared_info.gso_size": 0,
  "nf_hook_state.hook": 0,
};

/** A context in the machine's memory, and how its fields are read. */
export interface SimContext {
  readonly address: bigint;
  /** What stands at an address where the plain memory does not say it. */
  field(address: bigint, bytes: number): bigint | undefined;
  /** The mark as the program left it. */
  mark(): number;
}

export function simContext(type: KernelProgramType, state: RunState): SimContext {
  if (type === "netfilter") return netfilterContext(state);
  return type === "xdp" ? xdpContext(state) : skbContext(state);
}

function skbContext(state: RunState): SimContext {
  const bytes = new Uint8Array(Skb.bytes);
  const data = new DataView(bytes.buffer);
  data.setUint32(Skb.mark, state.mark, true);
  data.setUint32(Skb.segmentBytes, state.segmentBytes, true);
  data.setUint32(Skb.interface, 1, true);
  const [high = 0, low = 0] = state.packet.subarray(12, 14);
  // In network order, as the kernel has it.
  data.setUint16(Skb.protocol, high | (low << 8), true);
  const address = state.memory.map(bytes);
  return {
    address,
    field: (at, width) => {
      if (width !== 4) return undefined;
      switch (at - address) {
        case BigInt(Skb.length):
          return BigInt(state.packet.length);
        case BigInt(Skb.data):
          return addressOf(state);
        case BigInt(Skb.dataEnd):
          return addressOf(state) + BigInt(state.packet.length);
        default:
          return undefined;
      }
    },
    mark: () => data.getUint32(Skb.mark, true),
  };
}

function xdpContext(state: RunState): SimContext {
  const address = state.memory.map(new Uint8Array(Xdp.bytes));
  return {
    address,
    field: (at, width) => {
      if (width !== 4) return undefined;
      if (at === address + BigInt(Xdp.data)) return addressOf(state);
      if (at === address + BigInt(Xdp.dataEnd)) return addressOf(state) + BigInt(state.packet.length);
      return undefined;
    },
    mark: () => state.mark,
  };
}

function netfilterContext(state: RunState): SimContext {
  const { memory } = state;
  const skb = new Uint8Array(64);
  const fields = new DataView(skb.buffer);
  fields.setUint32(0, state.packet.length, true);
  fields.setUint32(8, state.mark, true);
  // What the packet's fragments and segments are stands at its end, which is its head here.
  const segments = new Uint8Array(8);
  new DataView(segments.buffer).setUint16(0, state.segmentBytes, true);
  fields.setBigUint64(24, memory.map(segments, false), true);
  const context = new Uint8Array(16);
  const pointers = new DataView(context.buffer);
  pointers.setBigUint64(0, memory.map(new Uint8Array(48), false), true);
  pointers.setBigUint64(8, memory.map(skb, false), true);
  return { address: memory.map(context, false), field: () => undefined, mark: () => state.mark };
}

/** The packet's first byte; the memory is another one after the packet was cut. */
function addressOf({ memory, packet }: RunState): bigint {
  return memory.map(packet);
}
