/**
 * The floods: each with the limits it meets, and what must be seen of them.
 * @module
 */
import assert from "node:assert/strict";
import { milliseconds } from "#base/time.ts";
import { FLOW_LIMITS, type FlowLimits, type FlowPolicy } from "#flow/policy.ts";
import { LETTER_COUNT_MAX } from "#flow/record/history.ts";
import { recordConnections } from "#flow/record/recorder.ts";
import { Flag } from "./soak-frame.ts";
import type { SoakWorld } from "./soak-world.ts";

export interface Flood {
  readonly name: string;
  readonly limits: FlowLimits;
  readonly policy?: Partial<FlowPolicy>;
  /** Half of them warm the engine up. */
  readonly packetCount: number;
  /** Callbacks of this flood throw: that is the point. */
  readonly isThrowing?: boolean;
  /** Adds monitors besides the witness. */
  prepare?(world: SoakWorld): void;
  /** The flood's packet `index`. */
  send(world: SoakWorld, index: number): void;
  /** What must have been seen once all of `count` packets were sent. */
  check?(world: SoakWorld, count: number): void;
}

/** 10.0.0.0/8 and a server nobody has asked. */
const NET = 0x0a00_0000;
const SERVER = 0xc633_6401;
const FLOWS_MAX = 512;
const HELD_MAX = 512 * 1024;

function limits(some: Partial<FlowLimits>): FlowLimits {
  return { ...FLOW_LIMITS, flowCountMax: FLOWS_MAX, totalBytesMax: HELD_MAX, ...some };
}

/** From one of many clients: `index` says which. */
function ends(index: number): {
  source: number;
  sourcePort: number;
  target: number;
  targetPort: number;
} {
  return {
    source: (NET + (index >>> 4)) >>> 0,
    sourcePort: 1024 + (index & 15),
    target: SERVER,
    targetPort: 80,
  };
}

function randomEnds({ random }: SoakWorld): ReturnType<typeof ends> {
  return {
    source: random.word(),
    sourcePort: random.below(65_536),
    target: random.word(),
    targetPort: random.below(65_536),
  };
}

/** A handshake of client `index`, whose numbers begin at 0 on both sides. */
function shake({ frame, engine }: SoakWorld, index: number, window = 65_535): void {
  const there = ends(index);
  const back = {
    source: there.target,
    sourcePort: there.targetPort,
    target: there.source,
    targetPort: there.sourcePort,
  };
  frame.send(engine, {
    ...there,
    version: 4,
    sequence: 0,
    acknowledgement: 0,
    flags: Flag.syn,
    window: 65_535,
  });
  frame.send(engine, { ...back, sequence: 0, acknowledgement: 1, flags: Flag.syn | Flag.ack, window });
  frame.send(engine, { ...there, sequence: 1, acknowledgement: 1, flags: Flag.ack, window: 65_535 });
}

/** Data of client `index` at `offset` of its stream. */
function data({ frame, engine }: SoakWorld, index: number, offset: number, lengthBytes: number): void {
  frame.send(engine, {
    ...ends(index),
    sequence: (1 + offset) >>> 0,
    acknowledgement: 1,
    flags: Flag.ack,
    lengthBytes,
  });
}

/** Counts what is told of all but the witness. */
function watch(world: SoakWorld): void {
  world.count(world.engine.monitor({ filter: "not host 192.0.2.1" }));
}

/** Reads nothing of what it is told. */
function neverRead(world: SoakWorld): void {
  const monitor = world.engine.monitor({ filter: "not host 192.0.2.1" });
  world.count(monitor);
  monitor.on("newData", "none", () => {});
}

