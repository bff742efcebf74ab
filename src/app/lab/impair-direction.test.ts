import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Instant, instant, milliseconds } from "#base/time.ts";
import { type HeldDecision, type PacketBatch, PacketVerdict } from "#io/packet-queue.ts";
import { Impairment } from "#script/impairment.ts";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { type DirectionOptions, ImpairedDirection, turnBit } from "./impair-direction.ts";

const PACKET_BYTES = 60;

/** A queue and a clock that the test moves by hand. */
class Bench {
  now = 0;
  ringAt: number | undefined;
  readonly decided: [id: number, decision: HeldDecision, at: number][] = [];
  readonly sent: [bytes: Uint8Array, at: number][] = [];
  readonly direction: ImpairedDirection;
  #ring = (): void => undefined;
  #onBatch = (_batch: PacketBatch): void => undefined;
  #id = 0;

  constructor(impairment: Omit<ImpairmentOptions, "seed">, more: Partial<DirectionOptions> = {}) {
    this.direction = new ImpairedDirection({
      model: new Impairment({ seed: 3, ...impairment }),
      queue: {
        start: (onBatch) => {
          this.#onBatch = onBatch;
        },
        decide: (id, decision) => this.decided.push([id, decision, this.now]) > 0,
        flush: () => undefined,
      },
      makeAlarm: (onRing) => {
        this.#ring = onRing;
        return {
          now: () => instant(this.now),
          ringAt: (at: Instant | undefined) => {
            this.ringAt = at;
          },
          close: () => undefined,
        };
      },
      countMax: 10,
      headerBytes: 14,
      copy: (_batch, _row, bytes) => () => this.sent.push([bytes, this.now]) > 0,
      ...more,
    });
  }

  /** One packet, and its verdict. */
  come(): { readonly verdict: number; readonly columns: QueueColumns } {
    const columns = new QueueColumns(new Uint8Array(256), 1);
    columns.clear(0, 1);
    columns.count = 1;
    columns.id[0] = ++this.#id;
    columns.offset[0] = 64;
    columns.lengthBytes[0] = PACKET_BYTES;
    columns.fullLengthBytes[0] = PACKET_BYTES;
    columns.limit[0] = 256;
    columns.bytes[64] = 0x45;
    this.#onBatch(columns);
    return { verdict: columns.verdict[0] ?? -1, columns };
  }

  /** The time goes on; the alarm rings when it should. */
  move(to: number): void {
    while (this.ringAt !== undefined && this.ringAt <= to) {
      this.now = Math.max(this.now, this.ringAt);
      this.ringAt = undefined;
      this.#ring();
    }
    this.now = to;
  }
}

