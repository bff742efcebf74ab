/**
 * What a few ends of flows say: any segments, datagrams and messages, also in fragments, as packets of a link.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { checksumOf, sumWords } from "#base/checksum.ts";
import { build } from "#packet/build.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";

/** A packet; numbers of segments count from their end's first one. */
export interface Act {
  readonly kind: "tcp" | "udp" | "icmp";
  readonly isServer: boolean;
  /** Which of three clients. */
  readonly client: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly lengthBytes: number;
  readonly flags: number;
  readonly window: number;
  readonly timestamp: number;
  readonly urgent: number;
  /** Added to every byte: 0 where an end says the same each time. */
  readonly lie: number;
  /** Since the packet before. */
  readonly milliseconds: number;
  /** Of the end, which the capture does not have. */
  readonly cutBytes: number;
  /** Whether it comes in fragments, cut behind so many times 8 bytes; both of them, or one. */
  readonly fragment:
    | { readonly cut: number; readonly which: "both" | "first" | "last" | "reversed" }
    | undefined;
}

const near = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -3, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 }) },
);

export const act: fc.Arbitrary<Act> = fc.record<Act>({
  kind: fc.constantFrom("tcp", "tcp", "tcp", "tcp", "tcp", "tcp", "tcp", "tcp", "udp", "icmp"),
  isServer: fc.boolean(),
  client: fc.nat(2),
  sequence: near,
  acknowledgement: near,
  lengthBytes: fc.oneof({ weight: 9, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(1400) }),
  // ACK most of the time, the others now and then, in any combination.
  flags: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0x10) },
    { weight: 3, arbitrary: fc.constantFrom(0x02, 0x12, 0x11, 0x04, 0x14, 0x30, 0x18) },
    { weight: 1, arbitrary: fc.nat(255) },
  ),
  window: fc.constantFrom(65_535, 65_535, 20, 5, 0),
  timestamp: fc.constantFrom(-1, -1, 5, 6, 7),
  urgent: fc.oneof({ weight: 3, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(65_535) }),
  lie: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
  milliseconds: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: -2, max: 50 }) },
    { weight: 1, arbitrary: fc.nat(400_000) },
  ),
  cutBytes: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(60) }),
  fragment: fc.oneof(
    { weight: 12, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({
        cut: fc.nat(6),
        which: fc.constantFrom("both" as const, "first" as const, "last" as const, "reversed" as const),
      }),
    },
  ),
});

/** The byte at a sequence number, where nobody lies. */
export function byteAt(sequence: number): number {
  return ((sequence >>> 8) * 7 + sequence) & 255;
}

/** The packets of an act, from their IP headers on; `first` is the first number of both ends. */
export function packetsOf(what: Act, first: number, id: number): readonly Uint8Array[] {
  const ends = [`10.0.0.${what.client + 1}`, "10.0.0.9"] as const;
  const [source, destination] = what.isServer ? [ends[1], ends[0]] : ends;
  const whole = Uint8Array.from(bytesOf(what, first, source, destination));
  new DataView(whole.buffer).setUint16(4, id);
  finish(whole);
  return what.fragment === undefined ? [whole] : fragmentsOf(whole, what.fragment);
}

function bytesOf(what: Act, first: number, source: string, destination: string): Uint8Array {
  const network = ipv4.header({ source, destination });
  const [sourcePort, destinationPort] = what.isServer ? [80, 1025] : [1025, 80];
  const isSyn = (what.flags & 2) !== 0;
  const sequence = (first + what.sequence) >>> 0;
  const start = sequence + (isSyn ? 1 : 0);
  const payload = Uint8Array.from({ length: what.lengthBytes }, (_, index) => {
    return (byteAt((start + index) >>> 0) + what.lie) & 255;
  });
  if (what.kind === "udp") {
    return build(network, udp.header({ sourcePort, destinationPort }), payload).toBytes();
  }
  if (what.kind === "icmp") {
    return build(network, icmp.header({ type: what.isServer ? 0 : 8, code: 0 }), payload).toBytes();
  }
  const header = tcp.header({
    sourcePort,
    destinationPort,
    sequence,
    acknowledgment: (first + what.acknowledgement) >>> 0,
    flags: what.flags,
    window: what.window,
    urgentPointer: what.urgent,
  });
  const bytes = build(network, header, payload).toBytes();
  if (what.timestamp < 0) return bytes;
  const packet = new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, 0x0800);
  const segment = packet.find(tcp);
  assert.ok(segment);
  segment.timestamp = what.timestamp;
  return packet.bytes();
}

function fragmentsOf(whole: Uint8Array, { cut, which }: NonNullable<Act["fragment"]>): readonly Uint8Array[] {
  const header = 20;
  const at = header + cut * 8;
  if (cut === 0 || at >= whole.length) return [whole];
  const first = partOf(whole, whole.subarray(header, at), 0x2000);
  const last = partOf(whole, whole.subarray(at), cut);
  if (which === "first") return [first];
  if (which === "last") return [last];
  return which === "both" ? [first, last] : [last, first];
}

function partOf(whole: Uint8Array, payload: Uint8Array, flagsAndOffset: number): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length);
  bytes.set(whole.subarray(0, 20));
  bytes.set(payload, 20);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, bytes.length);
  view.setUint16(6, flagsAndOffset);
  finish(bytes);
  return bytes;
}

/** The checksum of an IPv4 header without options. */
function finish(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(10, 0);
  view.setUint16(10, checksumOf(sumWords(view, 0, 20)));
}
