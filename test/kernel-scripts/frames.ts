/**
 * Frames as any machine can send them, in sequences: valid ones of all kinds that meet the numbers generated scripts
 * compare with, cut ones, and ones that lie about themselves. All begin with Ethernet; see {@link packetOf}.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { arp } from "#packet/arp.ts";
import { build } from "#packet/build.ts";
import { EtherType, ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { ETHERNET_FIRST } from "#packet/packet.ts";
import type { Header } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { gre, vxlan } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { below, randomBytes, randomPacket } from "../packet/random-packet.ts";
import { DEFINED_PORT } from "./generate/headers.ts";

/** A frame and what is known of it beside its bytes. */
export interface TestFrame {
  readonly bytes: Uint8Array;
  readonly mark: number;
  /** Milliseconds since the frame before; entries of maps may expire meanwhile. */
  readonly delay: number;
  /** The 32 bits that chance gives for this frame. */
  readonly chance: number;
  /** Not 0 for an aggregate: bytes of each of its segments. */
  readonly segmentBytes: number;
}

/** Bytes of an Ethernet header; the kernel makes no packet of fewer. */
export const ETHERNET_BYTES = 14;
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "192.0.2.7", "255.255.255.255"] as const;
const ADDRESSES_6 = ["2001:db8::1", "2001:db8::2", "fe80::1"] as const;
const PORTS = [23, 53, 80, 443, DEFINED_PORT, DEFINED_PORT + 1, DEFINED_PORT + 2, DEFINED_PORT + 100, 65_535];

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[below(random, from.length)] as T;
}

/** A sequence for one script: some of them related, as cuts of one frame are. */
export function randomFrames(random: SeededRandom, count: number): TestFrame[] {
  const frames: TestFrame[] = [];
  while (frames.length < count) {
    const bytes = randomFrame(random);
    const mark = below(random, 3) === 0 ? random.word() : 0;
    const delay = below(random, 4) === 0 ? below(random, 5) * 200_000 : 0;
    const segmentBytes = below(random, 6) === 0 ? 1 + below(random, 1400) : 0;
    frames.push(frameOf(bytes, { mark, delay, segmentBytes, chance: anyChance(random) }));
    // The same once more, so that what was remembered is met again; then with fewer bytes.
    if (below(random, 3) === 0) frames.push(frameOf(bytes, { chance: anyChance(random) }));
    if (below(random, 3) === 0) frames.push(frameOf(bytes.slice(0, below(random, bytes.length + 1))));
    if (below(random, 3) === 0) frames.push(frameOf(spoiled(random, bytes), { mark }));
  }
  return frames.slice(0, count);
}

/** A frame of which all that is not told is 0. */
export function frameOf(bytes: Uint8Array, rest: Partial<Omit<TestFrame, "bytes">> = {}): TestFrame {
  return { bytes, mark: 0, delay: 0, chance: 0, segmentBytes: 0, ...rest };
}

/** Both ends of what chance may give are as likely as all between. */
function anyChance(random: SeededRandom): number {
  return pick(random, [0, 2 ** 32 - 1, 2 ** 31, random.word(), random.word(), random.word()]);
}

/** Every length of one frame, from nothing to all of it. */
export function allLengths(bytes: Uint8Array): TestFrame[] {
  return Array.from({ length: bytes.length + 1 }, (_, length) => frameOf(bytes.slice(0, length)));
}

export function randomFrame(random: SeededRandom): Uint8Array {
  if (below(random, 8) === 0) {
    const { built } = randomPacket(random);
    const bytes = built.toBytes();
    if (built.etherType === ETHERNET_FIRST) return bytes;
    const header = build(ethernet.header({ type: built.etherType })).toBytes();
    return Uint8Array.from([...header, ...bytes]);
  }
  const headers: Header[] = [];
  link(random, headers);
  const payload = randomBytes(random, below(random, 48));
  const bytes = build(...headers, payload).toBytes();
  return below(random, 4) === 0 ? lying(random, bytes) : bytes;
}

function link(random: SeededRandom, headers: Header[]): void {
  headers.push(ethernet.header({ source: below(random, 4), destination: "02:00:00:00:00:01" }));
  if (below(random, 4) === 0) {
    const count = 1 + below(random, 3);
    for (let index = 0; index < count; index++)
      headers.push(vlan.header({ identifier: below(random, 4096), priority: below(random, 8) }));
  }
  switch (below(random, 10)) {
    case 0:
      headers.push(arp.header({ sender: "10.0.0.1", target: "10.0.0.2", operation: 1 + below(random, 2) }));
      return;
    case 1:
    case 2:
    case 3:
      network6(random, headers);
      return;
    default:
      network4(random, headers);
  }
}

const OPTIONS: readonly Uint8Array[] = [
  Uint8Array.of(148, 4, 0, 0),
  Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0),
  new Uint8Array(40).fill(1),
  Uint8Array.of(68, 0, 255, 255),
];

function network4(random: SeededRandom, headers: Header[]): void {
  const fragment = below(random, 8) === 0;
  headers.push(
    ipv4.header(
      {
        source: pick(random, ADDRESSES),
        destination: below(random, 3) === 0 ? random.word() : pick(random, ADDRESSES),
        timeToLive: below(random, 256),
        identification: below(random, 65_536),
        dscp: below(random, 64),
        ecn: below(random, 4),
        dontFragment: below(random, 2) === 0,
        ...(fragment ? { fragmentOffset: below(random, 3), moreFragments: below(random, 2) === 0 } : {}),
      },
      below(random, 4) === 0 ? pick(random, OPTIONS) : undefined,
    ),
  );
  transport(random, headers, false);
}