function synFlood(version: 4 | 6): Flood {
  return {
    name: `SYNs from random addresses, IPv${version}, where the flow that times out next goes`,
    limits: limits({ full: "evict" }),
    packetCount: 24_000,
    prepare: watch,
    send: (world) => {
      world.frame.send(world.engine, { version, ...randomEnds(world), flags: Flag.syn });
    },
    check: ({ engine }, count) => {
      assert.equal(engine.statistics.flows, FLOWS_MAX);
      assert.ok(engine.statistics.evicted > count - 2 * FLOWS_MAX);
      assert.equal(engine.statistics.refused, 0);
    },
  };
}

/** Flows whose every second byte never comes, in the windows of 64 KiB that are never acknowledged. */
function holes(name: string, some: Partial<FlowLimits>, told: string): Flood {
  const clients = 8;
  return {
    name: `${name}: every second byte never comes`,
    limits: limits({ segmentCountMax: 64, streamBytesMax: 16_384, ...some }),
    packetCount: 16_000,
    prepare(world) {
      watch(world);
      for (let client = 0; client < clients; client++) shake(world, client);
    },
    send(world, index) {
      // A window's worth of odd bytes, again and again.
      const offset = (Math.floor(index / clients) * 2 + 1) % 60_000;
      data(world, index % clients, offset, 1);
    },
    check: (world) => assert.ok(world.counted(told) > 0, `${told} was told of`),
  };
}

