import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "#io/stream.ts";
import { OverflowError } from "#mailbox/errors.ts";
import { type FrameParts, FrameSplitter, KIND, readFrameContent, readFrameHead } from "#wire/link.ts";
import { QUEUE_BYTES_MAX, UNREAD_BYTES_MAX } from "./limits.ts";
import { Outbox } from "./outbox.ts";

interface Fixture {
  readonly outbox: Outbox;
  readonly writes: Uint8Array[];
  readonly unread: () => number;
  /** The values of `n` that have been written. */
  sent(): unknown[];
  stream: { pendingBytes: number };
}

function fixture(credit = 1000, frameBytesMax = 1_048_576): Fixture {
  const writes: Uint8Array[] = [];
  let unread = 0;
  const stream = {
    pendingBytes: 0,
    write: (bytes: Uint8Array) => {
      writes.push(bytes.slice()); // it has been taken, and its memory is used again
      return true;
    },
  };
  const outbox = new Outbox(stream as unknown as Stream, "peer", () => unread++);
  outbox.open("peer", frameBytesMax, credit);
  const sent = (): unknown[] => {
    outbox.flush();
    const values: unknown[] = [];
    const splitter = new FrameSplitter();
    for (const chunk of writes) {
      splitter.push(chunk, (bytes, start, end) => {
        values.push(readFrameContent(bytes, start, end, readFrameHead(bytes, start)).body[1]);
      });
    }
    return values;
  };
  return { outbox, writes, unread: () => unread, sent, stream };
}

const frame = (n: number, bytes = 0): FrameParts => ({
  kind: KIND.send,
  flags: 0,
  mailbox: 1,
  seq: n,
  ref: 0,
  body: bytes > 0 ? ["n", n, "blob", new Uint8Array(bytes)] : ["n", n],
});

describe("Outbox", () => {
  test("gathers what is written in one turn into one write", async () => {
    const { outbox, writes } = fixture();
    for (let n = 0; n < 10; n++) outbox.sendCharged(frame(n));
    assert.equal(writes.length, 0);
    await undefined;
    await undefined;
    assert.equal(writes.length, 1);
    outbox.send(frame(10));
    await undefined;
    await undefined;
    assert.equal(writes.length, 2);
  });

  test("writes at 64 KiB without waiting for the end of the turn, and keeps what it gave away as it was", () => {
    const { outbox, writes, sent } = fixture(10_000_000);
    for (let n = 0; n < 200; n++) outbox.sendCharged(frame(n, 1000));
    assert.equal(writes.length, 3);
    assert.deepEqual(
      sent(),
      Array.from({ length: 200 }, (_, n) => n),
    );
  });

  test("lets charged frames go while there is credit, and queues the rest in order", () => {
    const { outbox, sent } = fixture(150);
    for (let n = 0; n < 10; n++) outbox.sendCharged(frame(n, 50));
    outbox.send(frame(100));
    assert.deepEqual(sent(), [0, 1, 100]);
    assert.ok(outbox.credit <= 0);
    outbox.grant(-outbox.credit + 1);
    assert.deepEqual(sent(), [0, 1, 100, 2]);
    outbox.grant(10_000);
    assert.deepEqual(sent(), [0, 1, 100, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(outbox.queueBytes, 0);
  });

  test("lets one frame go that is longer than the credit", () => {
    const { outbox, sent } = fixture(10);
    outbox.sendCharged(frame(1, 5000));
    assert.deepEqual(sent(), [1]);
    assert.ok(outbox.credit < -4000);
  });

  test("refuses with OverflowError when a mebibyte waits", () => {
    const { outbox } = fixture(1);
    outbox.sendCharged(frame(0));
    let queued = 0;
    assert.throws(() => {
      for (;;) {
        outbox.sendCharged(frame(1, 10_000));
        queued += 10_000;
      }
    }, OverflowError);
    assert.ok(queued > QUEUE_BYTES_MAX - 30_000 && outbox.queueBytes <= QUEUE_BYTES_MAX);
    assert.equal(outbox.counters.overflows, 1);
  });

  test("leaves copies out rather than queue them, and counts them", () => {
    const { outbox, sent } = fixture(50);
    assert.equal(outbox.sendOrDrop(frame(0, 50)), true);
    assert.equal(outbox.sendOrDrop(frame(1)), false);
    outbox.grant(1000);
    assert.equal(outbox.sendOrDrop(frame(2)), true);
    assert.deepEqual(sent(), [0, 2]);
    assert.equal(outbox.counters.dropped, 1);
  });

  test("refuses a frame longer than the peer takes, and sends nothing of it", () => {
    const { outbox, sent } = fixture(1_000_000, 4096);
    assert.throws(() => outbox.send(frame(1, 5000)), /a message of 50\d\d bytes, and it takes at most 4096/);
    outbox.send(frame(2));
    assert.deepEqual(sent(), [2]);
  });

  test("tells when the peer leaves its answers unread", () => {
    const { outbox, unread, stream } = fixture();
    outbox.send(frame(1));
    outbox.flush();
    assert.equal(unread(), 0);
    stream.pendingBytes = UNREAD_BYTES_MAX + 1;
    outbox.send(frame(2));
    outbox.flush();
    assert.equal(unread(), 1);
    // Giving a link up writes why, and that must not give it up again.
    outbox.send(frame(3));
    outbox.flush();
    assert.equal(unread(), 1);
  });
});
