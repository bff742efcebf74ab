/**
 * An HTTP cache on the router before a server. Connections begin at the server; when a client asks for something that
 * is known, the server is reset and the script goes on in its name (see `tcp-answerer.ts`). Responses are learnt while
 * they pass.
 * @module
 */
import {
  between,
  build,
  type Context,
  drop,
  http,
  type Ipv4View,
  type Ipv6View,
  ipv4,
  ipv6,
  type Packet,
  type Part,
  part,
  type ScriptOptions,
  tcp,
  type Verdict,
  type ViewOf,
  verdict,
} from "metanet/script";
import { Recording } from "./http-recording.ts";
import { TcpAnswerer } from "./tcp-answerer.ts";

/** Nothing is rewritten, so aggregates may come whole. */
export const options: ScriptOptions = { writes: false, connection: false };

const CACHE_BYTES_MAX = 256 << 20;
const CONVERSATION_COUNT_MAX = 10_000;
/** Bytes of a segment when the client says nothing (RFC 9293 §3.7.1), and the most that are sent. */
const SEGMENT_BYTES_DEFAULT = 536;
const SEGMENT_BYTES_MAX = 1460;
const TIMESTAMPS_BYTES = 12;

type Segment = ViewOf<typeof tcp>;

/** What is known of a connection since its first SYN. */
interface Conversation {
  readonly segmentBytes: number;
  readonly windowShift: number | undefined;
  /** Until the server has answered without. */
  hasWindowScale: boolean;
  /** The server's clock, and when it said so. */
  timestamp: number | undefined;
  timestampSeen: Context["now"];
  /** The sequence numbers that come next from both sides. */
  clientNext: number;
  serverNext: number;
  recording: Recording | undefined;
  answerer: TcpAnswerer | undefined;
}

/** A response, cut into parts for the last client's segments. */
interface Entry {
  readonly head: string;
  readonly body: Uint8Array;
  readonly learnt: Context["now"];
  readonly expires: Context["now"];
  parts: readonly Part[];
  partBytes: number;
}

const conversations = new Map<string, Conversation>();
/** The entry that was used longest ago comes first. */
const entries = new Map<string, Entry>();
let entryBytes = 0;

/** Load it for what goes to the server: `tcp dport 80`. */
export function requests(packet: Packet, context: Context): Verdict {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const segment = ip?.payload(tcp);
  if (ip === undefined || segment === undefined) return verdict.continue;
  const key = `${side(ip, segment, "source")}${side(ip, segment, "destination")}`;
  if (segment.syn) begin(key, segment, context);
  const known = conversations.get(key);
  if (known === undefined || segment.syn) return verdict.continue;
  if (known.answerer !== undefined) {
    // Among those that were used last, when room has to be made for new ones.
    conversations.delete(key);
    conversations.set(key, known);
    known.answerer.receive(segment);
    return drop;
  }
  if (segment.rst) conversations.delete(key);
  const bytes = segment.payload().lengthBytes;
  const end = (segment.sequence + bytes) >>> 0;
  if (bytes === 0 || ((end - known.clientNext) | 0) <= 0) return verdict.continue;
  const isNext = segment.sequence === known.clientNext && segment.acknowledgment === known.serverNext;
  const wanted = isNext && known.recording === undefined ? keyOfRequest(ip, segment) : undefined;
  if (wanted === undefined) {
    // A connection is looked at as long as all of it is understood: one request, one response, the next request. Else
    // a client could have the response to one thing kept as the response to another.
    conversations.delete(key);
    return verdict.continue;
  }
  known.clientNext = end;
  const entry = fresh(wanted, context);
  if (entry === undefined) {
    known.recording = new Recording(wanted, known.serverNext);
    return verdict.continue;
  }
  context.counter("hits").add();
  answer({ key, known, entry, ip, segment }, context);
  return drop;
}

/** Load it for what comes from the server: `tcp sport 80`. */
export function responses(packet: Packet, context: Context): Verdict {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const segment = ip?.payload(tcp);
  if (ip === undefined || segment === undefined) return verdict.continue;
  const key = `${side(ip, segment, "destination")}${side(ip, segment, "source")}`;
  const known = conversations.get(key);
  if (known === undefined) return verdict.continue;
  // The server does not know that somebody else has taken over: whatever it still says is not for the client.
  if (known.answerer !== undefined) return drop;
  if (segment.syn) {
    known.hasWindowScale = segment.windowScale !== undefined;
    known.serverNext = (segment.sequence + 1) >>> 0;
  }
  known.timestamp = segment.timestamp;
  known.timestampSeen = context.now;
  const bytes = segment.payload().lengthBytes;
  const end = (segment.sequence + bytes) >>> 0;
  if (((end - known.serverNext) | 0) > 0) known.serverNext = end;
  const state = known.recording?.add(segment);
  if (state === "complete" && known.recording !== undefined) {
    store(known.recording, context);
    known.recording = undefined;
  }
  if (state === "unusable" || segment.fin || segment.rst) conversations.delete(key);
  return verdict.continue;
}

/** An address and a port, as text that is short and the same in both directions. */
function side(ip: Ipv4View | Ipv6View, segment: Segment, which: "source" | "destination"): string {
  const isSource = which === "source";
  const address = ip.version === 4 ? ip.text(isSource ? 12 : 16, 4) : ip.text(isSource ? 8 : 24, 16);
  return address + segment.text(isSource ? 0 : 2, 2);
}

