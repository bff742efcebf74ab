import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { LimitExceededError, UnavailableError } from "#base/errors.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { minutes, seconds } from "#base/time.ts";
import { type ElementChange, ElementConflictError, RulesRefusedError, type RuleTable } from "#io/rule-set.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Loose, Message } from "#mailbox/message.ts";
import { reject } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { SimPacketFilter, SimRuleSet } from "#sim/rule-set.ts";
import { type FirewallOptions, firewallConfig } from "./config.ts";
import { FirewallService, SWEEP_INTERVAL } from "./firewall-service.ts";
import { CLIENT_COUNT_MAX, gatewayTable } from "./rules.ts";

const anna = mac("02:00:00:00:00:0a");
const ben = mac("02:00:00:00:00:0b");
const address = ip("10.77.0.5");
const address6 = ip("2001:db8:77::5");
const config: FirewallOptions = {
  inside: "lan0",
  outside: "wan0",
  prefixes: [prefix("10.77.0.0/16"), prefix("2001:db8:77::/64")],
  marks: [1, 2],
};

describe("FirewallService", () => {
  let clock: SimClock;
  let filter: SimPacketFilter;
  let bus: Bus;
  let service: FirewallService;
  let events: string[];
  let logged: { level: string; text: string; fields: Record<string, unknown> }[];

  /** A broker process on the same machine. */
  function open(options: { config?: FirewallOptions; rules?: SimRuleSet } = {}): FirewallService {
    bus = new Bus({ name: "firewall", clock });
    return new FirewallService({
      bus,
      rules: options.rules ?? new SimRuleSet(filter),
      config: options.config ?? config,
      log: (level, text, fields) => logged.push({ level, text, fields }),
    });
  }

  async function startAgain(options: Parameters<typeof open>[0] = {}): Promise<void> {
    await service.stop();
    service = open(options);
    await service.start();
    await watchEvents();
  }

  async function watchEvents(): Promise<void> {
    for (const event of ["permitted", "revoked", "restored"]) {
      await bus.observe(`/firewall/${event}`, "test", (message: Message<Loose>) => {
        events.push([event, ...message.tuples.filter((_, index) => index % 2 === 1)].join(" "));
      });
    }
  }

  const permit = (fields: Record<string, unknown> = {}): Promise<unknown> =>
    bus.call("/firewall/permit", { mac: anna, address, ...fields } as never);
  const elements = (set: string): string[] => [...filter.entries("metanet", set).keys()];

  beforeEach(async () => {
    clock = new SimClock();
    filter = new SimPacketFilter(clock);
    events = [];
    logged = [];
    service = open();
    await service.start();
    await watchEvents();
  });

  test("permit puts the client into both directions' maps and tells", async () => {
    await permit({ mark: 2 });
    await permit({ address: address6 });
    assert.deepEqual(elements("up4"), ["02:00:00:00:00:0a . 10.77.0.5"]);
    assert.deepEqual(elements("down4"), ["10.77.0.5"]);
    assert.deepEqual(elements("up6"), ["02:00:00:00:00:0a . 2001:db8:77::5"]);
    assert.deepEqual(elements("down6"), ["2001:db8:77::5"]);
    assert.deepEqual(events, [
      "permitted 02:00:00:00:00:0a 10.77.0.5 2",
      "permitted 02:00:00:00:00:0a 2001:db8:77::5 1",
    ]);
  });

  test("the same permit again changes nothing and tells nobody", async () => {
    await permit();
    filter.count("metanet", "up4", [anna, address], 3, 300);
    await permit();
    assert.deepEqual(events, ["permitted 02:00:00:00:00:0a 10.77.0.5 1"]);
    const answer = await bus.call("/firewall/counters", {});
    assert.deepEqual(answer.get("up-bytes"), [300]);
  });

  test("another mark or timeout replaces the permit and goes on counting", async () => {
    await permit();
    filter.count("metanet", "up4", [anna, address], 3, 300);
    filter.count("metanet", "down4", [address], 4, 4000);
    await permit({ mark: 2, timeout: 60_000 });
    await clock.advance(seconds(10));
    const answer = await bus.call("/firewall/counters", { mac: anna });
    assert.deepEqual(answer.toObject(), {
      mac: [anna],
      address: [address],
      mark: [2],
      "up-packets": [3],
      "up-bytes": [300],
      "down-packets": [4],
      "down-bytes": [4000],
      expires: [50_000],
      more: false,
    });
    assert.equal(events.at(-1), "permitted 02:00:00:00:00:0a 10.77.0.5 2 60000");
  });

  test("counters come in pages, in the order of the addresses, when a limit is given", async () => {
    const texts = ["2001:db8:77::9", "10.77.0.200", "10.77.0.7", "10.77.1.1", "2001:db8:77::10"];
    for (const text of texts) await permit({ address: ip(text) });
    const pages: string[] = [];
    let after: ReturnType<typeof ip> | undefined;
    for (let more = true; more; ) {
      const page = await bus.call("/firewall/counters", { limit: 2, after });
      pages.push((page.get("address") ?? []).join(" "));
      after = page.get("address")?.at(-1);
      more = page.get("more") ?? false;
    }
    assert.deepEqual(pages, ["10.77.0.7 10.77.0.200", "10.77.1.1 2001:db8:77::9", "2001:db8:77::10"]);
  });

  test("an address belongs to the client that was permitted last", async () => {
    await permit();
    await permit({ mac: ben });
    assert.deepEqual(elements("up4"), ["02:00:00:00:00:0b . 10.77.0.5"]);
    assert.deepEqual(events.slice(1), [
      "revoked 02:00:00:00:00:0a 10.77.0.5 replaced",
      "permitted 02:00:00:00:00:0b 10.77.0.5 1",
    ]);
    assert.equal((await bus.call("/firewall/revoke", { mac: anna })).get("revoked"), 0);
    assert.equal(elements("up4").length, 1);
  });

  test("revoke ends one address, or all of a client, and says how many", async () => {
    await permit();
    await permit({ address: address6 });
    await permit({ mac: ben, address: ip("10.77.0.6") });
    assert.equal((await bus.call("/firewall/revoke", { mac: anna, address })).get("revoked"), 1);
    assert.deepEqual([elements("up4").length, elements("up6").length], [1, 1]);
    assert.equal((await bus.call("/firewall/revoke", { mac: anna })).get("revoked"), 1);
    assert.equal((await bus.call("/firewall/revoke", { mac: anna })).get("revoked"), 0);
    assert.deepEqual(elements("down4"), ["10.77.0.6"]);
    assert.deepEqual(elements("down6"), []);
  });

  test("what the policy forbids is refused with a typed error, and logged with who asked", async () => {
    await assert.rejects(permit({ address: ip("192.0.2.1") }), { code: "refused-by-policy" });
    await assert.rejects(
      permit({ mark: 9 }),
      /Cannot permit 02:00:00:00:00:0a at 10\.77\.0\.5: mark 9 is not/,
    );
    await assert.rejects(permit({ mac: undefined }), /tag 'mac' is missing/);
    assert.deepEqual(events, []);
    const refusals = logged.filter(({ text }) => text === "permit refused");
    assert.equal(refusals.length, 2);
    const { level, fields } = refusals[0]!;
    assert.deepEqual(
      [level, fields.sender, fields.mac, fields.address, fields.code],
      ["warn", "firewall", "02:00:00:00:00:0a", "192.0.2.1", "refused-by-policy"],
    );
  });

  test("a listener in front of permit decides too, and one that fails is a no", async () => {
    await bus.prepend("/firewall/permit", "night", () => reject("not at night"));
    await assert.rejects(permit(), { code: "rejected", reason: "not at night" });
    await bus.prepend("/firewall/permit", "night", () => {
      throw new UnavailableError("Cannot read the clock: it stopped");
    });
    await assert.rejects(permit());
    assert.deepEqual(elements("up4"), []);
    await bus.prepend("/firewall/permit", "night", () => undefined);
    await permit();
    assert.equal(elements("up4").length, 1);
  });

  test("a permit whose time is over is gone, and is told within a sweep", async () => {
    await permit({ timeout: 5000 });
    await clock.advance(seconds(4));
    assert.equal(elements("up4").length, 1);
    await clock.advance(seconds(1));
    assert.equal(elements("up4").length, 0);
    await clock.advance(SWEEP_INTERVAL);
    assert.equal(events.at(-1), "revoked 02:00:00:00:00:0a 10.77.0.5 expired");
  });

  test("a restart keeps permits, counters and what is left of their time", async () => {
    await permit({ timeout: 60_000 });
    await permit({ mac: ben, address: address6 });
    filter.count("metanet", "down4", [address], 2, 200);
    await clock.advance(seconds(20));
    events = [];
    await startAgain();
    const answer = await bus.call("/firewall/counters", {});
    assert.deepEqual(answer.get("address")?.map(String), ["10.77.0.5", "2001:db8:77::5"]);
    assert.deepEqual(answer.get("down-bytes"), [200, 0]);
    assert.deepEqual(answer.get("expires"), [40_000, 0]);
    assert.deepEqual(events, []);
    assert.equal((await bus.call("/firewall/revoke", { mac: ben })).get("revoked"), 1);
  });

  test("a restart with a narrower policy stops whom it does not allow any more", async () => {
    await permit();
    await permit({ mac: ben, address: ip("10.77.9.9") });
    await startAgain({ config: { ...config, prefixes: [prefix("10.77.0.0/24")] } });
    assert.deepEqual(elements("up4"), ["02:00:00:00:00:0a . 10.77.0.5"]);
    const ended = logged.filter(({ text }) => text === "a permit ended").map(({ fields }) => fields);
    assert.deepEqual(ended, [{ mac: "02:00:00:00:00:0b", address: "10.77.9.9", reason: "refused" }]);
  });

  test("a restart repairs permits of which only one direction is left", async () => {
    await permit();
    await permit({ mac: ben, address: ip("10.77.0.6") });
    const table = gatewayTable(firewallConfig(config));
    filter.change(table, [
      { do: "remove", set: "down4", key: [address] },
      { do: "remove", set: "up4", key: [ben, ip("10.77.0.6")] },
    ]);
    await startAgain();
    assert.deepEqual(elements("up4"), ["02:00:00:00:00:0a . 10.77.0.5"]);
    assert.deepEqual(elements("down4"), ["10.77.0.5"]);
  });

  test("rules of another shape are replaced at the start, and the permits put back", async () => {
    await permit({ mark: 2 });
    filter.count("metanet", "up4", [anna, address], 3, 300);
    let refusals = 0;
    class Stubborn extends SimRuleSet {
      override async load(table: RuleTable): Promise<void> {
        if ((await this.tables()).includes(table.name)) {
          refusals++;
          throw new RulesRefusedError("Cannot load the rule set: nft ended with 1: File exists");
        }
        await super.load(table);
      }
    }
    await startAgain({ rules: new Stubborn(filter) });
    assert.equal(refusals, 1);
    const answer = await bus.call("/firewall/counters", {});
    assert.deepEqual([answer.get("mark"), answer.get("up-packets")], [[2], [3]]);
  });

  test("a second gateway on the interface or with the table is refused while the first lives", async () => {
    const first = { bus, service };
    await assert.rejects(open().start(), { code: "gateway-running" });
    await assert.rejects(open({ config: { ...config, table: "metanet-2" } }).start(), {
      code: "gateway-running",
    });
    bus = first.bus;
    await permit();
    await first.service.stop();
    service = open();
    await service.start();
  });

  test("a table that somebody removed is back at the next permit, revocation or look, with all permits", async () => {
    const uses: [string, () => Promise<unknown>, string[]][] = [
      ["permit", () => permit({ mac: ben, address: ip("10.77.0.6") }), ["10.77.0.5", "10.77.0.6"]],
      ["revoke", () => bus.call("/firewall/revoke", { mac: ben }), ["10.77.0.5"]],
      ["counters", () => bus.call("/firewall/counters", {}), ["10.77.0.5"]],
      ["counters of one", () => bus.call("/firewall/counters", { mac: anna }), ["10.77.0.5"]],
      ["permit again", () => permit({ mark: 2 }), ["10.77.0.5"]],
      ["nothing", () => clock.advance(SWEEP_INTERVAL), ["10.77.0.5"]],
    ];
    await permit();
    for (const [what, use, expected] of uses) {
      events = [];
      filter.removeTable("metanet");
      await use();
      assert.deepEqual(elements("down4"), expected, what);
      assert.equal(events.filter((event) => event.startsWith("restored")).length, 1, what);
    }
    assert.ok(
      logged.some(
        ({ level, text }) => level === "warn" && text.startsWith("somebody else removed or changed"),
      ),
    );
  });

  test("rules that somebody changed are back at the next look, and permits go on counting", async () => {
    await permit();
    filter.count("metanet", "up4", [anna, address], 3, 300);
    await clock.advance(SWEEP_INTERVAL);
    assert.equal(events.length, 1, "nothing to repair");
    filter.flushTable("metanet");
    await clock.advance(SWEEP_INTERVAL);
    assert.equal(events.at(-1), "restored 1");
    assert.ok(filter.isIntact("metanet"));
    assert.deepEqual((await bus.call("/firewall/counters", {})).get("up-packets"), [3]);
  });

  test("many callers who notice at once load the table once", async () => {
    filter.removeTable("metanet");
    const addresses = Array.from({ length: 50 }, (_, index) => ip(`10.77.1.${index}`));
    await Promise.all(addresses.map((one) => permit({ address: one })));
    assert.equal(elements("up4").length, 50);
    assert.deepEqual(
      events.filter((event) => event.startsWith("restored")),
      ["restored 50"],
    );
  });

  test("what the kernel refuses is forgotten again", async () => {
    await permit({ timeout: 60_000 });
    class Failing extends SimRuleSet {
      error: Error | undefined;
      override async change(table: RuleTable, changes: readonly ElementChange[]): Promise<void> {
        if (this.error) throw this.error;
        await super.change(table, changes);
      }
    }
    const rules = new Failing(filter);
    await startAgain({ rules });
    rules.error = new ElementConflictError("Cannot change the elements: there already");
    await assert.rejects(permit({ mac: ben }), ElementConflictError);
    await assert.rejects(permit({ mac: ben, address: address6 }), ElementConflictError);
    rules.error = new UnavailableError("Cannot ask over netlink: ENOBUFS");
    await assert.rejects(bus.call("/firewall/revoke", { mac: anna }), UnavailableError);
    rules.error = undefined;
    assert.equal((await bus.call("/firewall/revoke", { mac: ben })).get("revoked"), 0);
    assert.equal((await bus.call("/firewall/revoke", { mac: anna })).get("revoked"), 1, "still known");
    assert.deepEqual(elements("down4"), []);
  });

  test("one client more than the maps hold is refused", async () => {
    const table = gatewayTable(firewallConfig(config));
    for (let first = 0; first < CLIENT_COUNT_MAX; first += 500) {
      const steps: ElementChange[] = [];
      for (let index = first; index < Math.min(first + 500, CLIENT_COUNT_MAX); index++) {
        const bytes = Uint8Array.of(10, 77, index >> 8, index & 255);
        const key = [mac(Uint8Array.of(2, 0, ...bytes)), ip(bytes)];
        steps.push({ do: "add", set: "up4", element: { key, mark: 1 } });
        steps.push({ do: "add", set: "down4", element: { key: key.slice(1), mark: 1 } });
      }
      filter.change(table, steps);
    }
    await startAgain({ config: { ...config, prefixes: [prefix("10.0.0.0/8"), prefix("2000::/3")] } });
    await assert.rejects(permit({ address: ip("10.78.0.1") }), LimitExceededError);
    await permit({ address: address6 });
    await bus.call("/firewall/revoke", { mac: mac("02:00:0a:4d:00:00") });
    await permit({ address: ip("10.78.0.1"), timeout: minutes(5) });
  });

  test("remove() takes away our table and nothing else", async () => {
    await new SimRuleSet(filter).load({ name: "foreign", sets: [], text: "" });
    await service.remove();
    assert.deepEqual(filter.tableNames(), ["foreign"]);
    await assert.rejects(permit(), { code: "nobody-listening" });
  });
});
