/**
 * Packets that monitors drop at random: what every reader has at the end is the stream, whoever dropped what and when.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { OverlapPolicy } from "#flow/policy.ts";
import { conversation } from "../support/conversation.ts";

const LENGTH = 400;
const POLICIES: readonly OverlapPolicy[] = ["first", "linux", "solaris"];

/** Sends a stream in random pieces until all has been let through; what a reader by offsets has of it. */
function letThrough(seed: number): void {
  const random = new SeededRandom(seed);
  const overlap = POLICIES[random.below(POLICIES.length)] ?? "first";
  const engine = new FlowEngine({ random, policy: { overlap } });
  const reader = engine.monitor({ view: random.below(4) === 0 ? "acked" : "sent" });
  const guard = engine.monitor();
  if (random.below(2) === 0) guard.on("retransmission", "receiver", () => undefined);
  let isOver = false;
  const stream = Array.from({ length: LENGTH }, () => String.fromCharCode(97 + random.below(26))).join("");
  const read: string[] = new Array(LENGTH).fill("");
  reader.on("newData", "none", (flow) => {
    if (!isOver && random.below(3) === 0) return;
    for (let piece = flow.client.read(); piece !== undefined; piece = flow.client.read()) {
      assert.ok(piece.bytes, `a gap at ${piece.offset}`);
      const { offset, bytes } = piece;
      bytes.forEach((byte, index) => {
        read[offset + index] = String.fromCharCode(byte);
      });
    }
  });
  const drops = (): boolean => !isOver && random.below(4) === 0;
  for (const hook of ["sender", "receiver"] as const) {
    guard.on("packet", hook, (flow) => {
      if (flow.payloadBytes > 0 && drops()) flow.drop();
    });
  }
  guard.on("newData", "none", (flow) => {
    if (drops()) flow.drop();
  });
  const talk = conversation({ clientSequence: 0xffff_ffff - random.below(300) });
  for (const packet of talk.handshake()) engine.handle(packet);
  const arrived = new Uint8Array(LENGTH);
  const send = (at: number, end: number): void => {
    if (engine.handle(talk.client(stream.slice(at, end), { at }))) arrived.fill(1, at, end);
    const first = arrived.indexOf(0);
    engine.handle(talk.ack("server", { acknowledged: first < 0 ? LENGTH : first }));
  };
  for (let count = 0; count < 60; count++) {
    const first = arrived.indexOf(0);
    const at = random.below(3) === 0 ? Math.max(0, first) : random.below(LENGTH - 1);
    send(at, Math.min(LENGTH, at + 1 + random.below(40)));
  }
  isOver = true;
  for (let at = arrived.indexOf(0); at >= 0; at = arrived.indexOf(0)) send(at, Math.min(LENGTH, at + 37));
  for (let count = 0; count < 50; count++) engine.handle(talk.client("~", { at: LENGTH + count }));
  engine.handle(talk.ack("server", { acknowledged: LENGTH + 50 }));
  assert.equal(engine.statistics.errors, 0, `seed ${seed}`);
  assert.equal(read.slice(0, LENGTH).join(""), stream, `seed ${seed}`);
  engine.close();
  assert.equal(engine.statistics.heldBytes, 0, `seed ${seed}`);
}

describe("packets dropped at random", () => {
  it("drop() at any hook leaves every reader with the stream that its receiver has", (context) => {
    const start = Date.now() % 1_000_000_000;
    context.diagnostic(`seeds from ${start}`);
    for (let seed = start; seed < start + 200; seed++) letThrough(seed);
  });
});
