/**
 * A filter of TLS connections by the name of the server (SNI, RFC 6066 §3), which the client's hello tells before
 * anything is encrypted. A hello is put together from as many segments and records as it comes in.
 *
 * Connections that may go on get a mark, by which nftables keeps them away from the script: load it for
 * `tcp dport 443 ct mark & 0x1000 == 0`.
 * @module
 */
import {
  type BuiltPacket,
  build,
  type Context,
  clientHello,
  drop,
  type Ipv4View,
  type Ipv6View,
  ipv4,
  ipv6,
  type Packet,
  type ScriptOptions,
  tcp,
  type Verdict,
  type ViewOf,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { writes: false, connection: true };

/** Servers that nobody is to reach, with all names below them. */
const LISTED: ReadonlySet<string> = new Set(["blocked.example", "ads.example.net"]);

/** The bit of the mark of connections that were looked at. */
const SEEN_MARK = 0x1000;
const CONNECTION_COUNT_MAX = 10_000;
/** No hello is longer; what claims to be is treated as listed. */
const HELLO_BYTES_MAX = 20_000;
const HANDSHAKE = 22;
const RECORD_HEADER_BYTES = 5;

/** What the client has said so far. */
interface Said {
  readonly start: number;
  bytes: Uint8Array;
}

type Ip = Ipv4View | Ipv6View;
type Segment = ViewOf<typeof tcp>;

const connections = new Map<string, Said>();

/** Drops what goes to listed servers: the client tries for a while. */
export function dropListed(packet: Packet, context: Context): Verdict {
  return isListed(packet, context) ? drop : verdict.continue;
}

/** Drops it as well, and resets both sides: the client knows at once. */
export function resetListed(packet: Packet, context: Context): Verdict {
  if (!isListed(packet, context)) return verdict.continue;
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const segment = ip?.payload(tcp);
  if (ip && segment) for (const reset of resets(ip, segment)) context.send(reset);
  return drop;
}

/** Whether a segment must not go on. */
function isListed(packet: Packet, context: Context): boolean {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const segment = ip?.payload(tcp);
  if (!ip || !segment) return false;
  const key = ip.text(ip.version === 4 ? 12 : 8, ip.version === 4 ? 8 : 32) + segment.text(0, 4);
  if (segment.syn) return begin(key, segment.sequence);
  const said = connections.get(key);
  const payload = segment.payload();
  // A connection that was there before the script, or has nothing to say.
  if (!said || payload.lengthBytes === 0) return false;
  const offset = (segment.sequence - said.start) | 0;
  // What comes before its turn comes again: nobody shall put a hello together that was not seen here.
  if (offset < 0 || offset > said.bytes.length) return true;
  const repeated = said.bytes.subarray(offset, offset + payload.lengthBytes);
  if (payload.text(0, repeated.length) !== String.fromCharCode(...repeated)) return true;
  const bytes = new Uint8Array(Math.max(said.bytes.length, offset + payload.lengthBytes));
  bytes.set(said.bytes);
  bytes.set(payload.bytes(), offset);
  const seen = look(bytes);
  if (seen === "incomplete" && bytes.length <= HELLO_BYTES_MAX) {
    said.bytes = bytes;
    return false;
  }
  context.counter(seen === "fine" ? "fine" : "listed").add();
  if (seen !== "fine") return true;
  connections.delete(key);
  if (packet.connection) packet.connection.mark |= SEEN_MARK;
  return false;
}

function begin(key: string, sequence: number): false {
  connections.delete(key);
  for (const oldest of connections.keys())
    if (connections.size >= CONNECTION_COUNT_MAX) connections.delete(oldest);
  connections.set(key, { start: (sequence + 1) >>> 0, bytes: new Uint8Array(0) });
  return false;
}

/** What the start of a client's stream tells. */
function look(stream: Uint8Array): "listed" | "fine" | "incomplete" {
  // A handshake message may go on in the next record.
  const handshake: number[] = [];
  for (let at = 0; at < stream.length; ) {
    if (stream[at] !== HANDSHAKE) return "fine";
    const body = at + RECORD_HEADER_BYTES;
    const end = body + (stream[at + 3] ?? 0) * 256 + (stream[at + 4] ?? 0);
    handshake.push(...stream.subarray(body, end));
    at = Math.max(end, body);
  }
  if (handshake.length < 4) return "incomplete";
  const hello = build(Uint8Array.from(handshake)).toPacket().as(clientHello);
  if (hello === undefined || hello.state === "malformed") return "fine";
  const name = hello.serverName;
  if (name !== undefined) return isNameListed(name) ? "listed" : "fine";
  return hello.state === "complete" ? "fine" : "incomplete";
}

/** Whether a name or one above it is listed. */
function isNameListed(name: string): boolean {
  for (let rest: string | undefined = name.toLowerCase(); rest; rest = /\.(.*)/.exec(rest)?.[1]) {
    if (LISTED.has(rest)) return true;
  }
  return false;
}

/** To the server as the client would, and the other way round, with the numbers that each waits for. */
function resets(ip: Ip, segment: Segment): BuiltPacket[] {
  const { sourcePort, destinationPort, sequence, acknowledgment } = segment;
  const end = (sequence + segment.payload().lengthBytes) >>> 0;
  const there = tcp.header({ sourcePort, destinationPort, sequence, rst: true });
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
  const back = tcp.header({ ...ports, sequence: acknowledgment, acknowledgment: end, rst: true, ack: true });
  return [build(header(ip, false), there), build(header(ip, true), back)];
}

function header(ip: Ip, isBack: boolean) {
  const [source, destination] = isBack ? [ip.destination, ip.source] : [ip.source, ip.destination];
  return ip.version === 4
    ? ipv4.header({ source: Number(source), destination: Number(destination) })
    : ipv6.header({ source: BigInt(source), destination: BigInt(destination) });
}
