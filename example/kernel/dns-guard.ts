/**
 * A guard in front of a name server, or of a network's queries: questions of type ANY (RFC 8482), names on a list, and
 * sources that ask too often. Only judges, so it runs at netfilter's hooks inside of the kernel.
 *
 * Block a name from outside: `metanet call packetd:/packetd/map/write name=dns-blocked key=HASH value=1`, where HASH is
 * what `nameHash` gives.
 * @module
 */
import {
  type Context,
  drop,
  ipv4,
  type MapOptions,
  type Packet,
  type ScriptOptions,
  seconds,
  udp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

/** Questions of one source in a second, and how many at once. */
const RATE = 20;
const BURST = 40;
/** Bytes of the longest name that is looked at: in full (RFC 1035 §2.3.4) they are rare, and rarely honest. */
const NAME_BYTES_MAX = 128;
const HEADER_BYTES = 12;
const TYPE_ANY = 255;

const SOURCES: MapOptions = { kind: "lru", countMax: 65_536, timeToLive: seconds(60) };
const BLOCKED: MapOptions = { kind: "hash", countMax: 65_536 };

const HASH_START = 0x811c_9dc5;
const HASH_PRIME = 0x0100_0193;

/** Load it at forward or input: what is no DNS question over UDP passes. */
export function guard(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  const datagram = ip?.payload(udp);
  if (!ip || !datagram || datagram.destinationPort !== 53) return verdict.continue;
  const message = datagram.payload();
  const flags = message.uint16(2);
  // Answers have the first bit set (RFC 1035 §4.1.1).
  if (flags === undefined || (flags & 0x8000) !== 0) return verdict.continue;
  if (!take(context, ip.source)) return refuse(context, "too many questions");
  let hash = HASH_START;
  let labelLeft = 0;
  for (let at = 0; at < NAME_BYTES_MAX; at++) {
    const byte = message.uint8(HEADER_BYTES + at);
    if (byte === undefined) return refuse(context, "cut off");
    if (labelLeft === 0) {
      if (byte === 0) return judge(context, message.uint16(HEADER_BYTES + at + 1), hash);
      // A question has no compressed name that would be worth one.
      if (byte > 63) return refuse(context, "odd names");
      labelLeft = byte;
    } else {
      labelLeft = (labelLeft - 1) & 63;
    }
    hash = step(hash, byte);
  }
  return refuse(context, "long names");
}

/** The hash of a name as it stands in a message: `nameHash("ads.example")`. */
export function nameHash(name: string): number {
  let hash = HASH_START;
  for (const label of name.split(".")) {
    hash = step(hash, label.length);
    for (const letter of label) hash = step(hash, letter.charCodeAt(0));
  }
  return hash;
}

/** FNV-1a over the lower-case form: names know no case (RFC 1035 §2.3.3). */
function step(hash: number, byte: number): number {
  const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
  return Math.imul(hash ^ lower, HASH_PRIME) >>> 0;
}

function judge(context: Context, type: number | undefined, hash: number): Verdict {
  if (type === undefined) return refuse(context, "cut off");
  if (type === TYPE_ANY) return refuse(context, "questions for ANY");
  if (context.map("dns-blocked", BLOCKED).has(hash)) return refuse(context, "blocked names");
  context.counter("questions").add();
  return verdict.continue;
}

/** Takes one from a source's allowance, which is kept as the time when it will be full again. */
function take(context: Context, source: number): boolean {
  const sources = context.map("dns-sources", SOURCES);
  const { now } = context;
  const full = Math.max(sources.get(source) ?? 0, now) + 1000 / RATE;
  if (full - now > (BURST * 1000) / RATE) return false;
  sources.set(source, full);
  return true;
}

function refuse(context: Context, why: string): Verdict {
  context.counter(why).add();
  return drop;
}
