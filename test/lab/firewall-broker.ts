/**
 * The firewall broker as a process of its own, for tests that kill it: prints a line when it is ready, and takes
 * one permit from its arguments.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { LinuxClock } from "#linux/clock.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { Bus } from "#mailbox/bus.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";

const [macText = "", addressText = ""] = process.argv.slice(2);
const bus = new Bus({ name: "firewall", clock: new LinuxClock() });
const service = new FirewallService({
  bus,
  rules: new NftablesRuleSet(),
  config: { inside: "lan0", outside: "wan0" },
  log: () => undefined,
});
await service.start();
await bus.call("/firewall/permit", { mac: mac(macText), address: ip(addressText), timeout: 3_600_000 });
process.stdout.write("ready\n");
setInterval(() => undefined, 60_000);