export const FLOODS: readonly Flood[] = [
  synFlood(4),
  synFlood(6),
  {
    name: "SYNs where new flows are refused",
    limits: limits({ full: "refuse" }),
    packetCount: 24_000,
    prepare: watch,
    send: (world) => {
      world.frame.send(world.engine, { version: 4, ...randomEnds(world), flags: Flag.syn });
    },
    check: (world, count) => {
      assert.equal(world.engine.statistics.evicted, 0);
      assert.equal(world.engine.statistics.refused, count - (FLOWS_MAX - 1));
      assert.equal(world.counted("orphan"), world.engine.statistics.refused);
      // The attempts are forgotten once nobody has answered them.
      world.frame.time += 31_000;
      world.frame.send(world.engine, { ...ends(1), flags: Flag.syn });
      assert.equal(world.engine.statistics.refused, count - (FLOWS_MAX - 1));
      world.witness();
      assert.equal(world.engine.statistics.flows, 2);
    },
  },
  {
    name: "segments of connections that nobody has seen begin",
    limits: limits({ full: "evict" }),
    packetCount: 16_000,
    prepare(world) {
      watch(world);
      // Which of two flows times out first is known to the 64 ms of a tick: one fills only a part of the table.
      world.frame.step = 1;
    },
    send: (world, index) => {
      const version = (index & 1) === 0 ? 4 : 6;
      world.frame.send(world.engine, { version, ...randomEnds(world), flags: Flag.ack, lengthBytes: 8 });
    },
    check: ({ engine }, count) => assert.ok(engine.statistics.evicted > count - 2 * FLOWS_MAX),
  },
  holes("overrun oldest", { overrun: "oldest" }, "bufferOverrun segments"),
  holes("overrun newest", { overrun: "newest" }, "bufferOverrun segments"),
  holes("overrun stop", { overrun: "stop" }, "bufferOverrun segments"),
  holes("few bytes", { streamBytesMax: 4096, segmentCountMax: 100_000 }, "bufferOverrun stream-bytes"),
  {
    name: "single bytes in reverse order",
    limits: limits({}),
    packetCount: 12_000,
    prepare(world) {
      watch(world);
      shake(world, 0);
    },
    send(world, index) {
      data(world, 0, 20_000 - (index % 20_000), 1);
    },
  },
  {
    name: "single bytes in random order, with boundaries that the policy needs",
    limits: limits({}),
    policy: { overlap: "solaris" },
    packetCount: 12_000,
    prepare(world) {
      watch(world);
      shake(world, 0);
    },
    send(world) {
      data(world, 0, 1 + world.random.below(60_000), 1);
    },
    check: (world) => assert.ok(world.counted("bufferOverrun segments") > 0),
  },
  {
    name: "data that nobody acknowledges, seen by who wants only what was",
    limits: limits({ streamBytesMax: 32_768 }),
    policy: { window: "ignore" },
    packetCount: 12_000,
    prepare(world) {
      const monitor = world.engine.monitor({ filter: "not host 192.0.2.1", view: "acked" });
      world.count(monitor);
      monitor.on("newData", "none", () => assert.fail("nothing was acknowledged"));
      for (let client = 0; client < 32; client++) shake(world, client);
    },
    send: (world, index) => data(world, index & 31, (index >>> 5) * 1000, 1000),
    check: (world) => assert.ok(world.counted("bufferOverrun stream-bytes") > 0),
  },
  {
    name: "flows of which one side is seen, with holes",
    limits: limits({}),
    policy: { oneSidedBytes: 8192 },
    packetCount: 24_000,
    prepare: watch,
    send(world, index) {
      // Of three segments the second is missing.
      const place = index >>> 4;
      const offset = (place + (place >>> 1)) * 500;
      data(world, index & 15, offset, 500);
    },
    check: (world) => assert.ok(world.counted("gap") > 100),
  },
  {
    name: "fragments that overlap and are never whole",
    limits: limits({ fragmentBytesMax: 65_536, fragmentCountMax: 128 }),
    packetCount: 16_000,
    prepare: watch,
    send(world, index) {
      const { random, frame, engine } = world;
      const fragment = { id: random.below(64), offset: 1 + random.below(2000), hasMore: true };
      frame.send(engine, { ...ends(index & 63), fragment, lengthBytes: 200 });
    },
    check: ({ engine }, count) => {
      assert.equal(engine.statistics.fragments, count);
      assert.equal(engine.statistics.flows, 1);
    },
  },
  {
    name: "connections that are opened and never closed",
    limits: limits({ flowCountMax: 4096 }),
    policy: {},
    packetCount: 8000,
    prepare: watch,
    send(world, index) {
      // 3 packets of 30 ms each: 3334 flows in the 5 minutes of the timeout.
      world.frame.step = 30;
      shake(world, 1000 + index);
    },
    check: (world, count) => {
      const { flows, evicted } = world.engine.statistics;
      assert.ok(flows > 3000 && flows < 3500, `${flows} flows`);
      assert.equal(evicted, 0);
      assert.ok(world.counted("connectionEnd timeout") > count - 3500);
    },
  },
  {
    name: "data into windows that are closed",
    limits: limits({}),
    packetCount: 16_000,
    prepare(world) {
      watch(world);
      for (let client = 0; client < 64; client++) shake(world, client, 0);
    },
    send: (world, index) => data(world, index & 63, 1 + world.random.below(1000), 1000),
    check: (world, count) => assert.equal(world.counted("outOfWindow window"), count),
  },
  {
    name: "timers, one for every packet of one flow",
    limits: limits({ timerCountMax: 1000 }),
    packetCount: 12_000,
    isThrowing: true,
    prepare(world) {
      watch(world);
      const monitor = world.engine.monitor({ filter: "not host 192.0.2.1" });
      monitor.on("packet", "sender", (flow) => void flow.setTimer(milliseconds(3_600_000), () => {}));
      shake(world, 0);
    },
    send: (world, index) => data(world, 0, index % 60_000, 1),
    check(world, count) {
      assert.equal(world.errorCount, 3 + count - 1000);
      assert.match(String(world.errors[0]), /1000 wait already/);
    },
  },
  {
    name: "flows that set a timer and go",
    limits: limits({ timerCountMax: 5000 }),
    packetCount: 16_000,
    prepare(world) {
      watch(world);
      const monitor = world.engine.monitor({ filter: "not host 192.0.2.1" });
      monitor.on("connectionStart", "sender", (flow) => {
        flow.setTimer(milliseconds(3_600_000), () => assert.fail("the flow is over long before"));
      });
    },
    send: (world) => {
      world.frame.send(world.engine, { version: 4, ...randomEnds(world), flags: Flag.syn });
    },
  },
  {
    name: "flows that nobody reads: each keeps as much as it may",
    limits: limits({ streamBytesMax: 8192, overrun: "oldest" }),
    policy: { window: "ignore" },
    packetCount: 16_000,
    prepare(world) {
      neverRead(world);
      for (let client = 0; client < 32; client++) shake(world, client);
    },
    send: (world, index) => data(world, index & 31, (index >>> 5) * 1000, 1000),
    check: (world) => assert.ok(world.counted("bufferOverrun stream-bytes") > 0),
  },
  {
    name: "flows that nobody reads: all together keep as much as they may",
    limits: limits({ overrun: "oldest" }),
    policy: { window: "ignore" },
    packetCount: 16_000,
    prepare(world) {
      neverRead(world);
      for (let client = 0; client < 256; client++) shake(world, client);
    },
    send: (world, index) => data(world, index & 255, (index >>> 8) * 1000, 1000),
    check: (world) => assert.ok(world.counted("bufferOverrun total-bytes") > 0),
  },
  {
    name: "a monitor that leaves all unread and may keep a little",
    limits: limits({}),
    policy: { window: "ignore" },
    packetCount: 16_000,
    prepare(world) {
      const monitor = world.engine.monitor({ filter: "not host 192.0.2.1", unreadBytesMax: 1000 });
      world.count(monitor);
      monitor.on("newData", "none", () => {});
      for (let client = 0; client < 32; client++) shake(world, client);
    },
    send: (world, index) => data(world, index & 31, (index >>> 5) * 1000, 1000),
    check: (world) => {
      assert.equal(world.counted("bufferOverrun total-bytes"), 0);
      assert.ok(world.engine.statistics.heldBytes <= 32 * 4096);
    },
  },
  {
    name: "resets, SYNs and FINs with ever new numbers, of flows that are recorded",
    limits: limits({}),
    packetCount: 16_000,
    prepare(world) {
      watch(world);
      recordConnections(world.engine, {
        tell: ({ history = "" }) => assert.ok(history.length <= LETTER_COUNT_MAX),
      });
      for (let client = 0; client < 4; client++) shake(world, client);
    },
    send(world, index) {
      const flags = [Flag.rst, Flag.syn, Flag.fin | Flag.ack, Flag.rst | Flag.ack][index & 3] as number;
      const sequence = world.random.word();
      world.frame.send(world.engine, { ...ends((index >>> 2) & 3), sequence, acknowledgement: 1, flags });
    },
    check: (world) => assert.ok(world.counted("outOfWindow reset") > 1000),
  },
  {
    name: "urgent bytes that are read as gaps",
    limits: limits({}),
    policy: { urgent: "gap", window: "ignore" },
    packetCount: 12_000,
    prepare(world) {
      neverRead(world);
      for (let client = 0; client < 16; client++) shake(world, client);
    },
    send(world, index) {
      const sequence = (1 + world.random.below(40) * 500 + (index >>> 4)) >>> 0;
      const flags = Flag.ack | Flag.urg;
      world.frame.send(world.engine, {
        ...ends(index & 15),
        sequence,
        acknowledgement: 1,
        flags,
        lengthBytes: 20,
      });
    },
  },
  {
    name: "registrations, one for every packet of a flow",
    limits: limits({}),
    packetCount: 6000,
    isThrowing: true,
    prepare(world) {
      watch(world);
      const monitor = world.engine.monitor({ filter: "not host 192.0.2.1" });
      monitor.on("packet", "sender", (flow) => void flow.on("retransmission", "receiver", () => {}));
    },
    send(world, index) {
      if (index % 2000 === 0) shake(world, Math.floor(index / 2000));
      data(world, Math.floor(index / 2000), index % 60_000, 1);
    },
    check: (world) => assert.match(String(world.errors[0]), /1024/),
  },
];
