/**
 * What every PacketQueue promises, run on the kernel's queue with UDP packets over the loopback of a
 * namespace, and on the simulated one.
 * @module
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import {
  PACKET_BATCH_COUNT_MAX,
  type PacketBatch,
  PacketChange,
  type PacketQueue,
  type PacketQueueOptions,
  PacketVerdict,
} from "#io/packet-queue.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { SimPacketQueue } from "#sim/packet-queue.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";
import { rewrite, rule, textOf } from "../lab/packet-queue-lab.ts";
import { UdpHost } from "../lab/packet-queue-net.ts";

const QUEUE = 5;
const PORT = 4000;
const HOST = "127.0.0.1";

interface World {
  open(options?: Partial<PacketQueueOptions> & { heldCountMax?: number }): PacketQueue;
  /** Sends packets through the queue that was opened last. */
  push(...texts: string[]): void;
  /** The texts that have passed since it was asked last. */
  passed(): string[];
  start(): Promise<void>;
  tidy(): void;
  stop(): Promise<void>;
}

function linuxWorld(): World {
  let rules: LinuxQueueRules | undefined;
  let host: UdpHost | undefined;
  const queues: PacketQueue[] = [];
  return {
    start: async () => {
      enterOwnNamespace();
      host = new UdpHost(HOST, PORT);
      rules = new LinuxQueueRules();
      await rules.load(rule({ hook: "input", queueNumber: QUEUE }));
    },
    open: (options = {}) => {
      const queue = new LinuxPacketQueue({ queueNumber: QUEUE, ...options });
      queues.push(queue);
      return queue;
    },
    push: (...texts) => {
      for (const text of texts) host?.send(HOST, PORT, text);
    },
    passed: () => host?.received() ?? [],
    tidy: () => {
      for (const queue of queues.splice(0)) queue.close();
      host?.received();
    },
    stop: async () => {
      await rules?.removeAll();
      rules?.close();
    },
  };
}

function simWorld(): World {
  let queue: SimPacketQueue | undefined;
  let seenCount = 0;
  return {
    start: async () => undefined,
    open: (options = {}) => {
      seenCount = 0;
      queue = new SimPacketQueue({ queueNumber: QUEUE, ...options });
      return queue;
    },
    push: (...texts) => {
      queue?.push(...texts.map((text) => ({ bytes: udpPacket(text) })));
    },
    passed: () => {
      const fresh = queue?.passed.slice(seenCount) ?? [];
      seenCount += fresh.length;
      return fresh.map(({ bytes }: { bytes: Uint8Array }) => Buffer.from(bytes.subarray(28)).toString());
    },
    tidy: () => queue?.close(),
    stop: async () => undefined,
  };
}

function udpPacket(text: string): Uint8Array {
  const bytes = new Uint8Array(2000);
  bytes.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
  new DataView(bytes.buffer).setUint32(20, (PORT << 16) | PORT);
  return bytes.slice(0, rewrite(bytes, 0, text));
}

/** Shows packet after packet to `look`; what it leaves alone is accepted. */
function each(look: (batch: PacketBatch, row: number) => void): (batch: PacketBatch) => void {
  return (batch) => {
    for (let row = 0; row < batch.count; row++) {
      batch.verdict[row] = PacketVerdict.accept;
      look(batch, row);
    }
  };
}

async function eventually<T>(read: () => T, isWanted: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 2000;
  let value = read();
  while (!isWanted(value) && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    value = read();
  }
  return value;
}

