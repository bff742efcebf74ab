/**
 * Answers for which the kernel has ways of its own, as user space has them: a packet that leaves elsewhere, and a packet
 * about which user space decides.
 * @module
 */
import type { Packet } from "#packet/packet.ts";
import type { Context } from "./context.ts";
import { drop, type Verdict } from "./verdict.ts";

/**
 * Sends the packet out of an interface in place of its way: `return redirect(packet, context, "eth1")`. It leaves as
 * the frame that the script sees, so it has to begin with Ethernet.
 * @param name the interface's; in the kernel it has to be a constant
 */
export function redirect(packet: Packet, context: Context, name: string): Verdict {
  context.send(packet, { way: "frame", interface: name });
  return drop;
}

/**
 * Lets user space decide: `return handOver(packet, context, inspect)`. A script that runs in user space calls the function;
 * one in the kernel marks the packet, and the engine brings it to the function, which the module has to export.
 */
export function handOver<Answer>(
  packet: Packet,
  context: Context,
  decide: (packet: Packet, context: Context) => Answer,
): Answer {
  return decide(packet, context);
}
