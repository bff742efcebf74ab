/**
 * The stateful firewall where packets pass: a packet script around an engine.
 *
 * @module
 */
import { FlowEngine } from "metanet/flow";
import { type Context, drop, type Packet, type ScriptOptions, type Verdict, verdict } from "metanet/script";
import { statefulFirewall } from "./stateful-firewall.ts";

/** It drops and resets, and changes nothing. */
export const options: ScriptOptions = { writes: false, connection: false };

let current: Context | undefined;
const engine = new FlowEngine({
  // All packets of a flow come by here.
  policy: { unseen: "refuse" },
  output: (packet) => current?.send(packet.slice()),
  onError: (monitor, error) => current?.log(`${monitor}: ${error}`),
});
statefulFirewall(engine, { print: (line) => current?.log(line) });

/** Load it at forward. */
export function firewall(packet: Packet, context: Context): Verdict {
  current = context;
  return engine.handlePacket(packet) ? verdict.continue : drop;
}
