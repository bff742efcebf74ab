/**
 * The NAT where packets pass: two packet scripts around one engine, to be loaded into one isolate.
 *
 * @module
 */
import { FlowEngine, minutes } from "metanet/flow";
import { type Context, drop, type Packet, type ScriptOptions, type Verdict, verdict } from "metanet/script";
import { Nat } from "./nat.ts";

export const options: ScriptOptions = { writes: true, connection: false };

let current: Context | undefined;
const engine = new FlowEngine({
  // A binding may not go before its connection does (RFC 5382 §5, RFC 4787 §4.3).
  policy: { timeouts: { established: minutes(124), udp: minutes(5) } },
  onError: (monitor, error) => current?.log(`${monitor}: ${error}`),
});
const nat = new Nat(engine, { print: (line) => current?.log(line) });

/** At postrouting, of packets that leave outside. */
export function outgoing(packet: Packet, context: Context): Verdict {
  current = context;
  return engine.handlePacket(packet) ? verdict.continue : drop;
}

/** At prerouting, of packets that come from outside. */
export function incoming(packet: Packet, context: Context): Verdict {
  current = context;
  return nat.admit(packet) && !engine.handlePacket(packet) ? drop : verdict.continue;
}
