/**
 * Builds the lab's wires: an internet, a gateway between two links, and clients on a bridge, each in a network
 * namespace. The real machine's own interfaces, routes and tables are not touched.
 *
 *     internet --wan0-- gateway --lan0-- switch (bridge) --eth0-- client1, client2, …
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ClientPlan, GATEWAY, INTERNET } from "./address-plan.ts";
import { LabHost } from "./lab-host.ts";
import type { LabPlace } from "./lab-place.ts";
import { namespaceName } from "./leftovers.ts";

/** The lab's machines. */
export interface Topology {
  readonly internet: LabHost;
  readonly gateway: LabHost;
  readonly switch: LabHost;
  readonly clients: ReadonlyMap<string, LabHost>;
}

/**
 * Makes all machines and wires of a lab; `made` learns of each one at once, so that a failure half-way can be
 * cleaned up.
 * @throws CommandFailedError, LabHostError
 */
export async function buildTopology(
  place: LabPlace,
  clientPlans: readonly ClientPlan[],
  made: (host: LabHost) => void,
): Promise<Topology> {
  const make = async (name: string): Promise<LabHost> => {
    const folder = join(place.work, name);
    mkdirSync(folder, { mode: 0o755 });
    const namespace = namespaceName(place.id, name);
    const host = await LabHost.make({ name, namespace, folder, labId: place.id });
    made(host);
    return host;
  };
  const internet = await make("internet");
  const gateway = await make("gateway");
  const lan = await make("switch");
  await wireInternet(internet, gateway);
  await wireSwitch(lan, gateway);
  const clients = new Map<string, LabHost>();
  for (const [index, plan] of clientPlans.entries()) {
    const client = await make(plan.name);
    await wireClient(lan, client, plan, `port${index}`);
    clients.set(plan.name, client);
  }
  return { internet, gateway, switch: lan, clients };
}

async function wireInternet(internet: LabHost, gateway: LabHost): Promise<void> {
  const { outside, subnet } = GATEWAY;
  await internet.ip(
    "link",
    "add",
    "wan0",
    "type",
    "veth",
    "peer",
    "name",
    "wan0",
    "netns",
    gateway.namespace,
  );
  for (const address of [INTERNET.name, INTERNET.organisation, INTERNET.company]) {
    await internet.ip("address", "add", `${address.four}/32`, "dev", "lo");
    await internet.ip("address", "add", `${address.six}/128`, "dev", "lo");
  }
  await addAddresses(internet, "wan0", INTERNET.router, outside.fourBits, outside.sixBits);
  await addAddresses(gateway, "wan0", outside, outside.fourBits, outside.sixBits);
  await internet.ip("link", "set", "wan0", "up");
  await gateway.ip("link", "set", "wan0", "up");
  await gateway.ip("route", "add", "default", "via", INTERNET.router.four);
  await gateway.ip("-6", "route", "add", "default", "via", INTERNET.router.six);
  await internet.ip("-6", "route", "add", subnet.six, "via", outside.six);
}

async function wireSwitch(lan: LabHost, gateway: LabHost): Promise<void> {
  const { inside } = GATEWAY;
  // A bridge with an IPv6 address of its own would answer the clients' neighbour discovery.
  await lan.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
  await lan.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
  await lan.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0");
  await lan.ip("link", "set", "br0", "up");
  // Until it forwards, the gateway would make itself a second address of what it advertises, and lead clients there.
  await gateway.sysctl("net.ipv6.conf.default.accept_ra", "0");
  await lan.ip("link", "add", "uplink", "type", "veth", "peer", "name", "lan0", "netns", gateway.namespace);
  await lan.ip("link", "set", "uplink", "master", "br0", "up");
  await addAddresses(gateway, "lan0", inside, inside.fourBits, inside.sixBits);
  await gateway.ip("link", "set", "lan0", "up");
}

async function wireClient(lan: LabHost, client: LabHost, plan: ClientPlan, port: string): Promise<void> {
  const peer = ["peer", "name", "eth0", "address", plan.mac, "netns", client.namespace];
  await lan.ip("link", "add", port, "type", "veth", ...peer);
  await lan.ip("link", "set", port, "master", "br0", "up");
  // Without this the kernel waits up to a second before it asks for a router (RFC 4861 §6.3.7).
  await client.sysctl("net.ipv6.conf.eth0.router_solicitation_delay", "0");
  await client.ip("link", "set", "eth0", "up");
}

/** Static IPv6 addresses skip duplicate detection: nobody else is on the wire yet, and it takes a second. */
async function addAddresses(
  host: LabHost,
  device: string,
  address: { readonly four: string; readonly six: string },
  fourBits: number,
  sixBits: number,
): Promise<void> {
  await host.ip("address", "add", `${address.four}/${fourBits}`, "dev", device);
  await host.ip("address", "add", `${address.six}/${sixBits}`, "dev", device, "nodad");
}
