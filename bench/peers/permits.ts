/**
 * Times permits in a network namespace of its own: a client's two elements by one `nft` process each, by lines to
 * one long-lived `nft -i`, through our rule set over netlink, and through the broker's mailbox. Prints the measured
 * times as JSON.
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import type { ElementChange } from "#io/rule-set.ts";
import { LinuxClock } from "#linux/clock.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { Bus } from "#mailbox/bus.ts";
import { firewallConfig } from "#service/firewall/config.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import { gatewayTable } from "#service/firewall/rules.ts";
import { enterOwnNamespace } from "../../test/lab/own-namespace.ts";
import { measure } from "../measure.ts";

const OPTIONS = { inside: "lan0", outside: "wan0" };
/** As many callers wait for the kernel at a time as a busy portal has. */
const CONCURRENT_COUNT = 256;

enterOwnNamespace();
const rules = new NftablesRuleSet();
const table = gatewayTable(firewallConfig(OPTIONS));
const bus = new Bus({ name: "firewall", clock: new LinuxClock() });
const service = new FirewallService({ bus, rules, config: OPTIONS, log: () => undefined });
await service.start();

const interactive = spawn("nft", ["-i"], { stdio: ["pipe", "pipe", "inherit"] });
interactive.stdout.setEncoding("utf8");
let marker = 0;

function clientOf(index: number): { mac: ReturnType<typeof mac>; address: ReturnType<typeof ip> } {
  const bytes = Uint8Array.of(10, 100 + (index >> 16), (index >> 8) & 255, index & 255);
  return { mac: mac(Uint8Array.of(2, 0, ...bytes)), address: ip(bytes) };
}

function stepsOf(index: number): ElementChange[] {
  const client = clientOf(index);
  return [
    { do: "add", set: "up4", element: { key: [client.mac, client.address], mark: 1 } },
    { do: "add", set: "down4", element: { key: [client.address], mark: 1 } },
  ];
}

function commandOf(index: number): string {
  const client = clientOf(index);
  const up = `add element inet metanet up4 { ${client.mac} . ${client.address} : 0x1 }`;
  return `${up} ; add element inet metanet down4 { ${client.address} : 0x1 }`;
}

/** Times `action` alone, and takes the clients out again. */
async function timed(count: number, action: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint();
  await action();
  const took = Number(process.hrtime.bigint() - started);
  const held = await bus.call("/firewall/counters", {}, { timeout: seconds(60) });
  if ((held.get("mac")?.length ?? 0) !== count)
    throw new Error(`Cannot compare: ${held.get("mac")?.length} permits given, not ${count}`);
  const flush = spawn("nft", ["flush map inet metanet up4 ; flush map inet metanet down4"]);
  await once(flush, "exit");
  return took / count;
}

async function byProcesses(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await once(spawn("nft", [commandOf(index)]), "exit");
}

/** Lines are not answered one by one, so the last is followed by a question whose answer is known. */
async function byLines(count: number): Promise<void> {
  const name = `marker${++marker}`;
  const lines = Array.from({ length: count }, (_, index) => `${commandOf(index)}\n`);
  interactive.stdin.write(
    `${lines.join("")}add table ip ${name}\nlist table ip ${name}\ndelete table ip ${name}\n`,
  );
  for await (const text of interactive.stdout.iterator({ destroyOnReturn: false })) {
    if (String(text).includes(`table ip ${name} {`)) return;
  }
}

/** Runs `one` for every index, {@link CONCURRENT_COUNT} at a time. */
async function concurrently(count: number, one: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: CONCURRENT_COUNT }, worker));
}

const measured = await measure([
  { name: "nft process each", run: (count) => timed(count, () => byProcesses(count)) },
  { name: "one nft -i", run: (count) => timed(count, () => byLines(count)) },
  {
    name: "rule set",
    run: (count) => timed(count, () => concurrently(count, (index) => rules.change(table, stepsOf(index)))),
  },
  {
    name: "mailbox",
    run: (count) =>
      timed(count, () => concurrently(count, (index) => bus.call("/firewall/permit", clientOf(index)))),
  },
]);
process.stdout.write(JSON.stringify(measured));
interactive.kill();
await service.stop();
