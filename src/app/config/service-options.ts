/**
 * The sections of the configuration as the options that the services take.
 * @module
 */
import { join } from "node:path";
import { type Duration, hours, milliseconds } from "#base/time.ts";
import type { DhcpdOptions } from "#service/dhcpd/config.ts";
import type { FirewallOptions } from "#service/firewall/config.ts";
import type { ScriptOptions } from "#service/packetd/config.ts";
import { type PortaldOptions, portaldOptions } from "#service/portald/config.ts";
import type {
  Configuration,
  DhcpdSection,
  FirewallSection,
  PacketdSection,
  PortaldSection,
} from "./schema.ts";

/** The example that the portal uses as it is. */
const ACCOUNTING_FILE = join(import.meta.dirname, "../../../example/kernel/accounting.ts");

/** The services there are, in the order in which they start. */
export const SERVICE_NAMES = ["firewall", "dhcpd", "portald", "packetd"] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];

/** The services a configuration asks for, in the order in which they start. */
export function servicesOf(configuration: Configuration): ServiceName[] {
  return SERVICE_NAMES.filter((name) => configuration[name] !== undefined);
}

/** The firewall sends plain HTTP to where the portal listens. */
export function firewallOptions(
  section: FirewallSection,
  portald: PortaldSection | undefined,
): FirewallOptions {
  const { inside, outside, masquerade, masquerade6, prefixes, resolvers, marks } = section;
  const portalPort = section["portal-port"] ?? portald?.port;
  const timeoutMax = section["timeout-max"] ?? longestSession(portald);
  const ports = { portalPort, apiPort: section["api-port"] };
  return { inside, outside, ...ports, masquerade, masquerade6, prefixes, resolvers, marks, timeoutMax };
}

/** A permit of the portal lasts as long as its session: the firewall must not refuse it for that. */
function longestSession(portald: PortaldSection | undefined): Duration {
  return milliseconds(Math.max(hours(24), portald?.session ?? 0));
}

export function dhcpdOptions(section: DhcpdSection): DhcpdOptions {
  const {
    pool,
    "captive-portal": captivePortal,
    "lease-min": leaseMin,
    "lease-max": leaseMax,
    "leases-max": leaseCountMax,
    "offer-hold": offerHold,
    "lookup-deadline": lookupDeadline,
  } = section;
  const { interface: name, server, subnet, routers, dns, domain, lease, authoritative } = section;
  const { options, quarantine } = section;
  const network = {
    interface: name,
    server,
    subnet,
    routers,
    dns,
    domain,
    lease,
    authoritative,
    leaseMin,
    leaseMax,
    leaseCountMax,
    offerHold,
    quarantine,
    options,
    captivePortal,
  };
  return { lookupDeadline, subnets: [{ ...network, pool: [pool] }] };
}

export function portalOptions(section: PortaldSection): PortaldOptions {
  const { address, address6, port, names, idle, session, quota, title, accounting, poll } = section;
  const more = address6 === undefined ? {} : { address6 };
  return portaldOptions({
    address,
    ...more,
    port,
    names,
    idle,
    session,
    title,
    quotaBytes: quota,
    accounting,
    pollInterval: poll,
    sessionCountMax: section["sessions-max"],
    decisionTimeout: section["decision-timeout"],
  });
}

/** The names of the scripts that count for the portal. */
export const ACCOUNTING_SCRIPTS = ["portal-upward", "portal-downward"] as const;

/** All that packetd runs from the start on: what counts for the portal, then the scripts in the order of the file. */
export function gatewayScripts({ packetd, portald, firewall }: Configuration): ScriptOptions[] {
  const own = packetd ? packetdScripts(packetd) : [];
  if (portald?.accounting !== "packet-script" || !firewall) return own;
  const [up, down] = ACCOUNTING_SCRIPTS;
  const counting = { file: ACCOUNTING_FILE, hook: "forward", engine: "kernel", onError: "accept" } as const;
  return [
    { name: up, ...counting, function: "upward", in: firewall.inside },
    { name: down, ...counting, function: "downward", out: firewall.inside },
    ...own,
  ];
}

/** The scripts in the order of the file. */
export function packetdScripts({ scripts }: PacketdSection): ScriptOptions[] {
  return Object.entries(scripts).map(([name, section]) => {
    const { "on-error": onError, "time-limit": timeLimit, ...rest } = section;
    return { name, ...rest, onError, timeLimit };
  });
}