for (const [name, makeWorld, skip] of [
  ["LinuxPacketQueue", linuxWorld, rootProblem()],
  ["SimPacketQueue", simWorld, false],
] as const) {
  describe(name, { skip }, () => {
    const world = makeWorld();
    before(() => world.start());
    afterEach(() => world.tidy());
    after(() => world.stop());

    /** What passes until `count` have, in order. */
    const passes = async (count: number): Promise<string[]> => {
      const texts: string[] = [];
      await eventually(
        () => texts.push(...world.passed()),
        () => texts.length >= count,
      );
      return texts;
    };

    it("start() hands over packets in order, with ascending ids and room around them", async () => {
      const queue = world.open();
      const ids: number[] = [];
      const texts: string[] = [];
      queue.start((batch) => {
        assert.ok(batch.count > 0 && batch.count <= PACKET_BATCH_COUNT_MAX);
        assert.equal(batch.view.buffer, batch.bytes.buffer);
        for (let row = 0; row < batch.count; row++) {
          const [offset = 0, lengthBytes = 0] = [batch.offset[row], batch.lengthBytes[row]];
          assert.equal(batch.fullLengthBytes[row], lengthBytes);
          assert.equal(batch.newOffset[row], offset);
          assert.equal(batch.newLengthBytes[row], 0);
          assert.equal(batch.changes[row], 0);
          assert.equal(batch.verdict[row], PacketVerdict.drop);
          assert.ok((batch.limit[row] ?? 0) >= offset + lengthBytes + 500);
          ids.push(batch.id[row] ?? 0);
          texts.push(textOf(batch, row));
          batch.verdict[row] = PacketVerdict.accept;
        }
      });
      const sent = Array.from({ length: 100 }, (_, index) => `p${index}`);
      world.push(...sent);
      assert.deepEqual(await passes(100), sent);
      assert.deepEqual(texts, sent);
      assert.deepEqual(
        ids,
        Array.from({ length: 100 }, (_, index) => (ids[0] ?? 0) + index),
      );
      const { receivedCount, waitingCount } = queue.statistics();
      assert.deepEqual({ receivedCount, waitingCount }, { receivedCount: 100, waitingCount: 0 });
    });

    it("the verdict of a row is its packet's, and changed bytes leave", async () => {
      const queue = world.open();
      queue.start(
        each((batch, row) => {
          const text = textOf(batch, row);
          if (text === "drop") batch.verdict[row] = PacketVerdict.drop;
          if (text === "longer") {
            batch.newLengthBytes[row] = rewrite(batch.bytes, batch.offset[row] ?? 0, "longer than before");
          }
          if (text === "a shorter one") {
            batch.newLengthBytes[row] = rewrite(batch.bytes, batch.offset[row] ?? 0, "short");
          }
        }),
      );
      world.push("a", "drop", "longer", "drop", "a shorter one", "b");
      assert.deepEqual(await passes(4), ["a", "longer than before", "short", "b"]);
    });

    it("what the consumer leaves alone is dropped, or accepted by a queue that fails open", async () => {
      world.open().start(() => undefined);
      world.push("a", "b");
      assert.deepEqual(await passes(0), []);
      world.tidy();
      world.open({ failOpen: true }).start(() => undefined);
      world.push("c", "d");
      assert.deepEqual(await passes(2), ["c", "d"]);
    });

    it("a packet that repeats comes again with its new mark", async () => {
      const marks: unknown[] = [];
      world.open().start(
        each((batch, row) => {
          marks.push(batch.mark[row]);
          if (batch.mark[row] === 9) return;
          batch.verdict[row] = PacketVerdict.repeat;
          batch.changes[row] = PacketChange.mark;
          batch.newMark[row] = 9;
        }),
      );
      world.push("again");
      assert.deepEqual(await passes(1), ["again"]);
      assert.deepEqual(marks, [0, 9]);
    });

    it("hold and decide(): verdicts come later and in any order, each once", async () => {
      const queue = world.open();
      const ids: number[] = [];
      queue.start(
        each((batch, row) => {
          if (!textOf(batch, row).startsWith("hold")) return;
          batch.verdict[row] = PacketVerdict.hold;
          ids.push(batch.id[row] ?? 0);
        }),
      );
      world.push("hold 0", "a", "b", "hold 1", "c", "hold 2");
      assert.deepEqual(await passes(3), ["a", "b", "c"]);
      const { heldCount, waitingCount } = await eventually(
        () => queue.statistics(),
        (statistics) => statistics.heldCount === 3,
      );
      assert.deepEqual({ heldCount, waitingCount }, { heldCount: 3, waitingCount: 3 });
      const [first = 0, second = 0, third = 0] = ids;
      assert.equal(queue.decide(third, { verdict: PacketVerdict.accept }), true);
      assert.equal(queue.decide(third, { verdict: PacketVerdict.accept }), false);
      assert.equal(queue.decide(first, { verdict: PacketVerdict.drop }), true);
      assert.equal(queue.decide(third + 1000, { verdict: PacketVerdict.accept }), false);
      const bytes = udpPacket("made anew");
      assert.equal(queue.decide(second, { verdict: PacketVerdict.accept, bytes }), true);
      queue.flush();
      assert.deepEqual(await passes(2), ["hold 2", "made anew"]);
      for (const wrong of [PacketVerdict.hold, 2, 5, -1]) {
        assert.throws(() => queue.decide(1, { verdict: wrong }), RangeError);
      }
      assert.throws(() => queue.decide(1, { verdict: 1, bytes: new Uint8Array() }), RangeError);
      assert.equal(queue.statistics().heldCount, 0);
    });

    it("one more than may be held gets the default verdict", async () => {
      const queue = world.open({ heldCountMax: 2, failOpen: true });
      queue.start((batch) => batch.verdict.fill(PacketVerdict.hold));
      world.push("a", "b", "c", "d");
      assert.deepEqual(await passes(2), ["c", "d"]);
      const { heldCount, excessCount } = queue.statistics();
      assert.deepEqual({ heldCount, excessCount }, { heldCount: 2, excessCount: 2 });
    });

    it("a change that does not fit, or of a packet that is not all here, gets the default verdict", async () => {
      const queue = world.open({ copyRangeBytes: 40, failOpen: true });
      const lengths: unknown[] = [];
      queue.start(
        each((batch, row) => {
          lengths.push([batch.lengthBytes[row], batch.fullLengthBytes[row]]);
          const room = (batch.limit[row] ?? 0) - (batch.offset[row] ?? 0);
          batch.newLengthBytes[row] = lengths.length === 1 ? 40 : room + 1;
        }),
      );
      world.push("longer than twelve");
      assert.deepEqual(await passes(1), ["longer than twelve"]);
      world.push("short");
      assert.deepEqual(await passes(1), ["short"]);
      assert.deepEqual(lengths, [
        [40, 46],
        [33, 33],
      ]);
      assert.equal(queue.statistics().excessCount, 2);
    });

    for (const failOpen of [true, false]) {
      it(`pause(): the queue fills, and what does not fit ${failOpen ? "goes on" : "is lost"}`, async () => {
        const queue = world.open({ queueLengthMax: 2, failOpen });
        queue.start(each(() => undefined));
        queue.pause();
        world.push("a", "b", "c", "d");
        assert.deepEqual(await passes(failOpen ? 2 : 0), failOpen ? ["c", "d"] : []);
        const { waitingCount, queueDroppedCount } = queue.statistics();
        assert.deepEqual([waitingCount, queueDroppedCount], [2, failOpen ? 0 : 2]);
        queue.resume();
        assert.deepEqual(await passes(2), ["a", "b"]);
      });
    }

    it("close() gives what waits its verdict; harmless twice, and nothing is decided afterwards", async () => {
      const queue = world.open();
      let held = 0;
      queue.start((batch) => {
        held = batch.id[0] ?? 0;
        batch.verdict.fill(PacketVerdict.hold);
      });
      world.push("a", "b");
      await eventually(
        () => queue.statistics().heldCount,
        (count) => count === 2,
      );
      queue.close(PacketVerdict.accept);
      queue.close();
      assert.deepEqual(await passes(2), ["a", "b"]);
      assert.equal(queue.decide(held, { verdict: PacketVerdict.accept }), false);
    });

    it("refuses options that are none", () => {
      assert.throws(() => world.open({ queueNumber: 65_536 }), ConfigurationError);
      assert.throws(() => world.open({ queueNumber: 1.5 }), ConfigurationError);
      assert.throws(() => world.open({ copyRangeBytes: 0 }), LimitExceededError);
      assert.throws(() => world.open({ copyRangeBytes: 65_532 }), LimitExceededError);
      assert.throws(() => world.open({ queueLengthMax: 0 }), LimitExceededError);
    });
  });
}
