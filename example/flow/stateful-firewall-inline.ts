/**
 * The stateful firewall where packets pass: `metanet script load`, at forward.
 *
 * @module
 */
import { type FlowScript, flowScript } from "metanet/flow";
import { statefulFirewall } from "./stateful-firewall.ts";

/** It changes no packet, and all packets of a flow come by here. */
export const firewall: FlowScript = flowScript(statefulFirewall, {
  writes: false,
  policy: { unseen: "refuse" },
});
