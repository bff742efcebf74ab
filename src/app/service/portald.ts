/**
 * Where the portal meets Linux: HTTP, the neighbour table, its sessions in SQLite.
 * @module
 */
import { join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { portald } from "#contract/portald.ts";
import { LinuxHttpServers } from "#linux/http-server.ts";
import { LinuxKeyedHash } from "#linux/keyed-hash.ts";
import { LinuxNeighbours } from "#linux/neighbours.ts";
import { LinuxRandom } from "#linux/random.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { PortaldService } from "#service/portald/portald-service.ts";
import { portalOptions } from "../config/service-options.ts";
import { type AtEnd, giveToUser, joinAsUser, logOf, type ServiceContext, stateFolder } from "./context.ts";

export async function startPortald(context: ServiceContext, atEnd: AtEnd): Promise<void> {
  const { portald: section, firewall } = context.configuration;
  if (!section || !firewall)
    throw new ConfigurationError("Cannot start portald: the configuration lacks its section");
  const folder = stateFolder(context);
  const bus = await joinAsUser(context, [portald]);
  atEnd(() => bus.close());
  const store = openSqliteStore({ path: join(folder, "sessions.sqlite") });
  atEnd(() => store.close());
  giveToUser(context, folder);
  const neighbours = new LinuxNeighbours({ interface: firewall.inside });
  atEnd(() => neighbours.close());
  const service = new PortaldService({
    bus,
    options: portalOptions(section),
    http: new LinuxHttpServers(),
    neighbours,
    store,
    random: new LinuxRandom(),
    hasher: new LinuxKeyedHash(),
    log: logOf(context),
  });
  atEnd(() => service.stop());
  await service.start();
}
