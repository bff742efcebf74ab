import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { LimitExceededError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { type Duration, milliseconds, minutes } from "#base/time.ts";
import {
  ClaimedError,
  ELEMENT_CHANGE_COUNT_MAX,
  type ElementChange,
  ElementConflictError,
  type ElementSet,
  NftMissingError,
  NotPermittedError,
  PENDING_CHANGE_COUNT_MAX,
  type RuleSet,
  RulesRefusedError,
  type RuleTable,
  TableGoneError,
} from "#io/rule-set.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { SimClock } from "#sim/clock.ts";
import { SimPacketFilter, SimRuleSet } from "#sim/rule-set.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";

const pairs: ElementSet = { name: "pairs", key: ["ether_addr", "ipv6_addr"], countMax: 65_536 };
const single: ElementSet = { name: "single", key: ["ipv4_addr"], countMax: 4 };

const table: RuleTable = {
  name: "metanet-contract",
  sets: [pairs, single],
  text: `add table inet metanet-contract
    add map inet metanet-contract pairs { type ether_addr . ipv6_addr : mark; size 65536; flags timeout; counter; }
    add map inet metanet-contract single { type ipv4_addr : mark; size 4; flags timeout; counter; }
    flush table inet metanet-contract
    add chain inet metanet-contract forward { type filter hook forward priority filter; policy accept; }
    add rule inet metanet-contract forward ip saddr 192.0.2.1 drop\n`,
};

/** One machine: rule sets on the same packet filter, and a way to let time pass. */
interface World {
  open(): RuleSet;
  wait(duration: Duration): Promise<void>;
  /** Somebody else deletes the table, or all of its rules. */
  wreck(how: "delete" | "flush"): Promise<void>;
}

function simWorld(): World {
  const clock = new SimClock();
  const filter = new SimPacketFilter(clock);
  return {
    open: () => new SimRuleSet(filter),
    wait: async (duration) => clock.advance(duration),
    wreck: async (how) => (how === "delete" ? filter.removeTable(table.name) : filter.flushTable(table.name)),
  };
}

function linuxWorld(): World {
  enterOwnNamespace();
  return {
    open: () => new NftablesRuleSet(),
    wait: (duration) => pause(duration),
    wreck: async (how) => {
      execFileSync("nft", [how, "table", "inet", table.name]);
    },
  };
}

const addSingle = (address: string, mark = 1): ElementChange => ({
  do: "add",
  set: "single",
  element: { key: [ip(address)], mark },
});
const removeSingle = (address: string): ElementChange => ({
  do: "remove",
  set: "single",
  key: [ip(address)],
});

for (const [name, makeWorld, skip] of [
  ["SimRuleSet", simWorld, false],
  ["NftablesRuleSet", linuxWorld, rootProblem()],
] as const) {
  describe(`${name} as a RuleSet`, { skip }, () => {
    let world: World;
    let rules: RuleSet;
    const addresses = async (): Promise<string[]> =>
      (await rules.elements(table, single)).map(({ key }) => key.join()).sort();

    before(async () => {
      world = makeWorld();
      rules = world.open();
      await rules.load(table);
    });
    after(() => rules.close());

    test("elements() gives back what change() added: key, mark, timeout and counter", async () => {
      const key = [mac("02:00:00:00:00:01"), ip("2001:db8::5")];
      const element = { key, mark: 7, timeout: minutes(10), counter: { packets: 3, bytes: 300 } };
      await rules.change(table, [
        { do: "add", set: "pairs", element },
        { do: "add", set: "pairs", element: { key: [key[0]!, ip("2001:db8::6")], mark: 1 } },
      ]);
      const states = [...(await rules.elements(table, pairs))];
      states.sort((a, b) => b.mark - a.mark);
      const { expiresIn = 0, ...first } = states[0]!;
      assert.deepEqual(first, element);
      assert.ok(expiresIn > minutes(10) - 5000 && expiresIn <= minutes(10), `${expiresIn} ms`);
      assert.deepEqual(states[1], {
        key: [key[0], ip("2001:db8::6")],
        mark: 1,
        counter: { packets: 0, bytes: 0 },
      });
      await rules.change(table, [{ do: "remove", set: "pairs", key }]);
      assert.equal((await rules.elements(table, pairs)).length, 1);
    });

    test("element() gives one element, or undefined when it is not there", async () => {
      const [state] = await rules.elements(table, pairs);
      const found = await rules.element(table, pairs, state!.key);
      assert.deepEqual(found, state);
      const missing = [mac("02:00:00:00:00:77"), state!.key[1]!];
      assert.equal(await rules.element(table, pairs, missing), undefined);
    });

    test("adding what is there and removing what is not changes nothing", async () => {
      await rules.change(table, [addSingle("10.0.0.1")]);
      await rules.change(table, [addSingle("10.0.0.1"), removeSingle("10.0.0.9")]);
      await rules.change(table, [removeSingle("10.0.0.9")]);
      assert.deepEqual(await addresses(), ["10.0.0.1"]);
      await rules.change(table, [removeSingle("10.0.0.1"), removeSingle("10.0.0.9")]);
      assert.deepEqual(await addresses(), []);
    });

    test("change() does all steps or none, and callers of one turn do not hurt each other", async () => {
      await rules.change(table, [addSingle("10.0.0.1", 1)]);
      const outcomes = await Promise.allSettled([
        rules.change(table, [addSingle("10.0.0.2")]),
        rules.change(table, [addSingle("10.0.0.3"), addSingle("10.0.0.1", 2)]),
        rules.change(table, [removeSingle("10.0.0.8"), addSingle("10.0.0.4")]),
      ]);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      assert.ok((outcomes[1] as PromiseRejectedResult).reason instanceof ElementConflictError);
      assert.deepEqual(await addresses(), ["10.0.0.1", "10.0.0.2", "10.0.0.4"]);
    });

    test("change() replaces an element by removing and adding it in one transaction", async () => {
      await rules.change(table, [
        removeSingle("10.0.0.1"),
        {
          do: "add",
          set: "single",
          element: { key: [ip("10.0.0.1")], mark: 2, counter: { packets: 5, bytes: 50 } },
        },
      ]);
      const found = (await rules.elements(table, single)).find(({ key }) => key.join() === "10.0.0.1");
      assert.deepEqual([found?.mark, found?.counter], [2, { packets: 5, bytes: 50 }]);
    });

    test("change() refuses an element more than the set holds", async () => {
      assert.equal((await addresses()).length, 3);
      await rules.change(table, [addSingle("10.0.0.5")]);
      await assert.rejects(rules.change(table, [addSingle("10.0.0.6")]), LimitExceededError);
    });

    test("change() refuses more steps than one transaction takes", async () => {
      const steps = Array.from({ length: ELEMENT_CHANGE_COUNT_MAX + 1 }, () => removeSingle("10.0.0.9"));
      await assert.rejects(rules.change(table, steps), LimitExceededError);
      await rules.change(table, steps.slice(1));
    });

    test("load() keeps the elements of sets that stay", async () => {
      const elements = await addresses();
      assert.equal(elements.length, 4);
      await rules.load(table);
      assert.deepEqual(await addresses(), elements);
    });

    test("isIntact() tells when somebody took the rules away, and elements stay over a load()", async () => {
      assert.equal(await rules.isIntact(table), true);
      await rules.change(table, [removeSingle("10.0.0.9")]);
      assert.equal(await rules.isIntact(table), true, "elements are not rules");
      await world.wreck("flush");
      assert.equal(await rules.isIntact(table), false);
      await rules.load(table);
      assert.equal(await rules.isIntact(table), true);
      assert.equal((await addresses()).length, 4);
    });

    test("an element is gone when its timeout is over", async () => {
      await rules.change(table, [removeSingle("10.0.0.5")]);
      const element = { key: [ip("10.0.0.5")], mark: 1, timeout: milliseconds(1500) };
      await rules.change(table, [{ do: "add", set: "single", element }]);
      assert.ok((await addresses()).includes("10.0.0.5"));
      await world.wait(milliseconds(2000));
      assert.ok(!(await addresses()).includes("10.0.0.5"));
    });

    test("claim() is for one at a time, and ends with close()", async () => {
      const other = world.open();
      const third = world.open();
      await other.claim("metanet-claim");
      await assert.rejects(third.claim("metanet-claim"), (error) => {
        assert.ok(error instanceof ClaimedError);
        assert.match(error.message, /^Cannot claim metanet-claim: .*process.* holds it/);
        return true;
      });
      other.close();
      await third.claim("metanet-claim");
      third.close();
      assert.deepEqual(await rules.tables(), [table.name]);
    });

    test("a table that somebody else removed is a TableGoneError, and load() brings it back empty", async () => {
      await world.wreck("delete");
      assert.equal(await rules.isIntact(table), false);
      await assert.rejects(rules.elements(table, single), TableGoneError);
      await assert.rejects(rules.element(table, single, [ip("10.0.0.1")]), TableGoneError);
      await assert.rejects(rules.change(table, [addSingle("10.0.0.1")]), TableGoneError);
      await assert.rejects(rules.change(table, [removeSingle("10.0.0.1")]), TableGoneError);
      await rules.load(table);
      assert.deepEqual(await addresses(), []);
    });

    test("remove() removes one table, and is content when it is gone", async () => {
      const foreign = { name: "foreign", sets: [], text: "add table inet foreign\n" };
      await rules.load(foreign);
      await rules.remove(table.name);
      await rules.remove(table.name);
      assert.deepEqual(await rules.tables(), ["foreign"]);
      await rules.remove("foreign");
      await rules.load(table);
    });
  });
}

test("NftablesRuleSet refuses more steps than may wait for the kernel", { skip: rootProblem() }, async () => {
  const rules = new NftablesRuleSet();
  const steps = Array.from({ length: ELEMENT_CHANGE_COUNT_MAX }, () => addSingle("10.0.0.1"));
  const waiting: Promise<void>[] = [];
  for (let count = 0; count < PENDING_CHANGE_COUNT_MAX; count += steps.length) {
    waiting.push(rules.change(table, steps));
  }
  await assert.rejects(rules.change(table, [addSingle("10.0.0.1")]), LimitExceededError);
  await Promise.all(waiting);
  await rules.change(table, [addSingle("10.0.0.1")]);
  rules.close();
});

test("NftablesRuleSet says how to install nft where it is missing", { skip: rootProblem() }, async () => {
  const rules = new NftablesRuleSet({ program: "nft-that-is-not-here" });
  await assert.rejects(rules.load(table), (error) => {
    assert.ok(error instanceof NftMissingError);
    assert.match(error.message, /is not on this machine\. Install it: apt-get install .*nftables$/);
    return true;
  });
  rules.close();
});

test("NftablesRuleSet gives nft's complaint when the rules are wrong", { skip: rootProblem() }, async () => {
  const rules = new NftablesRuleSet();
  await assert.rejects(rules.load({ ...table, text: "add table inet\n" }), (error) => {
    assert.ok(error instanceof RulesRefusedError);
    assert.match(error.message, /nft ended with 1: .*syntax error/);
    return true;
  });
  rules.close();
});

test("NftablesRuleSet without privileges says that it needs root", { skip: rootProblem() }, async () => {
  const rules = new NftablesRuleSet();
  process.seteuid?.(65_534);
  try {
    await assert.rejects(rules.change(table, [addSingle("10.0.0.1")]), NotPermittedError);
    await assert.rejects(rules.claim("metanet-claim"), NotPermittedError);
    await assert.rejects(rules.remove(table.name), NotPermittedError);
  } finally {
    process.seteuid?.(0);
    rules.close();
  }
});
