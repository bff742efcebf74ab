/**
 * What becomes of packets when the reader of their queue is slow, stands still, dies or is another thread.
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { ip } from "#base/ip-address.ts";
import { PacketChange, PacketVerdict, QueueTakenError, QueueUnsupportedError } from "#io/packet-queue.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { ConntrackTable } from "#linux/packet-queue-conntrack.ts";
import { openQueueDescriptor, releaseAll } from "#linux/packet-queue-descriptor.ts";
import { ConntrackStatus, decodeConntrack, invertTuple, readConntrackMark } from "#wire/conntrack.ts";
import { lackOf, presenceOf } from "../support/kernel-option.ts";
import { rootProblem } from "./own-namespace.ts";
import { countPackets, labForTests, QUEUE, rewrite, rule, textOf, until } from "./packet-queue-lab.ts";
import { run } from "./packet-queue-net.ts";

const READER = join(import.meta.dirname, "packet-queue-reader.ts");

describe("the packet queue and its reader", { skip: rootProblem() }, () => {
  const lab = labForTests();
  const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${index}`);

  it("a paused queue that fails open lets what does not fit go on, unseen", async () => {
    await lab().rules.load(rule());
    const seen: string[] = [];
    const queue = lab().open((batch, row) => seen.push(textOf(batch, row)), {
      queueLengthMax: 8,
      failOpen: true,
    });
    queue.pause();
    lab().send(4, ...texts(50));
    assert.deepEqual(await lab().server[4].receive(42), texts(50).slice(8));
    assert.equal(queue.statistics().waitingCount, 8);
    queue.resume();
    assert.deepEqual(await lab().server[4].receive(8), texts(8));
    assert.deepEqual(seen, texts(8));
    assert.equal(queue.statistics().queueDroppedCount, 0);
  });

  it("a paused queue that does not fail open drops what does not fit, and counts it", async () => {
    await lab().rules.load(rule({ bypass: true }));
    const queue = lab().open(() => undefined, { queueLengthMax: 8 });
    queue.pause();
    lab().send(4, ...texts(50));
    assert.ok(await until(() => queue.statistics().queueDroppedCount === 42));
    queue.resume();
    assert.deepEqual(await lab().server[4].receive(8), texts(8));
    assert.equal(queue.statistics().waitingCount, 0);
  });

  it("packets that are held get their verdicts out of order, while others pass", async () => {
    await lab().rules.load(rule());
    const held = new Map<string, number>();
    const queue = lab().open((batch, row) => {
      const text = textOf(batch, row);
      if (!text.startsWith("hold")) return;
      batch.verdict[row] = PacketVerdict.hold;
      held.set(text, batch.id[row] ?? 0);
    });
    queue.pause();
    lab().send(4, "hold a", "pass 1", "pass 2", "hold b", "pass 3", "pass 4", "hold c", "hold d");
    await until(() => queue.statistics().waitingCount === 8);
    queue.resume();
    assert.deepEqual(await lab().server[4].receive(4), ["pass 1", "pass 2", "pass 3", "pass 4"]);
    const { heldCount, waitingCount } = queue.statistics();
    assert.deepEqual({ heldCount, waitingCount }, { heldCount: 4, waitingCount: 4 });
    const marked = countPackets("postrouting", "meta mark 0x5");
    const decide = (text: string, decision: Parameters<typeof queue.decide>[1]): boolean =>
      queue.decide(held.get(text) ?? 0, decision);
    assert.ok(decide("hold c", { verdict: PacketVerdict.accept, mark: 5 }));
    assert.ok(decide("hold b", { verdict: PacketVerdict.drop }));
    assert.equal(decide("hold b", { verdict: PacketVerdict.accept }), false);
    const bytes = new Uint8Array(200);
    bytes.set([0x45, 0, 0, 0, 0, 1, 0, 0, 63, 17, 0, 0, 10, 91, 1, 2, 10, 91, 2, 2, 15, 160, 15, 160]);
    const lengthBytes = rewrite(bytes, 0, "a made anew");
    assert.ok(
      decide("hold a", { verdict: PacketVerdict.accept, mark: 5, bytes: bytes.subarray(0, lengthBytes) }),
    );
    assert.deepEqual(await lab().server[4].receive(2), ["hold c", "a made anew"]);
    assert.equal(marked(), 2);
    assert.equal(queue.statistics().heldCount, 1);
    queue.close(PacketVerdict.accept);
    assert.deepEqual(await lab().server[4].receive(1), ["hold d"]);
  });

  it("more held packets than may be get the default verdict and are counted", async () => {
    await lab().rules.load(rule());
    const queue = lab().open(
      (batch, row) => {
        batch.verdict[row] = PacketVerdict.hold;
      },
      { heldCountMax: 2, failOpen: true },
    );
    lab().send(4, ...texts(5));
    assert.deepEqual(await lab().server[4].receive(3), ["p2", "p3", "p4"]);
    assert.equal(queue.statistics().excessCount, 3);
    assert.equal(queue.statistics().heldCount, 2);
  });

  for (const bypass of [true, false]) {
    it(`a killed reader ${bypass ? "lets packets pass" : "stops packets"}, as the rule says`, async () => {
      await lab().rules.load(rule({ bypass }));
      const reader = spawn(process.execPath, [READER], { stdio: ["ignore", "pipe", "inherit"] });
      await once(reader.stdout, "data");
      lab().send(4, "alive");
      assert.deepEqual(await lab().server[4].receive(1), ["alive"]);
      reader.kill("SIGKILL");
      await once(reader, "exit");
      // The kernel notices when the process is gone; a second is what the rule promises.
      const end = Date.now() + 1000;
      let received: string[] = [];
      do {
        lab().send(4, "dead");
        received = await lab().server[4].receive(1);
      } while (bypass && received.length === 0 && Date.now() < end);
      assert.deepEqual(received, bypass ? ["dead"] : []);
    });
  }

  it("a worker reads a queue that this thread opened, and this thread answers for it when it dies", async () => {
    await lab().rules.load(rule());
    const descriptor = openQueueDescriptor({ queueNumber: QUEUE });
    try {
      const worker = new Worker(READER, { workerData: { descriptor } });
      await once(worker, "message");
      lab().send(4, "one", "hold", "two");
      assert.deepEqual(await lab().server[4].receive(2), ["one", "two"]);
      await worker.terminate();
      lab().send(4, "three");
      assert.deepEqual(await lab().server[4].receive(0), []);
      releaseAll(descriptor, QUEUE, PacketVerdict.accept);
      assert.deepEqual(await lab().server[4].receive(2), ["hold", "three"]);
      // Another reader goes on where the first one was.
      const next = new Worker(READER, { workerData: { descriptor } });
      await once(next, "message");
      lab().send(4, "four");
      assert.deepEqual(await lab().server[4].receive(1), ["four"]);
      await next.terminate();
    } finally {
      native().close(descriptor);
    }
  });

  it("a queue has one reader", () => {
    const first = new LinuxPacketQueue({ queueNumber: 77 });
    try {
      assert.throws(() => new LinuxPacketQueue({ queueNumber: 77 }), QueueTakenError);
    } finally {
      first.close();
    }
    new LinuxPacketQueue({ queueNumber: 77 }).close();
  });

  it("a consumer that throws has its packets decided all the same", async () => {
    await lab().rules.load(rule());
    const uncaught: string[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error.message));
    try {
      lab().open(
        () => {
          throw new Error("broken consumer");
        },
        { failOpen: true },
      );
      lab().send(4, "a", "b");
      assert.deepEqual(await lab().server[4].receive(2), ["a", "b"]);
      assert.ok(uncaught.length > 0 && uncaught.every((message) => message === "broken consumer"));
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });

  it("says what the kernel lacks where its queue brings no connections along", {
    skip: presenceOf("CONFIG_NETFILTER_NETLINK_GLUE_CT"),
  }, () => {
    assert.throws(
      () => lab().open(() => undefined, { conntrack: true }),
      (error: unknown) =>
        error instanceof QueueUnsupportedError && /CONFIG_NETFILTER_NETLINK_GLUE_CT/.test(error.message),
    );
  });

  it("reads and writes the connection's mark", {
    skip: lackOf("CONFIG_NETFILTER_NETLINK_GLUE_CT"),
  }, async (context) => {
    run("nft add table inet tracked");
    context.after(() => run("nft delete table inet tracked"));
    run("nft add chain inet tracked c { type filter hook forward priority -190 ; }");
    run("nft add rule inet tracked c ct state new ct mark set 0x11");
    await lab().rules.load(rule());
    const seen: unknown[] = [];
    lab().open(
      (batch, row) => {
        const [at = 0, lengthBytes = 0] = [batch.conntrackOffset[row], batch.conntrackLengthBytes[row]];
        const connection = decodeConntrack(batch.bytes.subarray(at, at + lengthBytes));
        seen.push([batch.conntrackState[row], readConntrackMark(batch.view, at, lengthBytes)]);
        assert.equal(connection?.original.targetPort, 4000);
        batch.changes[row] = PacketChange.conntrackMark;
        batch.newConntrackMark[row] = 0x22;
      },
      { conntrack: true },
    );
    lab().send(4, "first");
    assert.deepEqual(await lab().server[4].receive(1), ["first"]);
    lab().send(4, "second");
    assert.deepEqual(await lab().server[4].receive(1), ["second"]);
    assert.deepEqual(seen, [
      [2, 0x11],
      [0, 0x22],
    ]);
  });

  it("finds the connection of a packet in the kernel's table, from both sides of a translation", async () => {
    run("nft add table inet translated");
    run("nft add chain inet translated n { type nat hook postrouting priority 100 ; }");
    run("nft add rule inet translated n oifname wan0 masquerade");
    const table = new ConntrackTable();
    try {
      const [source, target] = [ip("10.91.1.2"), ip("10.91.2.2")];
      const packet = { source, target, protocol: 17, sourcePort: 4000, targetPort: 4000 };
      assert.equal(table.find(packet), undefined);
      assert.equal(table.setMark(packet, 1), false);
      lab().send(4, "first");
      assert.deepEqual(await lab().server[4].receive(1), ["first"]);
      const connection = table.find(packet);
      assert.ok(connection);
      assert.equal(connection.mark, 0);
      assert.equal(connection.status & ConntrackStatus.sourceNat, ConntrackStatus.sourceNat);
      assert.equal(table.setMark(invertTuple(packet), 0x33), true);
      assert.equal(table.find(invertTuple(packet))?.mark, 0x33);
      assert.equal(table.find(connection.reply)?.id, connection.id);
    } finally {
      table.close();
      run("nft delete table inet translated");
    }
  });
});
