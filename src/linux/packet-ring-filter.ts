/**
 * The classic BPF program that a capture attaches to its packet socket: what its options leave out, then the
 * caller's filter, with no packet kept beyond the snap length. Instructions as `linux/filter.h` has them.
 * @module
 */

import { PacketType } from "#io/captured-packet.ts";
import {
  type CaptureFilter,
  type CaptureInstruction,
  type PacketCaptureOptions,
  SNAP_LENGTH_BYTES_MAX,
} from "#io/packet-capture.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";

const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const LOAD_IMMEDIATE = 0x00;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const INSTRUCTION_BYTES = 8;
/** What the kernel knows about a packet, as addresses that no packet has (SKF_AD_OFF and the SKF_AD_ numbers). */
const PACKET_TYPE_AT = 0xffff_f004;
const INTERFACE_INDEX_AT = 0xffff_f008;

/** Nothing passes. */
export const FILTER_NOTHING: CaptureFilter = [instruction(RETURN, 0)];

/**
 * The whole program, `undefined` when every packet is to pass as it is.
 * @param loopbackIndex the loopback's when it is one interface among others, or shared by a group, and its packets are to be seen once
 */
export function ringFilter(
  { direction = "both", snapLengthBytes = SNAP_LENGTH_BYTES_MAX, fanout }: PacketCaptureOptions,
  program: CaptureFilter | undefined,
  loopbackIndex: number | undefined,
): CaptureFilter | undefined {
  const front =
    direction === "outgoing"
      ? ONLY_OUTGOING
      : // A group does not heed what its sockets say about outgoing packets.
        direction === "incoming" && fanout
        ? NOT_OUTGOING
        : withoutEcho(loopbackIndex);
  if (!program && front.length === 0 && snapLengthBytes === SNAP_LENGTH_BYTES_MAX) return undefined;
  const rest = program ?? [instruction(RETURN, SNAP_LENGTH_BYTES_MAX)];
  return [...front, ...rest.map((one) => shortened(one, snapLengthBytes))];
}

/** As `struct sock_filter` after `struct sock_filter`. */
export function encodeFilter(program: CaptureFilter): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jumpTrue, jumpFalse, constant }] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, LITTLE_ENDIAN);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, constant, LITTLE_ENDIAN);
  }
  return bytes;
}

/** A program may count on a zero in its accumulator, so what stands in front of one leaves it so. */
const ONLY_OUTGOING: CaptureFilter = [
  instruction(LOAD_BYTE, PACKET_TYPE_AT),
  instruction(JUMP_EQUAL, PacketType.outgoing, 1, 0),
  instruction(RETURN, 0),
  instruction(LOAD_IMMEDIATE, 0),
];

const NOT_OUTGOING: CaptureFilter = [
  instruction(LOAD_BYTE, PACKET_TYPE_AT),
  instruction(JUMP_EQUAL, PacketType.outgoing, 0, 1),
  instruction(RETURN, 0),
  instruction(LOAD_IMMEDIATE, 0),
];

/** A packet to this machine itself leaves the loopback and comes in there: one of the two is enough. */
function withoutEcho(loopbackIndex: number | undefined): CaptureFilter {
  if (loopbackIndex === undefined) return [];
  return [
    instruction(LOAD_WORD, INTERFACE_INDEX_AT),
    instruction(JUMP_EQUAL, loopbackIndex, 0, 3),
    instruction(LOAD_BYTE, PACKET_TYPE_AT),
    instruction(JUMP_EQUAL, PacketType.outgoing, 0, 1),
    instruction(RETURN, 0),
    instruction(LOAD_IMMEDIATE, 0),
  ];
}

function shortened(one: CaptureInstruction, snapLengthBytes: number): CaptureInstruction {
  return one.code === RETURN && one.constant > snapLengthBytes ? { ...one, constant: snapLengthBytes } : one;
}

function instruction(code: number, constant: number, jumpTrue = 0, jumpFalse = 0): CaptureInstruction {
  return { code, constant, jumpTrue, jumpFalse };
}
