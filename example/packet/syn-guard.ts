/**
 * A guard against SYN floods. It knows who has ever finished a handshake; strangers share an allowance, and when that
 * is used up a stranger's first SYN is dropped: a client of flesh and blood sends it again, a flood does not. One
 * source has an allowance of its own, and a limit of handshakes that are begun and not finished.
 *
 * Connections whose handshake is over get a mark, by which nftables keeps them away from the script.
 * @module
 */
import {
  type Context,
  drop,
  ipv4,
  ipv6,
  type MapOptions,
  milliseconds,
  minutes,
  type Packet,
  type ScriptOptions,
  type SharedMap,
  seconds,
  tcp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { writes: false, connection: true };

/** The bit of the mark of connections that need not be looked at any more; `--match` names it. */
const FINISHED_MARK = 0x2000;

/** SYNs in a second, and how many at once. */
const SOURCE = { rate: 20, burst: 40 } as const;
const STRANGERS = { rate: 100, burst: 200 } as const;
const HALF_OPEN_MAX = 32;
/** How much later the second SYN comes: clients wait a second (RFC 6298 §2), with some play. */
const AGAIN_AFTER = milliseconds(500);
const AGAIN_BEFORE = seconds(10);

const TABLE: MapOptions = { kind: "lru", key: "text", keyBytes: 24, countMax: 65_536 };

/** Load it before the servers: `tcp dport 80 ct mark & 0x2000 == 0`. */
export function guard(packet: Packet, context: Context): Verdict {
  const ip = packet.find(ipv4) ?? packet.find(ipv6);
  const segment = ip?.payload(tcp);
  if (!ip || !segment) return verdict.continue;
  // Who has one address of an IPv6 network has all of them.
  const source =
    typeof ip.source === "bigint" ? `${(ip.source >> 64n).toString(36)}/64` : ip.source.toString(36);
  const known = context.map("guard-known", { ...TABLE, timeToLive: minutes(60) });
  const halfOpen = context.map("guard-half-open", { ...TABLE, timeToLive: seconds(60) });
  if (!segment.syn) {
    const { connection } = packet;
    // Assured: the tracker has seen the handshake to its end, in both directions.
    if (connection?.isAssured && (connection.mark & FINISHED_MARK) === 0) {
      connection.mark |= FINISHED_MARK;
      known.set(source, 1);
      if ((halfOpen.get(source) ?? 0) > 0) halfOpen.add(source, -1);
    }
    return verdict.continue;
  }
  const allowances = context.map("guard-allowances", { ...TABLE, timeToLive: minutes(1) });
  if (!take(allowances, source, SOURCE, context)) return refuse(context, "too many from one source");
  if ((halfOpen.get(source) ?? 0) >= HALF_OPEN_MAX) return refuse(context, "too many half open");
  if (!known.has(source) && !take(allowances, "strangers", STRANGERS, context)) {
    const syn = `${source} ${segment.sourcePort} ${segment.sequence.toString(36)}`;
    const asked = context.map("guard-asked", { ...TABLE, keyBytes: 48, timeToLive: AGAIN_BEFORE });
    const first = asked.get(syn);
    if (first === undefined) asked.set(syn, context.now);
    if (first === undefined || context.now - first < AGAIN_AFTER)
      return refuse(context, "strangers asked to come again");
    context.counter("strangers that came again").add();
  }
  halfOpen.add(source);
  context.counter("passed").add();
  return verdict.continue;
}

function refuse(context: Context, why: string): Verdict {
  context.counter(why).add();
  return drop;
}

/**
 * Takes one from an allowance that fills up with time. What is kept is one number: when it will be full again, so
 * that other isolates can take from it at the same moment.
 */
function take(
  allowances: SharedMap,
  key: string,
  { rate, burst }: { readonly rate: number; readonly burst: number },
  { now }: Context,
): boolean {
  for (let tries = 0; tries < 10; tries++) {
    const seen = allowances.get(key);
    const full = Math.max(seen ?? 0, now) + 1000 / rate;
    if (full - now > (burst * 1000) / rate) return false;
    if (allowances.compareAndSet(key, seen, full)) return true;
  }
  return false;
}