/** Chains of extension headers: hop by hop, routing, fragment, destination options, authentication. */
function extensions(random: SeededRandom): {
  readonly first: number;
  readonly bytes: Uint8Array;
  lastAt: number;
} {
  const kinds = Array.from({ length: 1 + below(random, 3) }, () => pick(random, [0, 43, 44, 60, 51, 135]));
  const bytes: number[] = [];
  let lastAt = 0;
  for (const [index, kind] of kinds.entries()) {
    lastAt = bytes.length;
    const next = kinds[index + 1] ?? 59;
    const units = below(random, 3);
    const length = kind === 44 ? 8 : kind === 51 ? (units + 2) * 4 : (units + 1) * 8;
    const body = [...randomBytes(random, length - 2)];
    if (kind === 44) [body[0], body[1]] = [0, pick(random, [0, 1, 8])];
    if (kind === 43) [body[0], body[1]] = [pick(random, [0, 2, 4, 3]), below(random, 2)];
    bytes.push(next, kind === 44 ? 0 : units, ...body);
  }
  return { first: kinds[0] as number, bytes: Uint8Array.from(bytes), lastAt };
}

function network6(random: SeededRandom, headers: Header[]): void {
  const values = {
    source: pick(random, ADDRESSES_6),
    destination: pick(random, ADDRESSES_6),
    hopLimit: below(random, 256),
    flowLabel: below(random, 2 ** 20),
    dscp: below(random, 64),
  };
  if (below(random, 3) > 0) {
    headers.push(ipv6.header(values));
    transport(random, headers, true);
    return;
  }
  const { first, bytes, lastAt } = extensions(random);
  bytes[lastAt] = pick(random, [6, 17, 58, 59]);
  headers.push(ipv6.header({ ...values, nextHeader: first }, bytes));
  transport(random, headers, true);
}

function transport(random: SeededRandom, headers: Header[], isIpv6: boolean): void {
  const ports = { sourcePort: pick(random, PORTS), destinationPort: pick(random, PORTS) };
  switch (below(random, 8)) {
    case 0:
      headers.push(
        isIpv6
          ? icmpv6.header({ type: pick(random, [1, 128, 129, 135, 136]), identifier: below(random, 4) })
          : icmp.header({ type: pick(random, [0, 3, 8, 11]), identifier: below(random, 4) }),
      );
      return;
    case 1:
    case 2:
    case 3:
      headers.push(udp.header({ ...ports, ...(below(random, 5) === 0 ? { checksum: 0 } : {}) }));
      return;
    case 4:
      tunnel(random, headers);
      return;
    default:
      headers.push(
        tcp.header(
          { ...ports, sequence: random.word(), acknowledgment: random.word(), flags: below(random, 256) },
          below(random, 3) === 0 ? Uint8Array.of(2, 4, 5, 180, 1, 3, 3, 7) : undefined,
        ),
      );
  }
}

/** Behind which generated scripts promise not to look. */
function tunnel(random: SeededRandom, headers: Header[]): void {
  const inner = [
    ipv4.header({ source: "10.0.0.1", destination: "10.0.0.2" }),
    udp.header({ destinationPort: 53 }),
  ];
  const kind = below(random, 3);
  if (kind === 0) headers.push(...inner);
  else if (kind === 1) headers.push(gre.header({}), ...inner);
  else headers.push(udp.header({ sourcePort: 1024 }), vxlan.header({}), ethernet.header({}), ...inner);
}

/** Lengths that are not so; the header of the network layer is behind Ethernet or its tags. */
function lying(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  let at = ETHERNET_BYTES;
  while (at + 4 < copy.length && view.getUint16(at - 2) === EtherType.vlan) at += 4;
  if (at + 40 > copy.length) return copy;
  const length = copy.length - at;
  const wrong = pick(random, [0, 1, 8, 19, 20, 27, length - 1, length + 1, 65_535, below(random, length)]);
  const isIpv6 = (copy[at] as number) >> 4 === 6;
  const transportAt = at + (isIpv6 ? 40 : 4 * ((copy[at] as number) & 15));
  switch (below(random, 5)) {
    case 0:
      view.setUint16(at + (isIpv6 ? 4 : 2), wrong);
      break;
    case 1:
      copy[at] = ((copy[at] as number) & 0xf0) | below(random, 16);
      break;
    case 2:
      copy[at] = (below(random, 16) << 4) | ((copy[at] as number) & 15);
      break;
    case 3:
      // UDP's length, or a part of TCP's sequence.
      if (transportAt + 6 <= copy.length) view.setUint16(transportAt + 4, wrong);
      break;
    default:
      // TCP's data offset.
      if (transportAt + 13 <= copy.length) copy[transportAt + 12] = below(random, 256);
  }
  return copy;
}

function spoiled(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let count = 1 + below(random, 3); count > 0 && copy.length > 12; count--)
    copy[12 + below(random, Math.min(copy.length - 12, 60))] = below(random, 256);
  return copy;
}

/** What a script sees of a frame at a place; `undefined` when it is not shown there. */
export interface SeenPacket {
  readonly bytes: Uint8Array;
  /** As `Packet.aim` takes it. */
  readonly etherType: number;
  /** Bytes in front that go along unchanged. */
  readonly hidden: Uint8Array;
}

export function packetOf(bytes: Uint8Array, first: "ethernet" | "network"): SeenPacket | undefined {
  if (bytes.length < ETHERNET_BYTES) return undefined;
  if (first === "ethernet") return { bytes, etherType: ETHERNET_FIRST, hidden: new Uint8Array(0) };
  const etherType = ((bytes[12] as number) << 8) | (bytes[13] as number);
  if (etherType !== EtherType.ipv4 && etherType !== EtherType.ipv6) return undefined;
  return { bytes: bytes.slice(ETHERNET_BYTES), etherType, hidden: bytes.slice(0, ETHERNET_BYTES) };
}
