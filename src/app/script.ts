/**
 * What packet scripts import, and all that an editor needs to complete them:
 *
 *     import { type Context, drop, ipv4, type Packet, tcp, verdict } from "metanet/script";
 *
 *     export function noTelnet(packet: Packet, context: Context) {
 *       if (packet.find(tcp)?.destinationPort === 23) return drop;
 *       return verdict.continue;
 *     }
 *
 * @module
 */
import { accept, delayed, drop, later, mark, proceed, queue, repeat, type Verdict } from "#script/verdict.ts";

// Time: lengths and points of it, plain numbers of milliseconds at run time.
export {
  after,
  between,
  type Duration,
  formatInstant,
  hours,
  type Instant,
  instant,
  milliseconds,
  minutes,
  seconds,
} from "#base/time.ts";
// Addresses: numbers in packets, text for people.
export {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv4Input,
  type Ipv6Input,
  ipv4Address,
  ipv6Address,
  type MacInput,
  macAddress,
} from "#packet/address.ts";
// New packets, made of parts.
export { BuiltPacket, build, type Part, part } from "#packet/build.ts";
// What the connection tracker knows.
export type { Connection, ConnectionState, ConnectionTuple } from "#packet/connection.ts";
// Protocols, from the wire upwards; each can be given to `payload`, `find`, `as` and `is`.
export { type EthernetView, EtherType, ethernet } from "#packet/ethernet.ts";
// Protocols of a script's own.
export type { Codec, FieldSpec, Fields, FieldsOf, FieldValue } from "#packet/field.ts";
export { IpProtocol, type Ipv4View, ipv4, ipv4Codec } from "#packet/ipv4.ts";
// Packets.
export { type FirstLayer, type Hook, Packet, ReadOnlyPacketError } from "#packet/packet.ts";
export {
  type CarriedBy,
  type ChecksumSpec,
  defineProtocol,
  type Protocol,
  type ProtocolSpec,
  type ViewOf,
} from "#packet/protocol.ts";
export { tcp } from "#packet/tcp.ts";
export { udp } from "#packet/udp.ts";
export type { View } from "#packet/view.ts";
// What a script is given besides the packet, and what it is.
export type {
  Context,
  DeferOptions,
  Deferred,
  PacketScript,
  ScriptBus,
  ScriptCounter,
  ScriptIdentity,
  ScriptOptions,
  SendOptions,
} from "#script/context.ts";
// Verdicts.
export {
  accept,
  delayed,
  drop,
  formatVerdict,
  type Later,
  later,
  mark,
  proceed,
  queue,
  REPEAT_COUNT_MAX,
  repeat,
  type Verdict,
} from "#script/verdict.ts";

/** The verdicts by their names: `verdict.continue` reads as it is meant, where `continue` alone is a keyword. */
export const verdict: {
  /** The packet goes on, past the scripts that are left at this hook. */
  readonly accept: Verdict;
  /** The packet is gone. */
  readonly drop: Verdict;
  /** The packet goes on to the next script of this hook; what a function that returns nothing means as well. */
  readonly continue: Verdict;
  /** The packet goes through this hook's script once more, at most `REPEAT_COUNT_MAX` times. */
  readonly repeat: Verdict;
  /** The reader of another queue, 0 to 65535, decides. */
  readonly queue: typeof queue;
  /** The packet gets a netfilter mark, 0 to 2^32 - 1, and goes on to the next script. */
  readonly mark: typeof mark;
  /** The verdict comes by a promise. */
  readonly later: typeof later;
  /** The packet is held for a while. */
  readonly delayed: typeof delayed;
} = { accept, drop, continue: proceed, repeat, queue, mark, later, delayed };
