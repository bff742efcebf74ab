/**
 * A load balancer: connections to one public address are spread over several servers, and stay where they are.
 * Load `balance` at prerouting for what goes to the public address, `restore` at postrouting for what comes back.
 * @module
 */
import {
  type Context,
  drop,
  hours,
  ipv4,
  ipv4Address,
  type MapOptions,
  type Packet,
  type ScriptOptions,
  type SharedMap,
  seconds,
  tcp,
  type Verdict,
  type ViewOf,
  verdict,
} from "metanet/script";

/** Has a table of its own, and needs nobody else's. */
export const options: ScriptOptions = { connection: false };

const PUBLIC = ipv4Address("192.0.2.80");
const SERVERS = ["10.91.2.11", "10.91.2.12", "10.91.2.13"].map(ipv4Address);

/** SYNs that a server may leave unanswered; then it gets no new connections until the entry's time is over. */
const SILENCE_MAX = 2;

/** Which server a client's address and port have; the same in all isolates. */
const CONNECTIONS: MapOptions = { kind: "lru", countMax: 65_536, timeToLive: hours(1) };
/** How many SYNs a server has left unanswered. */
const SILENT: MapOptions = { countMax: 1024, timeToLive: seconds(10) };

/** Gives each connection a server. */
export function balance(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  const segment = ip?.payload(tcp);
  if (!ip || !segment || ip.destination !== PUBLIC) return verdict.continue;
  const connections = context.map("balancer-connections", CONNECTIONS);
  const silent = context.map("balancer-silent", SILENT);
  const key = ip.source * 65_536 + segment.sourcePort;
  const isFirst = segment.syn && !segment.ack;
  let server = connections.get(key);
  // A SYN that comes again: nobody has answered the first one.
  if (isFirst && server !== undefined) silent.add(server);
  if (server === undefined || (isFirst && !isHealthy(server, silent))) {
    server = choose(key, silent);
    connections.set(key, server);
    context.counter("connections").add();
  } else {
    connections.touch(key);
  }
  ip.destination = server;
  return verdict.continue;
}

/** Puts the public address back, and sees who answers. */
export function restore(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  const segment = ip?.payload(tcp);
  if (!ip || !segment || !SERVERS.includes(ip.source)) return verdict.continue;
  const silent = context.map("balancer-silent", SILENT);
  if (segment.syn) silent.delete(ip.source);
  const key = ip.destination * 65_536 + segment.destinationPort;
  if (isRefusal(segment)) {
    // Nobody listens there any more; the client will ask again, and get another server.
    silent.add(ip.source, SILENCE_MAX);
    context.counter("refused").add();
    return drop;
  }
  if (context.map("balancer-connections", CONNECTIONS).get(key) !== ip.source) return verdict.continue;
  ip.source = PUBLIC;
  return verdict.continue;
}

/** Whether this is a server's no to a SYN (RFC 9293 §3.5.2): all others have a sequence number. */
function isRefusal(segment: ViewOf<typeof tcp>): boolean {
  return segment.rst && segment.ack && segment.sequence === 0;
}

function isHealthy(server: number, silent: SharedMap): boolean {
  return (silent.get(server) ?? 0) < SILENCE_MAX;
}

/**
 * The healthy server with the highest number for this connection (rendezvous hashing): when a server goes, only its
 * own connections get another, and without the table each would still get the same.
 */
function choose(key: number, silent: SharedMap): number {
  const healthy = SERVERS.filter((server) => isHealthy(server, silent));
  const [first = 0, ...others] = healthy.length > 0 ? healthy : SERVERS;
  return others.reduce((best, server) => (weight(key, server) > weight(key, best) ? server : best), first);
}

/** Mixes all bits (the finalizer of MurmurHash3). */
function weight(key: number, server: number): number {
  let hash =
    (key % 0x1_0000_0000) ^
    Math.imul(Math.floor(key / 0x1_0000_0000) + 1, 0x9e37_79b1) ^
    Math.imul(server, 0x85eb_ca77);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
