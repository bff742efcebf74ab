/**
 * The composition roots by the names of their services.
 * @module
 */
import type { ServiceName } from "../config/service-options.ts";
import type { AtEnd, RunningService, ServiceContext } from "./context.ts";

/** Starts a service; only its own code is loaded. What it had opened is closed again when it cannot start. */
export async function startService(context: ServiceContext): Promise<RunningService> {
  const undos: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const undo of undos.splice(0).reverse()) await undo();
  };
  try {
    await STARTERS[context.name](context, (undo) => undos.push(undo));
    return { stop };
  } catch (error) {
    // Why it could not start says more than what went wrong afterwards.
    await stop().catch(() => undefined);
    throw error;
  }
}

const STARTERS: Record<ServiceName, (context: ServiceContext, atEnd: AtEnd) => Promise<void>> = {
  firewall: async (...parts) => (await import("./firewall.ts")).startFirewall(...parts),
  dhcpd: async (...parts) => (await import("./dhcpd.ts")).startDhcpd(...parts),
  portald: async (...parts) => (await import("./portald.ts")).startPortald(...parts),
  packetd: async (...parts) => void (await (await import("./packetd.ts")).startPacketd(...parts)),
};
