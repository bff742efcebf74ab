/**
 * What programs may ask the simulated kernel: its helpers and functions, over one packet and its maps.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { Helper } from "#wire/ebpf.ts";
import type { Callee } from "./machine.ts";
import { SimKernelMap } from "./maps.ts";
import type { MachineMemory } from "./memory.ts";

/** What a run of a program is about. */
export interface RunState {
  readonly memory: MachineMemory;
  /** From the packet's first byte; replaced when it becomes longer or shorter. */
  packet: Uint8Array;
  mark: number;
  /** Not 0 for an aggregate, at traffic control. */
  readonly segmentBytes: number;
  /** By the address that a program knows a map by. */
  readonly maps: ReadonlyMap<bigint, SimKernelMap>;
  /** Nanoseconds since 1970 of a wall clock. */
  nanoseconds(): bigint;
  /** 0 to 2^32 - 1. */
  random(): number;
  /** The interface that a packet is to leave by. */
  redirectedTo: number | undefined;
}

/** What helpers answer for what cannot be done: EINVAL, ENOENT, EFAULT, E2BIG, ENOSPC, ENOTSUPP. */
const FAULT = {
  ...{ invalid: -22n, missing: -2n, fault: -14n, full: -7n, noSpace: -28n },
  unsupported: -524n,
} as const;

/** Packets are not made shorter than Ethernet's header, nor longer than what one piece of memory holds. */
const ETHERNET_BYTES = 14;
const SKB_BYTES_MAX = 16_064;
/** BPF_ADJ_ROOM_MAC, the only mode that is simulated. */
const ROOM_BEHIND_ETHERNET = 1n;

/** `enum tc_action`'s TC_ACT_REDIRECT, and XDP_REDIRECT. */
const REDIRECT = { skb: 7n, xdp: 4n } as const;

/** BPF_F_PSEUDO_HDR and BPF_F_MARK_MANGLED_0 are the flags of l4_csum_replace; the lowest bits are the size. */
const FLAG_MANGLED_ZERO = 0x20n;

const MODES = ["any", "new", "existing"] as const;

/** The helpers by their numbers. @throws ConfigurationError for one that is not simulated */
export function helper(number: number, state: RunState, isXdp: boolean): Callee {
  const { memory } = state;
  const mapAt = (address: bigint): SimKernelMap => {
    const map = state.maps.get(address);
    if (map === undefined)
      throw new ConfigurationError(`Cannot use a map: none is at 0x${address.toString(16)}`);
    return map;
  };
  switch (number) {
    case Helper.mapLookUp:
      return ([map = 0n, key = 0n]) => {
        const known = mapAt(map);
        const value = known.find(memory.bytes(key, known.spec.keyBytes));
        return value === undefined ? 0n : memory.map(value);
      };
    case Helper.mapUpdate:
      return ([map = 0n, key = 0n, value = 0n, flags = 0n]) => {
        const known = mapAt(map);
        const { keyBytes, valueBytes } = known.spec;
        const mode = MODES[Number(flags)] ?? "any";
        return known.set(memory.bytes(key, keyBytes), memory.bytes(value, valueBytes), mode)
          ? 0n
          : FAULT.full;
      };
    case Helper.mapDelete:
      return ([map = 0n, key = 0n]) => {
        const known = mapAt(map);
        return known.delete(memory.bytes(key, known.spec.keyBytes)) ? 0n : FAULT.missing;
      };
    case Helper.nanosecondsSinceBoot:
    case Helper.nanosecondsTai:
      return () => state.nanoseconds();
    case Helper.random:
      return () => BigInt(state.random());
    case Helper.ringOutput:
      return ([ring = 0n, data = 0n, size = 0n]) => {
        return mapAt(ring).emit(memory.bytes(data, Number(size)).slice()) ? 0n : FAULT.noSpace;
      };
    case Helper.redirect:
      return ([index = 0n]) => {
        state.redirectedTo = Number(index);
        return isXdp ? REDIRECT.xdp : REDIRECT.skb;
      };
    default:
      return packetHelper(number, state);
  }
}

