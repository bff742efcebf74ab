/**
 * Times round trips of packets between a client and a server through the gateway, with one client permitted and
 * with ten thousand. Prints the measured times as JSON.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import { LinuxClock } from "#linux/clock.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { Bus } from "#mailbox/bus.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import { CLIENT, CLIENT_MAC, GatewayNet, SERVER } from "../../test/lab/gateway-net.ts";
import { measure } from "../measure.ts";

const CLIENT_COUNT = 10_000;

const net = new GatewayNet();
const bus = new Bus({ name: "firewall", clock: new LinuxClock() });
const service = new FirewallService({
  bus,
  rules: new NftablesRuleSet(),
  config: { inside: "lan0", outside: "wan0" },
  log: () => undefined,
});
await service.start();
await bus.call("/firewall/permit", { mac: mac(CLIENT_MAC), address: ip(CLIENT[4]) });

const others = Array.from({ length: CLIENT_COUNT - 1 }, (_, index) => {
  const bytes = Uint8Array.of(10, 100, index >> 8, index & 255);
  return { mac: mac(Uint8Array.of(2, 0, ...bytes)), address: ip(bytes) };
});

async function ask(mailbox: "/firewall/permit" | "/firewall/revoke"): Promise<void> {
  await Promise.all(others.map((one) => bus.call(mailbox, one, { timeout: seconds(60) })));
}

/** Nanoseconds for each round trip, by ping's own clock. */
async function flood(count: number): Promise<number> {
  const { output } = await net.onClient("ping", "-f", "-q", `-c${count}`, SERVER[4]);
  const [, received, took] = /(\d+) received, .* time (\d+)ms/.exec(output) ?? [];
  if (Number(received) < count * 0.99)
    throw new Error(`Cannot compare: of ${count} packets ${received} came back`);
  return (Math.max(Number(took), 1) * 1_000_000) / count;
}

try {
  const measured = await measure([
    { name: "one client", run: flood },
    {
      name: `${CLIENT_COUNT} clients`,
      run: async (count) => {
        await ask("/firewall/permit");
        const each = await flood(count);
        await ask("/firewall/revoke");
        return each;
      },
    },
  ]);
  process.stdout.write(JSON.stringify(measured));
} finally {
  await service.stop();
  net.close();
}
