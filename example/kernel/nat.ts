/**
 * A network behind one address: source NAT with port translation and a table of its own, the thesis's NAT grown up. Load
 * `leave` at postrouting on the outer interface and `enter` at prerouting on it; both run in the kernel.
 *
 * TCP, UDP and ICMP's echoes; a first packet takes a port that is free, and keeps it for as long as packets pass.
 * @module
 */
import {
  type Context,
  drop,
  icmp,
  ipv4,
  ipv4Address,
  type MapOptions,
  minutes,
  type Packet,
  type ScriptOptions,
  tcp,
  udp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

const PUBLIC = ipv4Address("192.0.2.1");
const INSIDE = ipv4Address("10.0.0.0");
const INSIDE_MASK = 0xff00_0000;

/** Ports that are given away: below are the gateway's own, above those of its own connections. */
const PORT_FIRST = 16_384;
const PORT_COUNT = 16_384;
/** Ports that a first packet tries. */
const TRY_COUNT = 8;

/** Which of the three a port belongs to. */
const Kind = { tcp: 0, udp: 1, echo: 2 } as const;

/** `address * 65536 + port`, times four and the kind: the port outside. */
const OUTWARD: MapOptions = { kind: "lru", countMax: 65_536, timeToLive: minutes(30) };
/** `port * 4` and the kind: `address * 65536 + port` inside. */
const INWARD: MapOptions = { kind: "hash", countMax: 65_536, timeToLive: minutes(30) };

/** A packet from inside gets the public address, and a port of its own there. */
export function leave(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip || (ip.source & INSIDE_MASK) >>> 0 !== INSIDE) return verdict.continue;
  // Only the first fragment has a port.
  if (ip.isFragment) return refuse(context, "fragments");
  const segment = ip.payload(tcp);
  const datagram = ip.payload(udp);
  const echo = ip.payload(icmp);
  const asked =
    segment?.sourcePort ?? datagram?.sourcePort ?? (echo?.type === 8 ? echo.identifier : undefined);
  if (asked === undefined) return refuse(context, "other protocols");
  const port = outer(context, ip.source, asked, segment ? Kind.tcp : datagram ? Kind.udp : Kind.echo);
  if (port === 0) return refuse(context, "no free port");
  if (segment) segment.sourcePort = port;
  else if (datagram) datagram.sourcePort = port;
  else if (echo) echo.identifier = port;
  ip.source = PUBLIC;
  return verdict.continue;
}

/** An answer finds its way back inside; what nobody has asked for stays the gateway's. */
export function enter(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip || ip.destination !== PUBLIC || ip.isFragment) return verdict.continue;
  const segment = ip.payload(tcp);
  const datagram = ip.payload(udp);
  const echo = ip.payload(icmp);
  const port =
    segment?.destinationPort ?? datagram?.destinationPort ?? (echo?.type === 0 ? echo.identifier : undefined);
  if (port === undefined) return verdict.continue;
  const inside = inner(context, port, segment ? Kind.tcp : datagram ? Kind.udp : Kind.echo);
  if (inside === undefined) return verdict.continue;
  if (segment) segment.destinationPort = inside % 65_536;
  else if (datagram) datagram.destinationPort = inside % 65_536;
  else if (echo) echo.identifier = inside % 65_536;
  ip.destination = Math.floor(inside / 65_536);
  return verdict.continue;
}

/** The port outside of an address and port inside; 0 when none was free. */
function outer(context: Context, address: number, port: number, kind: number): number {
  const outward = context.map("nat-outward", OUTWARD);
  const inward = context.map("nat-inward", INWARD);
  const inside = address * 65_536 + port;
  const key = inside * 4 + kind;
  const known = outward.get(key);
  if (known !== undefined) {
    outward.touch(key);
    const chosen = known & 0xffff;
    inward.touch(chosen * 4 + kind);
    return chosen;
  }
  const start = context.randomInteger(PORT_COUNT);
  for (let tries = 0; tries < TRY_COUNT; tries++) {
    const chosen = PORT_FIRST + ((start + tries) % PORT_COUNT);
    if (inward.compareAndSet(chosen * 4 + kind, undefined, inside)) {
      outward.set(key, chosen);
      context.counter("translations").add();
      return chosen;
    }
  }
  return 0;
}

/** The address and port inside of a port outside. */
function inner(context: Context, port: number, kind: number): number | undefined {
  const inside = context.map("nat-inward", INWARD).get(port * 4 + kind);
  return inside === undefined ? undefined : inside % 2 ** 48;
}

function refuse(context: Context, why: string): Verdict {
  context.counter(why).add();
  return drop;
}
