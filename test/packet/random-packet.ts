/**
 * Packets of random headers in headers, tunnels included, whose checksums are right, and random changes to them.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { arp } from "#packet/arp.ts";
import { type BuiltPacket, build, part } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Packet } from "#packet/packet.ts";
import type { Header, Protocol } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { gre, mpls, pppoe, vxlan } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import type { View } from "#packet/view.ts";
import { vlan } from "#packet/vlan.ts";

/** A packet and the protocols it was made of, outermost first. */
export interface RandomPacket {
  readonly built: BuiltPacket;
  readonly stack: readonly Protocol[];
}

/** Tunnels in tunnels. */
const TUNNEL_COUNT_MAX = 2;

export function randomPacket(random: SeededRandom): RandomPacket {
  const headers: Header[] = [];
  if (below(random, 2) === 0) frame(random, headers, 0);
  else internet(random, headers, 0);
  const pieces = Array.from({ length: below(random, 4) }, () => part(randomBytes(random, below(random, 40))));
  return { built: build(...headers, ...pieces), stack: headers.map(({ protocol }) => protocol) };
}

function frame(random: SeededRandom, headers: Header[], depth: number): void {
  headers.push(ethernet.header({ source: below(random, 2 ** 32), destination: below(random, 2 ** 32) }));
  while (below(random, 3) === 0 && headers.length < 8)
    headers.push(vlan.header({ identifier: below(random, 4096) }));
  const kind = below(random, 12);
  if (kind === 0) headers.push(arp.header({ sender: "10.0.0.1", target: "10.0.0.2" }));
  else if (kind === 1) headers.push(pppoe.header({ session: 7 }));
  else if (kind === 2) headers.push(mpls.header({ label: 17 }));
  if (kind !== 0) internet(random, headers, depth);
}

function internet(random: SeededRandom, headers: Header[], depth: number): void {
  const isIpv6 = below(random, 2) === 0;
  headers.push(isIpv6 ? ipv6Header(random) : ipv4Header(random));
  const kind = below(random, depth < TUNNEL_COUNT_MAX && headers.length < 9 ? 7 : 4);
  const ports = { sourcePort: 1024 + below(random, 1000), destinationPort: 9 };
  switch (kind) {
    case 0:
      headers.push(udp.header({ ...ports, ...(below(random, 5) === 0 ? { checksum: 0 } : {}) }));
      return;
    case 1:
    case 2:
      headers.push(tcp.header({ ...ports, sequence: random.word() }, tcpOptions(random)));
      return;
    case 3:
      headers.push(isIpv6 ? icmpv6.header({ type: 128 }) : icmp.header({ type: 8, identifier: 3 }));
      return;
    case 4:
      internet(random, headers, depth + 1);
      return;
    case 5:
      headers.push(
        udp.header({ sourcePort: ports.sourcePort }),
        vxlan.header({ identifier: below(random, 2 ** 24) }),
      );
      frame(random, headers, depth + 1);
      return;
    default:
      headers.push(
        gre.header({ checksumPresent: below(random, 2) === 0, keyPresent: below(random, 2) === 0 }),
      );
      internet(random, headers, depth + 1);
  }
}

function ipv4Header(random: SeededRandom): Header {
  const options = below(random, 3) === 0 ? Uint8Array.of(148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0) : undefined;
  return ipv4.header(
    { source: random.word(), destination: random.word(), identification: below(random, 65_536) },
    options,
  );
}

function ipv6Header(random: SeededRandom): Header {
  const address = (): bigint => (BigInt(random.word()) << 96n) | BigInt(random.word());
  return ipv6.header({ source: address(), destination: address(), flowLabel: below(random, 2 ** 20) });
}

function tcpOptions(random: SeededRandom): Uint8Array | undefined {
  const options = [
    [2, 4, 5, 180],
    [1, 3, 3, 7],
    [4, 2, 1, 1],
    [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
  ];
  const chosen = options.filter(() => below(random, 2) === 0).flat();
  return chosen.length === 0 ? undefined : Uint8Array.from(chosen);
}

/** The views of a packet by the protocols it was made of, whatever a change made of its contents. */
export function viewsOf(packet: Packet, stack: readonly Protocol[]): View[] {
  const views: View[] = [];
  let view: View = packet;
  for (const protocol of stack) {
    const next = view.as(protocol);
    if (next === undefined) break;
    views.push(next);
    view = next;
  }
  return views;
}

/** Fields that say where things are: another value makes the packet another one. */
const STRUCTURE = new Set([
  ...["version", "type", "headerWords", "dataOffset", "hardwareBytes", "protocolBytes"],
  ...["totalLength", "payloadLength", "length", "fragmentOffset", "checksum"],
  ...["nextHeader", "protocol", "protocolType"],
  ...["hasIdentifier", "checksumPresent", "keyPresent", "sequencePresent"],
]);

/** A field of a view that may have any value. */
export function randomField(random: SeededRandom, view: View): string | undefined {
  const names = Object.keys(view.$of.fields).filter((name) => !STRUCTURE.has(name));
  return names[below(random, names.length)];
}

/** A value of a field's type, by what it has now. */
export function randomValue(random: SeededRandom, now: unknown): unknown {
  switch (typeof now) {
    case "bigint":
      return (BigInt(random.word()) << 96n) | (BigInt(random.word()) << 40n) | BigInt(random.word());
    case "boolean":
      return !now;
    case "number":
      return below(random, 3) === 0 ? now ^ 1 : random.word();
    default:
      return undefined;
  }
}

export function below(random: SeededRandom, limit: number): number {
  return random.word() % limit;
}

export function randomBytes(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.word() & (below(random, 4) === 0 ? 0 : 255));
}
