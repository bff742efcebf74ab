import assert from "node:assert/strict";
import { test } from "node:test";
import { IpAddress, prefix } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { ELEMENT_CHANGE_COUNT_MAX, type ElementChange } from "#io/rule-set.ts";
import { type FirewallOptions, firewallConfig } from "#service/firewall/config.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import { gatewayTable } from "#service/firewall/rules.ts";
import { FirewallDoor } from "#service/portald/firewall-door.ts";
import { SimPacketFilter, SimRuleSet } from "#sim/rule-set.ts";
import { SimWorld } from "../link/sim-world.ts";

/** As many as the portal takes. */
const CLIENT_COUNT = 20_000;
/** Counters as long on the wire as they get. */
const BYTES = Number.MAX_SAFE_INTEGER;

const config: FirewallOptions = { inside: "lan0", outside: "wan0", prefixes: [prefix("10.77.0.0/16")] };

/** A broker that finds this many clients in the kernel. */
async function broker(world: SimWorld, clientCount: number): Promise<SimPacketFilter> {
  const filter = new SimPacketFilter(world.clock);
  const table = gatewayTable(firewallConfig(config));
  const kernel = new SimRuleSet(filter);
  await kernel.load(table);
  const steps: ElementChange[] = [];
  for (let number = 0; number < clientCount; number++) {
    const address = IpAddress.fromUint32(0x0a4d_0000 + 256 + number);
    const mac = new MacAddress(Uint8Array.of(2, 0, 0, 1, number >> 8, number & 255));
    const element = { mark: 1, counter: { packets: BYTES, bytes: BYTES } };
    steps.push(
      { do: "add", set: "up4", element: { ...element, key: [mac, address] } },
      { do: "add", set: "down4", element: { ...element, key: [address] } },
    );
  }
  while (steps.length > 0) await kernel.change(table, steps.splice(0, ELEMENT_CHANGE_COUNT_MAX));
  kernel.close();
  const { bus } = await world.start("firewall");
  const service = new FirewallService({ bus, rules: new SimRuleSet(filter), config, log: () => undefined });
  await service.start();
  return filter;
}

test(`the portal reads the counters of ${CLIENT_COUNT} clients from the broker, page by page`, async () => {
  const world = new SimWorld();
  const filter = await broker(world, CLIENT_COUNT);
  const { bus } = await world.start("portald");
  const whole = bus.call("firewall:/firewall/counters", {}, { timeout: milliseconds(5000) });
  await assert.rejects(world.settled(whole), { code: "limit-exceeded" }, "they do not fit into one frame");

  const door = new FirewallDoor(bus, seconds(5));
  const state = await world.settled(door.read());
  assert.equal(state?.size, CLIENT_COUNT);
  const total = [...(state?.values() ?? [])].flatMap(({ readings }) => readings);
  assert.ok(total.every(({ upBytes, downPackets }) => upBytes === BYTES && downPackets === BYTES));

  // Somebody removes everything: the broker brings it back, with counters that begin again.
  filter.removeTable("metanet");
  const again = await world.settled(door.read());
  assert.equal(again?.size, CLIENT_COUNT);
  const readings = [...(again?.values() ?? [])].flatMap((client) => client.readings);
  assert.ok(readings.every(({ upBytes }) => upBytes === 0));
  assert.equal(door.failureCount, 0);
});
