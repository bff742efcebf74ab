/**
 * Where the broker meets Linux: nf_tables, the kernel's forwarding switch, and privileged sockets for the others.
 * It is the one service that stays root.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { firewall } from "#contract/firewall.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { identityAfterDrop } from "#linux/privileges.ts";
import { LinuxSocketHandover } from "#linux/socket-handover.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import type { Configuration } from "../config/schema.ts";
import { firewallOptions } from "../config/service-options.ts";
import { serviceNode } from "../node.ts";
import { makeSystemRunDirectory } from "../run-directory.ts";
import { type AtEnd, accessTo, logOf, type ServiceContext, type ServiceLog } from "./context.ts";

/** The name of our nftables table. */
export const TABLE_NAME = "metanet";

/** Where the broker hands over sockets. */
export function handoverPath(run: string): string {
  return join(run, "firewall.sockets");
}

export async function startFirewall(context: ServiceContext, atEnd: AtEnd): Promise<void> {
  const { firewall: section, dhcpd, portald, user } = context.configuration;
  if (!section)
    throw new ConfigurationError("Cannot start firewall: the configuration has no section for it");
  const log = logOf(context);
  const { uid } = identityAfterDrop(user);
  const access = accessTo(context);
  // The portal is the user; who else may is up to the operator.
  const portal = { prefix: "/firewall", may: ["send", "observe"] as const, uids: [uid] };
  const rights = [portal, ...access.rights];
  const socket = { ...access.socket, uid };
  makeSystemRunDirectory(context.run);
  const place = { directory: context.run, contracts: [firewall] };
  const bus = await serviceNode(context.name, { ...place, ...access, rights, socket });
  atEnd(() => bus.close());
  const rules = new NftablesRuleSet();
  const service = new FirewallService({ bus, rules, config: firewallOptions(section, portald), log });
  atEnd(() => service.stop());
  await service.start();
  // Not before the rules are there: until then nothing but forwarding being off stands between the two sides.
  for (const setting of forwardingOf(context.configuration)) switchOn(setting, log);
  const handover = await LinuxSocketHandover.listen({ path: handoverPath(context.run), uid });
  atEnd(() => handover.close());
  handover.serve({
    decide: (request) =>
      request.interface === dhcpd?.interface
        ? undefined
        : `${request.interface} is not an interface of dhcpd`,
    onRefusal: ({ reason, message }) => log("warn", "a socket was refused", { reason, message }),
    onHandover: ({ kind, interface: name }) =>
      log("info", "a socket was handed over", { kind, interface: name }),
  });
}

/** The kernel's switches that make it pass packets on; IPv6's only where IPv6 is to pass. */
export function forwardingOf({ firewall: section }: Configuration): string[] {
  if (!section) return [];
  const six = section.masquerade6 || section.prefixes.some(({ address }) => address.family === 6);
  return ["/proc/sys/net/ipv4/ip_forward", ...(six ? ["/proc/sys/net/ipv6/conf/all/forwarding"] : [])];
}

function switchOn(setting: string, log: ServiceLog): void {
  try {
    if (readFileSync(setting, "utf8").trim() === "1") return;
    writeFileSync(setting, "1");
    log("info", "the kernel forwards packets from now on", { setting });
  } catch (error) {
    const fix = `set it from outside: echo 1 > ${setting}`;
    log("error", "the kernel does not forward packets, and does not let us change it", { error, fix });
  }
}
