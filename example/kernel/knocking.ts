/**
 * Port knocking: a port answers only those who have knocked at three others in the right order, and then for a while.
 * Only judges, so it runs at netfilter's hooks inside of the kernel.
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
  tcp,
  udp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

/** UDP ports to knock at, one after the other, and the TCP port behind. */
const KNOCKS = [7001, 8002, 9003] as const;
const DOOR = 22;

/** How many knocks were right so far; forgotten when the next one takes too long. */
const PROGRESS: MapOptions = { kind: "lru", countMax: 16_384, timeToLive: seconds(10) };
/** Who may come in; each packet lets the time begin anew. */
const OPEN: MapOptions = { kind: "lru", countMax: 16_384, timeToLive: seconds(30) };

/** Load it at input. */
export function knock(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip) return verdict.continue;
  const open = context.map("knock-open", OPEN);
  const segment = ip.payload(tcp);
  if (segment) {
    if (segment.destinationPort !== DOOR) return verdict.continue;
    if (open.touch(ip.source)) return verdict.continue;
    context.counter("shut out").add();
    return drop;
  }
  const datagram = ip.payload(udp);
  if (!datagram) return verdict.continue;
  const progress = context.map("knock-progress", PROGRESS);
  const done = progress.get(ip.source) ?? 0;
  const port = datagram.destinationPort;
  // Whoever tries all ports hits the next one as well, but a wrong one in between takes everything back.
  if (done >= 0 && done < KNOCKS.length && port === KNOCKS[done]) {
    if (done + 1 < KNOCKS.length) {
      progress.set(ip.source, done + 1);
      return drop;
    }
    progress.delete(ip.source);
    open.set(ip.source, 1);
    context.counter("opened").add();
    return drop;
  }
  if (done > 0) progress.delete(ip.source);
  return verdict.continue;
}
