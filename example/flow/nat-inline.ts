/**
 * The NAT where packets pass: two packet scripts with one engine, to be loaded into one isolate.
 *
 * @module
 */
import { type FlowScript, flowScript, minutes } from "metanet/flow";
import { type Context, type Packet, type ScriptOptions, verdict } from "metanet/script";
import { Nat } from "./nat.ts";

export const options: ScriptOptions = { writes: true, connection: false };

let nat: Nat | undefined;

/** At postrouting, of packets that leave outside. */
export const outgoing: FlowScript = flowScript(
  (engine) => {
    nat = new Nat(engine);
  },
  // A binding may not go before its connection does (RFC 5382 §5, RFC 4787 §4.3).
  { policy: { timeouts: { established: minutes(124), udp: minutes(5) } } },
);

/** At prerouting, of packets that come from outside. */
export function incoming(packet: Packet, context: Context): ReturnType<FlowScript> {
  return nat?.admit(packet) === true ? outgoing(packet, context) : verdict.continue;
}