function begin(key: string, segment: Segment, context: Context): void {
  conversations.delete(key);
  const [oldest] = conversations.keys();
  if (oldest !== undefined && conversations.size >= CONVERSATION_COUNT_MAX) conversations.delete(oldest);
  conversations.set(key, {
    segmentBytes: Math.min(segment.maximumSegmentSize ?? SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX),
    windowShift: segment.windowScale,
    hasWindowScale: false,
    timestamp: undefined,
    timestampSeen: context.now,
    clientNext: (segment.sequence + 1) >>> 0,
    serverNext: 0,
    recording: undefined,
    answerer: undefined,
  });
}

/**
 * What names the response to a request: the server, and what is wanted of it. `undefined` when the request is not one
 * that may be answered from a cache (RFC 9111 §3), or not whole.
 */
function keyOfRequest(ip: Ipv4View | Ipv6View, segment: Segment): string | undefined {
  const request = segment.as(http);
  if (request?.method !== "GET" || request.state !== "complete") return undefined;
  if (request.headerBytes !== request.lengthBytes) return undefined;
  for (const [name] of request.fields()) if (PERSONAL.has(name)) return undefined;
  if (/no-cache|no-store/.test(request.field("cache-control") ?? "")) return undefined;
  // Without the server's address a client could fill the cache from a server of its own.
  return `${side(ip, segment, "destination")} ${request.field("host")} ${request.target}`;
}

/** Fields of a request whose answer is for nobody else, or depends on more than the address. */
const PERSONAL: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "content-length",
  "expect",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "pragma",
  "range",
  "transfer-encoding",
  "upgrade",
]);

/** The entry of a key, while it may be used. */
function fresh(key: string, context: Context): Entry | undefined {
  const entry = entries.get(key);
  if (entry === undefined) return undefined;
  remove(key, entry);
  if (entry.expires <= context.now) return undefined;
  return add(key, entry);
}

function store({ key, head, body, keepFor }: Recording, context: Context): void {
  const before = entries.get(key);
  if (before !== undefined) remove(key, before);
  const { now } = context;
  add(key, { head, body, learnt: now, expires: (now + keepFor) as typeof now, parts: [], partBytes: 0 });
  for (const [oldest, entry] of entries) {
    if (entryBytes <= CACHE_BYTES_MAX) break;
    remove(oldest, entry);
  }
  context.counter("learnt").add();
}

function add(key: string, entry: Entry): Entry {
  entries.set(key, entry);
  entryBytes += entry.body.length + entry.head.length;
  return entry;
}

function remove(key: string, entry: Entry): void {
  entries.delete(key);
  entryBytes -= entry.body.length + entry.head.length;
}

interface Hit {
  readonly key: string;
  readonly known: Conversation;
  readonly entry: Entry;
  readonly ip: Ipv4View | Ipv6View;
  readonly segment: Segment;
}

/** Takes over from the server. */
function answer({ key, known, entry, ip, segment }: Hit, context: Context): void {
  const { sourcePort, destinationPort, sequence } = segment;
  const { source, destination } = ip;
  const header = (source: number | bigint, destination: number | bigint) =>
    ip.version === 4
      ? ipv4.header({ source: Number(source), destination: Number(destination) })
      : ipv6.header({ source: BigInt(source), destination: BigInt(destination) });
  // As the client would: the server has no part in this any more.
  const reset = tcp.header({ sourcePort, destinationPort, sequence, rst: true });
  context.send(build(header(source, destination), reset));
  const hasTimestamps = known.timestamp !== undefined && segment.timestamp !== undefined;
  const passed = between(known.timestampSeen, context.now);
  known.answerer = new TcpAnswerer(
    {
      ip: header(destination, source),
      ports: { sourcePort: destinationPort, destinationPort: sourcePort },
      sequence: known.serverNext,
      expected: known.clientNext,
      parts: partsOf(entry, known.segmentBytes - (hasTimestamps ? TIMESTAMPS_BYTES : 0), context),
      windowShift: known.hasWindowScale ? Math.min(known.windowShift ?? 0, 14) : 0,
      timestamp: hasTimestamps ? ((known.timestamp ?? 0) + passed) >>> 0 : undefined,
    },
    context,
    () => conversations.delete(key),
  );
  known.answerer.receive(segment);
}

/** The head, which tells the age (RFC 9111 §5.1), and the body in parts whose sums are reckoned once. */
function partsOf(entry: Entry, partBytes: number, context: Context): Part[] {
  if (entry.partBytes !== partBytes) {
    const count = Math.ceil(entry.body.length / partBytes);
    entry.parts = Array.from({ length: count }, (_, index) =>
      part(entry.body.subarray(index * partBytes, (index + 1) * partBytes)),
    );
    entry.partBytes = partBytes;
  }
  const age = Math.floor(between(entry.learnt, context.now) / 1000);
  const head = `${entry.head}Age: ${age}\r\nConnection: close\r\n\r\n`;
  return [part(Uint8Array.from(head, (character) => character.charCodeAt(0))), ...entry.parts];
}