/** Those that work on the packet's bytes. */
function packetHelper(number: number, state: RunState): Callee {
  const { memory } = state;
  switch (number) {
    case Helper.skbPullData:
      return () => 0n;
    case Helper.skbLoadBytes:
    case Helper.xdpLoadBytes:
      return ([, offset = 0n, to = 0n, length = 0n]) => {
        const bytes = state.packet.subarray(Number(offset), Number(offset + length));
        if (bytes.length !== Number(length)) return FAULT.fault;
        memory.bytes(to, bytes.length, true).set(bytes);
        return 0n;
      };
    case Helper.skbStoreBytes:
    case Helper.xdpStoreBytes:
      return ([, offset = 0n, from = 0n, length = 0n]) => {
        if (Number(offset + length) > state.packet.length) return FAULT.fault;
        state.packet.set(memory.bytes(from, Number(length)), Number(offset));
        return 0n;
      };
    case Helper.l4ChecksumReplace:
      return ([, offset = 0n, from = 0n, to = 0n, flags = 0n]) =>
        replaceChecksum(state.packet, Number(offset), from, to, flags);
    case Helper.checksumDifference:
      return ([, fromSize = 0n, to = 0n, toSize = 0n, seed = 0n]) =>
        fromSize === 0n ? sumOf(memory.bytes(to, Number(toSize)), seed) : FAULT.invalid;
    case Helper.skbChangeTail:
      return ([, length = 0n]) => {
        const bytes = Number(BigInt.asUintN(32, length));
        if (bytes < ETHERNET_BYTES || bytes > SKB_BYTES_MAX) return FAULT.invalid;
        return resize(state, bytes, state.packet.length);
      };
    case Helper.skbAdjustRoom:
      return ([, by = 0n, mode = 0n]) => {
        const growth = Number(BigInt.asIntN(32, by));
        if (mode !== ROOM_BEHIND_ETHERNET) return FAULT.invalid;
        const isLess = state.packet.length + growth < leastBytes(state.packet);
        return isLess ? FAULT.unsupported : resize(state, state.packet.length + growth, ETHERNET_BYTES);
      };
    case Helper.xdpAdjustHead:
    case Helper.xdpAdjustTail:
      return ([, by = 0n]) => {
        const delta = Number(BigInt.asIntN(32, by));
        const isHead = number === Helper.xdpAdjustHead;
        const length = state.packet.length + (isHead ? -delta : delta);
        return length < ETHERNET_BYTES
          ? FAULT.invalid
          : resize(state, length, isHead ? 0 : state.packet.length);
      };
    case Helper.dynptrRead:
      return ([to = 0n, length = 0n, , offset = 0n]) => {
        const bytes = state.packet.subarray(Number(offset), Number(offset + length));
        if (bytes.length !== Number(length)) return FAULT.full;
        memory.bytes(to, bytes.length, true).set(bytes);
        return 0n;
      };
    default:
      throw new ConfigurationError(`Cannot call helper ${number}: it is not simulated`);
  }
}

/** Makes the packet longer or shorter: what is behind a place moves, zeros stand where there was nothing. */
function resize(state: RunState, length: number, place: number): bigint {
  const { packet } = state;
  const growth = length - packet.length;
  const from = growth < 0 && place === packet.length ? length : place;
  const resized = new Uint8Array(length);
  resized.set(packet.subarray(0, from));
  resized.set(packet.subarray(growth < 0 ? from - growth : from), growth < 0 ? from : from + growth);
  state.packet = resized;
  return 0n;
}

/** Ethernet, and what an IP header has at least. */
function leastBytes(packet: Uint8Array): number {
  return ETHERNET_BYTES + ((packet[12] ?? 0) === 0x86 ? 40 : 20);
}

/** bpf_csum_diff of what is new alone: a sum in the machine's order, folded to 16 bits. */
function sumOf(bytes: Uint8Array, seed: bigint): bigint {
  let sum = Number(BigInt.asUintN(32, seed));
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return BigInt(sum);
}

/** Functions of the kernel by their names. @throws ConfigurationError for one that is not simulated */
export function kernelFunction(name: string, state: RunState): Callee {
  const { memory } = state;
  switch (name) {
    case "bpf_dynptr_from_skb":
    case "bpf_dynptr_from_xdp":
      return () => 0n;
    case "bpf_rdonly_cast":
      return ([address = 0n]) => address;
    case "bpf_dynptr_size":
      return () => BigInt(state.packet.length);
    case "bpf_dynptr_slice":
      return ([, offset = 0n, , length = 0n]) => {
        const bytes = state.packet.subarray(Number(offset), Number(offset + length));
        return bytes.length === Number(length) ? memory.map(bytes.slice(), false) : 0n;
      };
    default:
      throw new ConfigurationError(`Cannot call ${name}: it is not simulated`);
  }
}

/** bpf_l4_csum_replace with a size of 0: `to` is the sum of all changes. No checksum is left to hardware here. */
function replaceChecksum(packet: Uint8Array, at: number, from: bigint, to: bigint, flags: bigint): bigint {
  if ((flags & 0xfn) !== 0n || from !== 0n) return FAULT.invalid;
  if (at + 2 > packet.length) return FAULT.fault;
  const data = new DataView(packet.buffer, packet.byteOffset);
  const before = data.getUint16(at, true);
  if ((flags & FLAG_MANGLED_ZERO) !== 0n && before === 0) return 0n;
  let sum = BigInt(~before & 0xffff) + BigInt.asUintN(32, to);
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  const after = ~Number(sum) & 0xffff;
  data.setUint16(at, after === 0 && (flags & FLAG_MANGLED_ZERO) !== 0n ? 0xffff : after, true);
  return 0n;
}

/** The maps of a run by the addresses that its program gets them as. */
export function addressesOf(
  maps: ReadonlyMap<string, unknown>,
  memory: MachineMemory,
): Map<bigint, SimKernelMap> {
  const addresses = new Map<bigint, SimKernelMap>();
  for (const map of maps.values()) {
    if (map instanceof SimKernelMap) addresses.set(memory.map(map.identity), map);
  }
  return addresses;
}
