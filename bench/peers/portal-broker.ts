/**
 * The broker for the portal's benchmark, a process of its own in the namespace it was started in. Takes the run
 * directory from its arguments and prints a line when it is ready.
 * @module
 */
import { node } from "#app/node.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";

const [directory = ""] = process.argv.slice(2);
const bus = await node("firewall", { directory });
const service = new FirewallService({
  bus,
  rules: new NftablesRuleSet(),
  config: { inside: "lan0", outside: "wan0" },
  log: () => undefined,
});
await service.start();
process.once("SIGTERM", () => process.exit(0));
process.stdout.write("ready\n");
