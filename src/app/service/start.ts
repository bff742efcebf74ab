/**
 * The composition roots by the names of their services.
 * @module
 */
import type { ServiceName } from "../config/service-options.ts";
import type { RunningService, ServiceContext } from "./context.ts";

/** Starts a service; only its own code is loaded. */
export async function startService(context: ServiceContext): Promise<RunningService> {
  return await STARTERS[context.name](context);
}

const STARTERS: Record<ServiceName, (context: ServiceContext) => Promise<RunningService>> = {
  firewall: async (context) => await (await import("./firewall.ts")).startFirewall(context),
  dhcpd: async (context) => await (await import("./dhcpd.ts")).startDhcpd(context),
  portald: async (context) => await (await import("./portald.ts")).startPortald(context),
};
