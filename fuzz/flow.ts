/**
 * A few ends that say anything: segments with any numbers and flags, datagrams, fragments, under tight limits, with
 * monitors that read at once, late, only what was acknowledged, and that meddle.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds } from "#base/time.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { EventHooks, EventName } from "#flow/event/events.ts";
import type { FlowLimits, FlowPolicy } from "#flow/policy.ts";
import { LinkType } from "#packet/link-type.ts";
import { Packet } from "#packet/packet.ts";
import { type Act, act, packetsOf } from "./flow-packets.ts";
import { watch } from "./flow-watcher.ts";
import { main, type Target } from "./target.ts";

interface Life {
  readonly first: number;
  readonly policy: Partial<FlowPolicy>;
  readonly limits: Partial<FlowLimits>;
  /** Whether a monitor drops packets, and does other things at any time. */
  readonly isMeddled: boolean;
  readonly acts: readonly Act[];
}

const life = fc.record<Life>({
  first: fc.constantFrom(1000, 2 ** 31 - 20, 2 ** 32 - 20),
  policy: fc.record({
    overlap: fc.constantFrom("first", "last", "bsd", "linux", "old-linux", "windows", "solaris"),
    midstream: fc.constantFrom("off", "on", "guess"),
    reset: fc.constantFrom("exact", "window"),
    urgent: fc.constantFrom("inline", "out-of-band", "gap", "drop"),
    conflict: fc.constantFrom("report", "rewrite", "drop"),
    window: fc.constantFrom("advertised", "ignore"),
    checksums: fc.constantFrom("verify", "trust", "auto"),
    missingTimestamps: fc.constantFrom("accept", "refuse"),
    unseen: fc.constantFrom("infer", "refuse"),
    tail: fc.constantFrom("discard", "deliver"),
    duplicates: fc.constantFrom(milliseconds(0), milliseconds(5)),
    oneSidedBytes: fc.constantFrom(16, 16_384),
    paws: fc.boolean(),
  }),
  limits: fc.record({
    flowCountMax: fc.integer({ min: 1, max: 3 }),
    full: fc.constantFrom("evict", "refuse"),
    overrun: fc.constantFrom("oldest", "newest", "stop"),
    streamBytesMax: fc.constantFrom(2048, 4096, 1 << 20),
    totalBytesMax: fc.constantFrom(4096, 1 << 20),
    segmentCountMax: fc.integer({ min: 1, max: 6 }),
    compareBytes: fc.constantFrom(0, 16, 4096),
    fragmentCountMax: fc.integer({ min: 1, max: 4 }),
    timerCountMax: fc.constantFrom(2, 100),
  }),
  isMeddled: fc.boolean(),
  acts: fc.array(act, { maxLength: 40 }),
});

const MEDDLED: { readonly [E in EventName]?: readonly EventHooks[E][] } = {
  packet: ["sender", "receiver", "none"],
  connectionStart: ["sender"],
  stateChange: ["sender", "receiver"],
  newData: ["none"],
  retransmission: ["receiver"],
  gap: ["none"],
  outOfWindow: ["receiver"],
  bufferOverrun: ["none"],
  connectionEnd: ["none"],
};

/** Does in every event, by its number, one of the things that can be done. */
function meddle(engine: FlowEngine): void {
  const monitor = engine.monitor<number>({ name: "meddler", unreadBytesMax: 3000 });
  let count = 0;
  for (const [name, hooks] of Object.entries(MEDDLED)) {
    for (const hook of hooks) {
      monitor.on(name as "gap", hook as "none", (flow, event) => {
        count = (count * 1_103_515_245 + 12_345) % 2 ** 31;
        const choice = (count >>> 16) % 24;
        if (flow === undefined) return choice === 1 ? monitor.drop() : undefined;
        if (choice === 0) flow.context = count;
        if (choice === 1) flow.drop();
        if (choice === 2) flow.stop(event.sender);
        if (choice === 3) flow.setTimer(milliseconds(count % 100), () => flow.client.read());
        if (choice === 4) flow.on("newData", "none", ({ server }) => void server.read(3));
        if (choice === 5) flow.end(event.sender).read();
        if (choice === 6) flow.end(event.sender).at(count % 50, 20);
        if (choice === 7) flow.on("packet", "sender", () => {}).off();
        if (choice === 8) flow.client.fragments();
        return undefined;
      });
    }
  }
}

/** Lives it, with frames or with packets as queues give them, and says what was told. */
function live({ first, policy, limits, isMeddled, acts }: Life, isQueue: boolean): readonly string[] {
  const errors: unknown[] = [];
  const told: string[] = [];
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    policy,
    limits,
    onError: (monitor, error) => {
      // There are few timers.
      if (monitor !== "meddler" || !/wait already/.test(String(error))) errors.push(error);
    },
  });
  const isHonest =
    acts.every(({ lie, kind, flags }) => lie === 0 && kind === "tcp" && (flags & 32) === 0) &&
    policy.checksums !== "trust";
  const common = { told, isHonest, isWhole: !isMeddled, leavesOut: policy.urgent === "out-of-band" };
  watch(engine, { ...common, everyth: 1 }, {});
  watch(engine, { ...common, everyth: 3 }, { unreadBytesMax: 50 });
  watch(engine, { ...common, everyth: 2 }, { view: "acked" });
  if (isMeddled) meddle(engine);
  let time = 1_000_000;
  let id = 0;
  for (const each of acts) {
    time += each.milliseconds;
    id++;
    for (const bytes of packetsOf(each, first, id)) {
      hand(engine, bytes, Math.max(0, bytes.length - each.cutBytes), time, isQueue);
      const { flows, heldBytes } = engine.statistics;
      assert.ok(flows <= (limits.flowCountMax ?? 0));
      assert.ok(heldBytes <= (limits.totalBytesMax ?? 0));
    }
  }
  engine.close();
  assert.equal(engine.statistics.heldBytes, 0, "memory comes back");
  assert.equal(engine.statistics.flows, 0);
  if (errors.length > 0) throw errors[0];
  told.push(JSON.stringify(engine.statistics));
  return told;
}

function hand(
  engine: FlowEngine,
  bytes: Uint8Array,
  capturedBytes: number,
  time: number,
  isQueue: boolean,
): void {
  if (isQueue) {
    const packet = new Packet().aim(new DataView(bytes.buffer), 0, capturedBytes, 0x0800);
    packet.fullLengthBytes = bytes.length;
    packet.time = time;
    engine.handlePacket(packet);
    return;
  }
  engine.handle({
    seconds: 0,
    nanoseconds: time * 1e6,
    bytes,
    offset: 0,
    capturedBytes,
    originalBytes: bytes.length,
    linkType: LinkType.raw,
  });
}

export const flow: Target<Life> = {
  name: "flow",
  invariant:
    "whatever the ends say, nothing throws, streams only go forward, memory comes back, twice the same",
  corpus: [],
  inputs: life,
  testRounds: 500,
  check(input) {
    assert.deepEqual(live(input, true), live(input, false));
  },
};

if (import.meta.main) await main(flow);