describe("ImpairedDirection", () => {
  it("holds a packet for its delay and then accepts it as it is", () => {
    const bench = new Bench({ delay: milliseconds(20) });
    assert.equal(bench.come().verdict, PacketVerdict.hold);
    bench.move(19.9);
    assert.deepEqual([bench.decided, bench.direction.waitingCount], [[], 1]);
    bench.move(30);
    assert.deepEqual(bench.decided, [[1, { verdict: PacketVerdict.accept }, 20]]);
    const { leftCount, delaySum, lateSum } = bench.direction.times;
    assert.deepEqual([leftCount, delaySum, lateSum], [1, 20, 0]);
  });

  it("drops what is lost and lets pass at once what has no delay", () => {
    const lost = new Bench({ loss: 1 });
    assert.equal(lost.come().verdict, PacketVerdict.drop);
    assert.deepEqual([lost.direction.counts.lost, lost.direction.waitingCount], [1, 0]);
    assert.equal(new Bench({ loss: 0 }).come().verdict, PacketVerdict.accept);
  });

  it("a packet whose time is over leaves before one that comes", () => {
    const bench = new Bench({ delay: milliseconds(20) });
    bench.come();
    bench.now = 25;
    bench.come();
    assert.deepEqual(bench.decided, [[1, { verdict: PacketVerdict.accept }, 25]]);
    assert.equal(bench.direction.times.lateSum, 5);
  });

  it("sends the second copy of a duplicated packet at its own time, never before the packet", () => {
    const bench = new Bench({
      duplicate: 1,
      delay: milliseconds(20),
      jitter: milliseconds(10),
      jitterReorders: true,
    });
    for (let index = 0; index < 5; index++) bench.come();
    bench.move(100);
    assert.deepEqual([bench.decided.length, bench.sent.length], [5, 5]);
    const copies = bench.sent.map(([, at]) => at).sort((one, other) => one - other);
    const own = bench.decided.map(([, , at]) => at).sort((one, other) => one - other);
    assert.ok(own.every((at, index) => at <= (copies[index] ?? 0)));
    const at = new Bench({ duplicate: 1 });
    assert.equal(at.come().verdict, PacketVerdict.accept);
    assert.equal(at.sent.length, 0);
    at.move(0);
    assert.equal(at.sent.length, 1);
  });

  it("turns one bit of a corrupted packet, held, passed at once or copied, behind its IP header", () => {
    for (const more of [{}, { waitsAsCopy: () => true }]) {
      const bench = new Bench({ corrupt: 1, delay: milliseconds(1) }, more);
      const { columns } = bench.come();
      bench.move(2);
      const bytes = bench.sent[0]?.[0] ?? bench.decided[0]?.[1].bytes;
      const before = columns.bytes.subarray(64, 64 + PACKET_BYTES);
      assert.equal(differingBits(before, bytes ?? new Uint8Array()), 1);
    }
    const { columns, verdict } = new Bench({ corrupt: 1 }).come();
    assert.deepEqual([verdict, columns.newLengthBytes[0]], [PacketVerdict.accept, PACKET_BYTES]);
    const after = columns.bytes.subarray(64, 64 + PACKET_BYTES);
    const before = new Uint8Array(PACKET_BYTES);
    before[0] = 0x45;
    assert.equal(differingBits(before, after), 1);
    assert.deepEqual(after.subarray(0, 20), before.subarray(0, 20));
  });

  it("lets a packet of a socket wait as a copy, and sends it also when it is closed before", () => {
    const bench = new Bench({ delay: milliseconds(20) }, { waitsAsCopy: () => true });
    assert.equal(bench.come().verdict, PacketVerdict.drop);
    bench.move(25);
    assert.deepEqual([bench.sent.length, bench.decided.length, bench.sent[0]?.[1]], [1, 0, 20]);
    bench.come();
    bench.direction.close();
    assert.equal(bench.sent.length, 2);
  });

  it("counts a copy that could not be sent, and packets without room", () => {
    const bench = new Bench(
      { delay: milliseconds(20) },
      { waitsAsCopy: () => true, copy: () => () => false, countMax: 1 },
    );
    bench.come();
    assert.equal(bench.come().verdict, PacketVerdict.drop);
    bench.move(25);
    assert.deepEqual([bench.direction.times.unsentCount, bench.direction.times.excessCount], [1, 1]);
  });

  it("does not touch packets of other links", () => {
    const bench = new Bench({ loss: 1 }, { isOfLink: () => false });
    assert.equal(bench.come().verdict, PacketVerdict.accept);
    assert.equal(bench.direction.counts.packets, 0);
  });
});

describe("turnBit()", () => {
  it("reaches every bit behind the header, and none outside the packet", () => {
    const wireBytes = 38;
    const turned = new Set<number>();
    for (let corruptBit = 0; corruptBit < wireBytes * 8; corruptBit++) {
      const packet = new Uint8Array(24);
      packet[0] = 0x45;
      turnBit(packet, { at: instant(0), corruptBit }, wireBytes);
      packet[0] ^= 0x45;
      const byte = packet.findIndex((value) => value !== 0);
      turned.add(byte * 8 + Math.clz32(packet[byte] ?? 0) - 24);
    }
    assert.deepEqual(
      [...turned].sort((one, other) => one - other),
      Array.from({ length: 32 }, (_, bit) => 160 + bit),
    );
  });

  it("leaves a packet alone that is nothing but a header", () => {
    const packet = new Uint8Array(40).fill(0x60);
    turnBit(packet, { at: instant(0), corruptBit: 5 }, 54);
    assert.deepEqual(packet, new Uint8Array(40).fill(0x60));
  });
});

function differingBits(one: Uint8Array, other: Uint8Array): number {
  assert.equal(one.length, other.length);
  let count = 0;
  for (const [index, byte] of one.entries()) {
    for (let rest = byte ^ (other[index] ?? 0); rest > 0; rest >>= 1) count += rest & 1;
  }
  return count;
}
