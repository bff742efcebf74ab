/**
 * The rules that bring packets to queues, and sending packets, in the kernel.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { PacketChange, PacketVerdict } from "#io/packet-queue.ts";
import { MatchRefusedError, QUEUE_RULE_MARKS } from "#io/queue-rules.ts";
import { ClaimedError } from "#io/rule-set.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { rootProblem } from "./own-namespace.ts";
import { countPackets, labForTests, PORT, QUEUE, rewrite, rule, textOf, until } from "./packet-queue-lab.ts";
import { CLIENT, run, SERVER } from "./packet-queue-net.ts";

const tables = (): string[] =>
  run("nft list tables")
    .split("\n")
    .filter((line) => line.includes("metanet-scripts"));

describe("queue rules in the kernel", { skip: rootProblem() }, () => {
  const lab = labForTests();

  it("load() shows nft's complaint and points at the expression", async () => {
    for (const [match, said] of [
      ["udp dprot 53", /syntax error.*at 'dprot' \(character 5\)/],
      ["udp dport", /syntax error.*at its end/],
      ["udp dport fifty", /at 'fifty' \(character 11\)/],
    ] as const) {
      await assert.rejects(lab().rules.load(rule({ match })), (error: Error) => {
        assert.ok(error instanceof MatchRefusedError && error instanceof ConfigurationError);
        assert.ok(error.message.startsWith(`Cannot use the match '${match}': nft says: `), error.message);
        assert.match(error.message, said);
        return true;
      });
      await assert.rejects(lab().rules.check("inet", match), said);
    }
    assert.deepEqual(await lab().rules.counts(), []);
    await lab().rules.check("inet", 'iifname "lan0" tcp dport { 80, 443 } ct state established');
    await lab().rules.check("bridge", "ether type ip udp dport 53");
  });

  it("load() replaces a script's rules and leaves the other scripts' alone, with what waits in queues", async () => {
    const { rules, server } = lab();
    const seen: string[] = [];
    const queue = lab().open((batch, row) => seen.push(`first ${textOf(batch, row)}`));
    lab().open((batch, row) => seen.push(`second ${textOf(batch, row)}`), { queueNumber: QUEUE + 1 });
    await rules.load(rule({ name: "first" }));
    await rules.load(rule({ name: "second", index: 1, queueNumber: QUEUE + 1 }));
    await assert.rejects(rules.load(rule({ name: "third", index: 1 })), /'second' stands at forward-1/);
    lab().send(4, "a");
    assert.deepEqual(await server[4].receive(1), ["a"]);
    assert.deepEqual(seen.splice(0), ["first a", "second a"]);
    queue.pause();
    lab().send(4, "waits");
    await until(() => queue.statistics().waitingCount === 1);
    await rules.load(rule({ name: "second", index: 1, match: "tcp dport 1", queueNumber: QUEUE + 1 }));
    await rules.load(rule({ name: "second", index: 3, hook: "postrouting", queueNumber: QUEUE + 1 }));
    await rules.unload("second");
    queue.resume();
    assert.deepEqual(await server[4].receive(1), ["waits"]);
    assert.deepEqual(seen, ["first waits"]);
    const packets = (await rules.counts()).map((count) => [count.name, count.packets]);
    assert.deepEqual(packets, [["first", 2]]);
    await rules.unload("first");
    assert.deepEqual(tables(), []);
  });

  it("the table goes with the last script, and other tables stay", async () => {
    run("nft add table inet stranger");
    for (const family of ["inet", "ip", "ip6"] as const)
      await lab().rules.load(rule({ name: family, family }));
    assert.equal(tables().length, 3 + 1);
    for (const family of ["inet", "ip"]) await lab().rules.unload(family);
    await lab().rules.unload("no such script");
    await lab().rules.unload("ip6");
    assert.deepEqual(tables(), []);
    assert.match(run("nft list tables"), /inet stranger/);
    run("nft delete table inet stranger");
  });

  it("finds and replaces the table of a process that was killed, and not that of one that lives", async () => {
    await lab().rules.load(rule());
    const other = new LinuxQueueRules();
    await assert.rejects(other.load(rule({ name: "other" })), ClaimedError);
    other.close();
    await lab().rules.removeAll();
    const program = `
      import { LinuxQueueRules } from "${import.meta.dirname}/../../src/linux/queue-rules.ts";
      const rules = new LinuxQueueRules({ table: "orphan" });
      await rules.load({ name: "dead", family: "inet", hook: "forward", index: 0, queueNumber: 9, bypass: false });
      process.kill(process.pid, "SIGKILL");`;
    assert.throws(() => execFileSync(process.execPath, ["--input-type=module-typescript", "-e", program]));
    assert.match(run("nft list tables"), /table inet orphan\n/);
    const next = new LinuxQueueRules({ table: "orphan" });
    await next.load(rule({ family: "ip6" }));
    assert.deepEqual(run("nft list tables").match(/table .* orphan\n/g), ["table ip6 orphan\n"]);
    await next.removeAll();
    next.close();
    assert.doesNotMatch(run("nft list tables"), /orphan/);
  });

  it("a packet with the mark 'done' skips the scripts left at its hook, and loses it behind them", async () => {
    const { rules } = lab();
    const seen: string[] = [];
    const places = [
      ["forward", 0],
      ["forward", 1],
      ["postrouting", 0],
    ] as const;
    for (const [index, [hook, place]] of places.entries()) {
      const [name, queueNumber] = [`${hook}${place}`, QUEUE + index];
      await rules.load(rule({ name, hook, index: place, queueNumber }));
      lab().open(
        (batch, row) => {
          seen.push(name);
          if (name !== "forward0" || textOf(batch, row) !== "done") return;
          batch.changes[row] = PacketChange.mark;
          batch.newMark[row] = ((batch.mark[row] ?? 0) | QUEUE_RULE_MARKS.done) >>> 0;
        },
        { queueNumber },
      );
    }
    const marked = countPackets("postrouting", "meta mark != 0");
    lab().send(6, "goes on");
    await lab().server[6].receive(1);
    assert.deepEqual(seen.splice(0), ["forward0", "forward1", "postrouting0"]);
    lab().send(6, "done");
    await lab().server[6].receive(1);
    assert.deepEqual(seen, ["forward0", "postrouting0"]);
    assert.equal(marked(), 0);
  });

  it("sends routed packets from their parts, past the scripts, and gathers them in the kernel", async () => {
    for (const hook of ["output", "postrouting"] as const) {
      await lab().rules.load(rule({ name: hook, hook }));
    }
    const seen: string[] = [];
    lab().open((batch, row) => seen.push(textOf(batch, row)));
    const sender = new LinuxPacketSender({ mark: QUEUE_RULE_MARKS.sent });
    const marked = countPackets("postrouting", "meta mark != 0");
    for (const version of [4, 6] as const) {
      const packet = makePacket(version, "gathered");
      const parts = [
        packet.subarray(0, 7),
        packet.subarray(7, 19),
        packet.subarray(19, 39),
        packet.subarray(39),
      ];
      const copies = Array.from({ length: 100 }, () => parts);
      assert.equal(sender.sendRouted([...copies, [packet.subarray(0, 12)], [packet]]), 101);
      assert.equal((await lab().server[version].receive(101)).length, 101);
      // More parts than one system call takes.
      const many = [
        ...Array.from({ length: 15 }, (_, at) => packet.subarray(at, at + 1)),
        packet.subarray(15),
      ];
      assert.equal(sender.sendRouted(Array.from({ length: 70 }, () => many)), 70);
      assert.equal((await lab().server[version].receive(70)).length, 70);
    }
    // What this machine sends without the mark is shown.
    assert.equal(sender.sendRouted([[makePacket(4, "shown")]], { mark: 0 }), 1);
    assert.deepEqual(await lab().server[4].receive(1), ["shown"]);
    assert.deepEqual(seen, ["shown", "shown"]);
    assert.equal(marked(), 0, "the mark was cleared");
    const errors: string[] = [];
    sender.onTrouble((error) => errors.push(error.message));
    assert.equal(sender.sendRouted([[makePacket(4, "x".repeat(1500))]]), 0);
    assert.deepEqual(errors, ["Cannot send a packet: EMSGSIZE"]);
    assert.deepEqual(sender.counters, { sentCount: 343, unsentCount: 3 });
    sender.close();
  });

  it("sends whole frames on an interface", async () => {
    const sender = new LinuxPacketSender();
    const index = native().interfaceIndex("wan0");
    const own = run("ip -o link show wan0");
    const theirs = run(`ip -n ${lab().net.server} -o link show eth0`);
    const mac = (text: string): number[] =>
      (/link\/ether (\S+)/.exec(text)?.[1] ?? "").split(":").map((part) => Number.parseInt(part, 16));
    const header = Uint8Array.from([...mac(theirs), ...mac(own), 8, 0]);
    assert.equal(sender.sendFrames(index, [[header, makePacket(4, "in a frame")]]), 1);
    assert.deepEqual(await lab().server[4].receive(1), ["in a frame"]);
    sender.close();
    sender.close();
    assert.equal(sender.sendFrames(index, [[header]]), 0);
  });

  it("a packet is dropped and another sent in its place from the slab of the batch", async () => {
    await lab().rules.load(rule());
    const sender = new LinuxPacketSender({ mark: QUEUE_RULE_MARKS.sent });
    lab().open((batch, row) => {
      batch.verdict[row] = PacketVerdict.drop;
      const start = batch.offset[row] ?? 0;
      const lengthBytes = rewrite(batch.bytes, start, `answer to ${textOf(batch, row)}`);
      // The answer goes back to where the question came from.
      batch.bytes.copyWithin(start + 12, start + 16, start + 20);
      batch.bytes.set([10, 91, 1, 2], start + 16);
      sender.sendRouted([[batch.bytes.subarray(start, start + lengthBytes)]]);
    });
    lab().send(4, "a question");
    assert.deepEqual(await lab().client[4].receive(1), ["answer to a question"]);
    sender.close();
  });
});

/** A UDP packet to the server, as from the client. */
function makePacket(version: 4 | 6, text: string): Uint8Array {
  const bytes = new Uint8Array(2000);
  const { client, server } = { client: CLIENT[version], server: SERVER[version] };
  assert.ok(client && server);
  if (version === 4) {
    bytes.set([0x45, 0, 0, 0, 0, 1, 0, 0, 63, 17, 0, 0, 10, 91, 1, 2, 10, 91, 2, 2]);
  } else {
    bytes.set([0x60, 0, 0, 0, 0, 0, 17, 63, 0xfd, 0x91, 0, 1]);
    bytes.set([2], 23);
    bytes.set([0xfd, 0x91, 0, 2], 24);
    bytes.set([2], 39);
  }
  const header = version === 4 ? 20 : 40;
  new DataView(bytes.buffer).setUint32(header, (PORT << 16) | PORT);
  return bytes.subarray(0, rewrite(bytes, 0, text));
}
