/**
 * The portal for its own benchmark, a process of its own. Arguments: run directory, address, port, file of clients
 * to write, how many. Its sessions are kept beside that file. The file gets a line for each client, with its address and the token of its login form.
 * @module
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { node } from "#app/node.ts";
import { ip } from "#base/ip-address.ts";
import { LinuxHttpServers } from "#linux/http-server.ts";
import { LinuxKeyedHash } from "#linux/keyed-hash.ts";
import { LinuxNeighbours } from "#linux/neighbours.ts";
import { LinuxRandom } from "#linux/random.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { portaldOptions } from "#service/portald/config.ts";
import { PortaldService } from "#service/portald/portald-service.ts";
import { SECRET_BYTES, TokenSigner } from "#service/portald/token.ts";
import { benchClient } from "./portal-clients.ts";

const [directory = "", address = "", port = "", file = "", count = ""] = process.argv.slice(2);
const bus = await node("portald", { directory });
const store = openSqliteStore({ path: join(dirname(file), "sessions.sqlite") });
const random = new LinuxRandom();
const secret = random.bytes(SECRET_BYTES);
await store.commit([{ table: "portal-secret", key: "token", value: secret }]);
const service = new PortaldService({
  bus,
  options: portaldOptions({ address: ip(address), port: Number(port), sessionCountMax: 60_000 }),
  http: new LinuxHttpServers(),
  neighbours: new LinuxNeighbours({ interface: "lan0" }),
  store,
  random,
  hasher: new LinuxKeyedHash(),
});
await service.start();
const signer = new TokenSigner(new LinuxKeyedHash(), secret);
const lines = Array.from({ length: Number(count) }, (_, index) => {
  const client = benchClient(index);
  return `${client.address} ${signer.sign("login", client.mac, bus.clock.now())}\n`;
});
writeFileSync(file, lines.join(""));
process.once("SIGTERM", () => process.exit(0));
process.stdout.write("ready\n");
