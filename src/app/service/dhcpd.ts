/**
 * Where the DHCP server meets Linux: its socket from the broker, its leases in SQLite.
 * @module
 */
import { join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { dhcpd } from "#contract/dhcpd.ts";
import type { BroadcastSocket } from "#io/datagram.ts";
import {
  type BroadcastDescriptors,
  LinuxBroadcastSocket,
  openBroadcastDescriptors,
} from "#linux/datagram.ts";
import { requestDhcp4Socket } from "#linux/handover-client.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { DhcpdService } from "#service/dhcpd/dhcpd-service.ts";
import type { DhcpdSection } from "../config/schema.ts";
import { dhcpdOptions } from "../config/service-options.ts";
import { type AtEnd, giveToUser, joinAsUser, logOf, type ServiceContext, stateFolder } from "./context.ts";
import { handoverPath } from "./firewall.ts";

const DHCP_SERVER_PORT = 67;

export async function startDhcpd(context: ServiceContext, atEnd: AtEnd): Promise<void> {
  const section = context.configuration.dhcpd;
  if (!section) throw new ConfigurationError("Cannot start dhcpd: the configuration has no section for it");
  const { "captive-portal": api } = section;
  if (api !== undefined) {
    context.logger.warn(
      { api },
      "clients expect an API over HTTPS at captive-portal (RFC 8908 section 4.1); portald's own is not yet, and one that fails keeps them offline",
    );
  }
  const folder = stateFolder(context);
  // Without a broker in another process the powers we still have open the socket.
  const descriptors =
    context.single || !context.configuration.firewall ? openDescriptors(section) : undefined;
  const bus = await joinAsUser(context, [dhcpd]);
  atEnd(() => bus.close());
  const store = openSqliteStore({ path: join(folder, "leases.sqlite") });
  atEnd(() => store.close());
  giveToUser(context, folder);
  const service = new DhcpdService({
    bus,
    clock: bus.clock,
    store,
    sockets: [await openSocket(context, section, descriptors)],
    config: dhcpdOptions(section),
    log: logOf(context),
  });
  atEnd(() => service.stop());
  await service.start();
}

function openDescriptors(section: DhcpdSection): BroadcastDescriptors {
  return openBroadcastDescriptors({ interfaceName: section.interface, port: DHCP_SERVER_PORT });
}

async function openSocket(
  context: ServiceContext,
  section: DhcpdSection,
  descriptors: BroadcastDescriptors | undefined,
): Promise<BroadcastSocket> {
  const { interface: interfaceName, server: address } = section;
  if (!descriptors)
    return await requestDhcp4Socket(handoverPath(context.run), { interface: interfaceName, address });
  return new LinuxBroadcastSocket({ interfaceName, port: DHCP_SERVER_PORT, address, descriptors });
}
