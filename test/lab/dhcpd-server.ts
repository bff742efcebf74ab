/**
 * A DHCP server as a process of its own, for tests: serves the interface of its namespace as the JSON of its argument
 * says, prints `ready`, and answers each line of its input (`leases`, `statistics`) with one of JSON.
 * @module
 */
import { createInterface } from "node:readline";
import { node } from "#app/node.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { milliseconds } from "#base/time.ts";
import { dhcpd } from "#contract/dhcpd.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxBroadcastSocket, openBroadcastDescriptors } from "#linux/datagram.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { Bus } from "#mailbox/bus.ts";
import { DhcpdService } from "#service/dhcpd/dhcpd-service.ts";

/** What the one argument holds, as JSON. */
export interface ServerArguments {
  readonly interface: string;
  readonly server: string;
  readonly subnet: string;
  readonly pool: readonly [first: string, last: string];
  readonly leaseMilliseconds: number;
  readonly database: string;
  /** Where the bus has its sockets; without it the server is alone. */
  readonly run?: string;
}

const given: ServerArguments = JSON.parse(process.argv[2] ?? "{}");
const place = { interfaceName: given.interface, port: 67 };
const address = ip(given.server);
const clock = new LinuxClock();
const bus =
  given.run === undefined
    ? new Bus({ name: "dhcpd", clock })
    : await node("dhcpd", { directory: given.run, contracts: [dhcpd] });
const service = new DhcpdService({
  bus,
  clock,
  store: openSqliteStore({ path: given.database }),
  sockets: [new LinuxBroadcastSocket({ ...place, address, descriptors: openBroadcastDescriptors(place) })],
  config: {
    subnets: [
      {
        interface: given.interface,
        server: address,
        subnet: prefix(given.subnet),
        pool: [{ first: ip(given.pool[0]), last: ip(given.pool[1]) }],
        dns: [address],
        domain: "lab.example",
        captivePortal: "https://portal.lab.example/api",
        lease: milliseconds(given.leaseMilliseconds),
        leaseMin: milliseconds(Math.min(60_000, given.leaseMilliseconds)),
      },
    ],
  },
  log: (level, text) => process.stderr.write(`${level} ${text}\n`),
});
await service.start();
process.stdout.write("ready\n");

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "leases" && line !== "statistics") continue;
  const reply = await bus.call(`/dhcpd/${line}`, {});
  process.stdout.write(`${JSON.stringify(reply.toObject())}\n`);
}
// The end of input is the end of the test.
process.exit();
