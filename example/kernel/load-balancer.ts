/**
 * A load balancer with consistent hashing: connections to one public address are spread over servers by rendezvous
 * hashing, so that a server that goes takes nobody's connections along but its own. Load `balance` at prerouting on the
 * outer interface and `restore` at postrouting on it; both run in the kernel.
 *
 * A server is taken out by an entry in `balancer-down`, whose key is its number:
 * `metanet call packetd:/packetd/map/write name=balancer-down key=1 value=1`.
 * @module
 */
import {
  type Context,
  drop,
  ipv4,
  ipv4Address,
  type MapOptions,
  minutes,
  type Packet,
  type ScriptOptions,
  tcp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

const PUBLIC = ipv4Address("192.0.2.80");
const SERVERS = [
  ipv4Address("10.91.2.11"),
  ipv4Address("10.91.2.12"),
  ipv4Address("10.91.2.13"),
  ipv4Address("10.91.2.14"),
] as const;

/** Which server a client's address and port have, so that a connection stays when another server comes or goes. */
const CONNECTIONS: MapOptions = { kind: "lru", countMax: 262_144, timeToLive: minutes(15) };
const DOWN: MapOptions = { kind: "array", countMax: SERVERS.length };

/** Gives each connection a server. */
export function balance(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  const segment = ip?.payload(tcp);
  if (!ip || !segment || ip.destination !== PUBLIC) return verdict.continue;
  const connections = context.map("balancer-connections", CONNECTIONS);
  const key = ip.source * 65_536 + segment.sourcePort;
  const known = connections.get(key);
  if (known !== undefined && !(segment.syn && !segment.ack)) {
    connections.touch(key);
    ip.destination = (known & 0xffff_ffff) >>> 0;
    return verdict.continue;
  }
  const down = context.map("balancer-down", DOWN);
  let best = 0;
  let bestWeight = -1;
  for (const [index, server] of SERVERS.entries()) {
    const weight = (down.get(index) ?? 0) > 0 ? -1 : weigh(ip.source, segment.sourcePort, server);
    if (weight > bestWeight) {
      best = server;
      bestWeight = weight;
    }
  }
  if (bestWeight < 0) {
    context.counter("no server").add();
    return drop;
  }
  connections.set(key, best);
  context.counter("connections").add();
  ip.destination = best;
  return verdict.continue;
}

/** Puts the public address back. */
export function restore(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  const segment = ip?.payload(tcp);
  if (!ip || !segment) return verdict.continue;
  const connections = context.map("balancer-connections", CONNECTIONS);
  if (connections.get(ip.destination * 65_536 + segment.destinationPort) !== ip.source)
    return verdict.continue;
  ip.source = PUBLIC;
  return verdict.continue;
}

/** Mixes all bits (the finalizer of MurmurHash3), 0 to 2^32 - 1. */
function weigh(address: number, port: number, server: number): number {
  let hash = Math.imul(address, 0x9e37_79b1) ^ Math.imul(server, 0x85eb_ca77) ^ port;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
