/**
 * A sampler in front of the flow monitors: the kernel picks one connection in a hundred, all packets of it, and only
 * these go to user space, where a monitor follows them. A mixed script: load `sample`, and the mark and the queue in
 * between are there.
 * @module
 */
import { type FlowScript, flowScript } from "metanet/flow";
import { type Context, handOver, ipv4, type Packet, type ScriptOptions, tcp, verdict } from "metanet/script";
import { nameOf, printLine } from "../flow/text.ts";

export const options: ScriptOptions = { writes: false, connection: false };

/** One in so many connections is looked at. */
const ONE_IN = 100;

/** Load it at forward, with `--in` an interface: the mark is set where packets come in. */
export function sample(packet: Packet, context: Context): ReturnType<FlowScript> {
  const ip = packet.payload(ipv4);
  const segment = ip?.payload(tcp);
  if (!ip || !segment) return verdict.continue;
  // The same both ways, so that both sides sample the same connections.
  const ends = (ip.source ^ ip.destination ^ segment.sourcePort ^ segment.destinationPort) >>> 0;
  if (mix(ends) % ONE_IN !== 0) return verdict.continue;
  context.counter("sampled").add();
  return handOver(packet, context, watch);
}

function mix(value: number): number {
  const hash = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Follows the sampled connections, of which it sees what came in by the interface. */
export const watch: FlowScript = flowScript(
  (engine) => {
    const monitor = engine.monitor({ name: "sampler" });
    monitor.on("retransmission", "receiver", ({ client, server }, { sender }) => {
      printLine(`${nameOf(client)} -- ${nameOf(server)}: the ${sender} has sent bytes again`);
    });
  },
  { writes: false },
);
