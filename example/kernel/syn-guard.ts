/**
 * A token bucket for each source of TCP connections, IPv4 and IPv6: whoever sends more SYNs than a person's programs do
 * is dropped before the connection tracker hears of it. Runs inside of the kernel, at netfilter's hooks or in front.
 * @module
 */
import {
  type Context,
  drop,
  ipv4,
  ipv6,
  type MapOptions,
  type Packet,
  type ScriptOptions,
  seconds,
  tcp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

/** SYNs of one source in a second, and how many at once. */
const RATE = 20;
const BURST = 40;
/** Milliseconds in which an allowance gains one SYN, and in which it is full. */
const STEP = 1000 / RATE;
const FULL = BURST * STEP;

const SOURCES: MapOptions = { kind: "lru", countMax: 65_536, timeToLive: seconds(60) };
const SOURCES6: MapOptions = { ...SOURCES, key: "bigint" };

/** Load it at prerouting, or at input of a server. */
export function guard(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (ip) {
    const segment = ip.payload(tcp);
    if (!segment?.syn || segment.ack) return verdict.continue;
    const sources = context.map("syn-sources", SOURCES);
    const full = filled(sources.get(ip.source), context.now);
    if (full - context.now > FULL) return refuse(context);
    sources.set(ip.source, full);
    return pass(context);
  }
  const ip6 = packet.payload(ipv6);
  const segment = ip6?.payload(tcp);
  if (!ip6 || !segment?.syn || segment.ack) return verdict.continue;
  const sources = context.map("syn-sources6", SOURCES6);
  // Who has one address of an IPv6 network has all of them.
  const network = ip6.source >> 64n;
  const full = filled(sources.get(network), context.now);
  if (full - context.now > FULL) return refuse(context);
  sources.set(network, full);
  return pass(context);
}

/** When an allowance will be full again after one more was taken. */
function filled(before: number | undefined, now: number): number {
  return Math.max(before ?? 0, now) + STEP;
}

function pass(context: Context): Verdict {
  context.counter("passed").add();
  return verdict.continue;
}

function refuse(context: Context): Verdict {
  context.counter("refused").add();
  return drop;
}
