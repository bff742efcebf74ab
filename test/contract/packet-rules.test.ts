/**
 * What every QueueRules and every PacketSender promises, run in a network namespace and on the simulated
 * ones.
 * @module
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import type { PacketSender } from "#io/packet-sender.ts";
import { MatchRefusedError, type QueueRules } from "#io/queue-rules.ts";
import { ClaimedError } from "#io/rule-set.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { SimPacketSender } from "#sim/packet-sender.ts";
import { SimQueueRules, SimRuleKernel } from "#sim/queue-rules.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";
import { rule } from "../lab/packet-queue-lab.ts";

interface World {
  enter(): void;
  rules(): QueueRules;
  sender(): PacketSender;
}

const kernel = new SimRuleKernel();
kernel.misunderstood.add("udp dprot 53");

const worlds: [string, World, string | false][] = [
  [
    "linux",
    { enter: enterOwnNamespace, rules: () => new LinuxQueueRules(), sender: () => new LinuxPacketSender() },
    rootProblem(),
  ],
  [
    "sim",
    {
      enter: () => undefined,
      rules: () => new SimQueueRules(kernel),
      sender: () => new SimPacketSender({ routeBytesMax: 65_536 }),
    },
    false,
  ],
];

for (const [name, world, skip] of worlds) {
  describe(`queue rules and packet sender, ${name}`, { skip }, () => {
    let rules: QueueRules;
    before(() => {
      world.enter();
      rules = world.rules();
    });
    after(() => rules.close());

    it("load(), counts() and unload(): in the order of loading, each name once", async () => {
      await rules.load(rule({ name: "b" }));
      await rules.load(rule({ name: "a", index: 1, queueNumber: 9 }));
      await rules.load(rule({ name: "b", index: 2 }));
      const names = (await rules.counts()).map((count) => [count.name, count.packets, count.bytes]);
      assert.deepEqual(names, [
        ["b", 0, 0],
        ["a", 0, 0],
      ]);
      await rules.detach("b");
      await rules.unload("b");
      await rules.unload("b");
      assert.deepEqual(
        (await rules.counts()).map((count) => count.name),
        ["a"],
      );
      await rules.removeAll();
      assert.deepEqual(await rules.counts(), []);
    });

    it("load() refuses a place that is taken, another family of a name, and what is no rule", async () => {
      await rules.load(rule({ name: "a" }));
      await assert.rejects(rules.load(rule({ name: "b" })), ConfigurationError);
      await assert.rejects(rules.load(rule({ name: "a", family: "ip" })), ConfigurationError);
      await assert.rejects(rules.load(rule({ name: "a b" })), ConfigurationError);
      await assert.rejects(
        rules.load(rule({ name: "c", index: 7, match: "udp dport 53 drop" })),
        MatchRefusedError,
      );
      await assert.rejects(
        rules.load(rule({ name: "c", index: 7, match: "udp dprot 53" })),
        MatchRefusedError,
      );
      assert.equal((await rules.counts()).length, 1);
    });

    it("check() takes what chooses packets and refuses the rest", async () => {
      await rules.check("inet", "udp dport 53");
      await assert.rejects(rules.check("inet", "udp dprot 53"), MatchRefusedError);
      await assert.rejects(rules.check("inet", "udp dport 53; drop"), MatchRefusedError);
    });

    it("another one may not load before the first one's rules are gone", async () => {
      await rules.removeAll();
      await rules.load(rule());
      const other = world.rules();
      await assert.rejects(other.load(rule({ name: "other" })), ClaimedError);
      await rules.removeAll();
      await other.load(rule({ name: "other" }));
      await other.removeAll();
      other.close();
    });

    it("reserve() replaces what is there, leaves out what cannot stand, and load() takes over", async () => {
      await rules.load(rule({ name: "before", index: 5 }));
      const reserved = [
        rule({ name: "a", bypass: true }),
        rule({ name: "b", index: 1, match: "udp dprot 53" }),
        rule({ name: "c" }),
        rule({ name: "d", index: 2 }),
      ];
      assert.deepEqual(await rules.reserve(reserved), ["b", "c"]);
      const names = async (): Promise<string[]> => (await rules.counts()).map((count) => count.name);
      assert.deepEqual(await names(), ["a", "d"]);
      await rules.load(rule({ name: "a", index: 3 }));
      assert.deepEqual(await rules.repair(), []);
      await rules.unload("a");
      assert.deepEqual(await names(), ["d"]);
      assert.deepEqual(await rules.reserve([]), []);
      assert.deepEqual(await names(), []);
    });

    it("the sender counts what it cannot send, says so once for a call, and outlives its end", () => {
      const sender = world.sender();
      const messages: string[] = [];
      sender.onTrouble((error) => messages.push(error.message));
      assert.equal(sender.sendRouted([]), 0);
      assert.equal(sender.sendRouted([[], [new Uint8Array(10)], [new Uint8Array(100)]]), 0);
      assert.deepEqual(sender.counters, { sentCount: 0, unsentCount: 3 });
      assert.equal(messages.length, 1);
      const header = Uint8Array.of(0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1);
      const many = Array.from({ length: 130 }, () => [header.subarray(0, 3), header.subarray(3)]);
      assert.equal(sender.sendRouted(many), 130);
      assert.equal(sender.sendRouted([Array(17).fill(header)]), 0);
      sender.close();
      sender.close();
      assert.equal(sender.sendRouted(many), 0);
      assert.deepEqual(sender.counters, { sentCount: 130, unsentCount: 134 });
    });
  });
}
