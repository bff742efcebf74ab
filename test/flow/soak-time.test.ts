/**
 * Time: stamps that go back, stand still, or jump by years, and weeks of short flows whose rows are used again and
 * again. METANET_SOAK multiplies the flows: 1 unless given; with 100 there are 10 million in 17 weeks.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { hours, milliseconds, minutes, seconds } from "#base/time.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { Flow } from "#flow/flow.ts";
import { conversation } from "../support/conversation.ts";
import { byteAt, Flag, SoakFrame } from "./soak-frame.ts";
import { usedBytes } from "./soak-world.ts";

const factor = Number(process.env.METANET_SOAK ?? 1);
const YEAR = 365 * 86_400_000;
const START = 1_700_000_000_000;

interface Watched {
  readonly engine: FlowEngine;
  readonly ends: string[];
  readonly times: number[];
}

function watched(flowCountMax = 1000): Watched {
  const ends: string[] = [];
  const times: number[] = [];
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    limits: { flowCountMax },
    policy: { checksums: "trust" },
    onError: (_, error) => {
      throw error;
    },
  });
  const monitor = engine.monitor();
  monitor.on("packet", "sender", (_, { now }) => times.push(now));
  monitor.on("connectionEnd", "none", (flow, { reason, now }) => {
    times.push(now);
    ends.push(`${flow.client.port} ${reason} ${now - START}`);
  });
  return { engine, ends, times };
}

describe("time in an engine", () => {
  it("FlowEngine.handle() takes stamps that go back as the latest before", () => {
    const { engine, times } = watched();
    const random = new SeededRandom(7);
    const talk = conversation();
    const packets = [...talk.handshake()];
    for (let count = 0; count < 500; count++) packets.push(talk.client("data"), talk.server("answer"));
    let read = 0;
    engine.monitor().on("newData", "none", (flow, { sender }) => {
      read += flow.end(sender).read()?.bytes?.length ?? 0;
    });
    for (const packet of packets) engine.handle(packet.at(packet.time - random.below(5_000_000)));
    engine.close();
    assert.equal(read, 500 * 10);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  });

  it("FlowEngine.handle() lets nothing time out, and no timer fire, while stamps stand still", () => {
    const { engine, ends } = watched(5000);
    const monitor = engine.monitor();
    const fired: number[] = [];
    const frame = new SoakFrame();
    frame.step = 0;
    monitor.on("connectionStart", "sender", (flow) => {
      const port = flow.client.port;
      flow.setTimer(milliseconds(0), () => fired.push(port));
    });
    for (let port = 1; port <= 3000; port++) {
      frame.send(engine, { source: 1, target: 2, targetPort: 80, sourcePort: port, flags: Flag.syn });
    }
    assert.deepEqual([engine.statistics.flows, fired.length, ends.length], [3000, 0, 0]);
    engine.advance(frame.time + 1);
    assert.deepEqual(
      fired,
      Array.from({ length: 3000 }, (_, index) => index + 1),
    );
    engine.advance(frame.time + 31_000);
    assert.deepEqual([engine.statistics.flows, ends.length], [0, 3000]);
  });

  it("FlowEngine.handle() goes over gaps of years at once, with what is due in them in order", () => {
    const { engine, ends } = watched();
    const told: string[] = [];
    const monitor = engine.monitor();
    monitor.on("connectionStart", "sender", (flow) => {
      const { port } = flow.client;
      for (const delay of [hours(9600), seconds(40), seconds(20), minutes(6), seconds(20)]) {
        flow.setTimer(delay, () => told.push(`flow ${port} ${delay}`));
      }
      monitor.setTimer(hours(4800), () => told.push(`monitor ${port}`));
    });
    for (const [index, port] of [1, 2, 3].entries()) {
      const talk = conversation({ client: `10.0.0.1:${port}`, epoch: START + index * 300 * YEAR });
      const [syn, synAck, ack] = talk.handshake();
      engine.handle(syn as never);
      // The first one is never answered.
      if (port === 1) continue;
      engine.handle(synAck as never);
      engine.handle(ack as never);
    }
    engine.advance(START + 900 * YEAR);
    assert.deepEqual(ends, [
      "1 timeout 30000",
      `2 timeout ${300 * YEAR + 300_002}`,
      `3 timeout ${600 * YEAR + 300_002}`,
    ]);
    const delays = (port: number): string[] => [
      `flow ${port} 20000`,
      `flow ${port} 20000`,
      ...(port === 1 ? [] : [`flow ${port} 40000`]),
      `monitor ${port}`,
    ];
    assert.deepEqual(told, [...delays(1), ...delays(2), ...delays(3)]);
  });

  it("FlowEngine.advance() takes any number, and goes on afterwards", () => {
    for (const odd of [
      Number.NaN,
      -1,
      0,
      1e15,
      8.64e15,
      2 ** 53,
      1e17,
      1e300,
      Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
    ]) {
      const { engine, ends } = watched();
      for (const packet of conversation().handshake()) engine.handle(packet);
      engine.advance(odd);
      assert.equal(ends.length, odd > START ? 1 : 0, `${odd}`);
      engine.handle(conversation({ client: "10.0.0.1:7" }).syn());
      assert.equal(engine.statistics.flows, odd > START ? 1 : 2);
      engine.advance(odd);
      engine.close();
      assert.equal(engine.statistics.flows, 0);
    }
  });

  it("FlowEngine.handle() takes stamps of any number", () => {
    const { engine } = watched();
    const [syn] = conversation().handshake();
    for (const odd of [
      0,
      2 ** 32 - 1,
      1.8e13,
      Number.MAX_SAFE_INTEGER,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]) {
      engine.handle({ ...(syn as object), seconds: odd } as never);
    }
    engine.close();
    assert.equal(engine.statistics.frames, 6);
  });
});

describe("weeks of short flows", () => {
  it("FlowEngine uses its rows again and again, and nothing of a flow is left in the next", () => {
    const count = 100_000 * factor;
    const flowCountMax = 2000;
    const engine = new FlowEngine({
      random: new SeededRandom(3),
      limits: { flowCountMax, timerCountMax: 10_000 },
      policy: { checksums: "trust" },
      onError: (_, error) => {
        throw error;
      },
    });
    const frame = new SoakFrame();
    // 17 weeks in 10 million flows of 4 packets and more.
    frame.step = 250;
    let timerCount = 0;
    let ended = 0;
    let late: Flow<number> | undefined;
    const monitor = engine.monitor<number>();
    monitor.on("connectionStart", "sender", (flow) => {
      assert.equal(flow.context, undefined, "what another flow has left");
      assert.equal(flow.client.nextOffset, 0);
      flow.context = flow.client.port;
      // Most flows are over by then.
      flow.setTimer(minutes(1), () => {
        timerCount++;
      });
      if (late?.isOpen === false) assert.throws(() => late?.client.port, { code: "flow-ended" });
      late = flow;
    });
    monitor.on("newData", "none", (flow, { sender }) => {
      assert.equal(flow.context, flow.client.port);
      const piece = flow.end(sender).read();
      assert.equal(piece?.offset, 0);
      assert.equal(piece?.bytes?.[0], byteAt(1));
    });
    monitor.on("connectionEnd", "none", (flow) => {
      assert.equal(flow.context, flow.client.port);
      ended++;
    });
    const run = (from: number, to: number): void => {
      for (let index = from; index < to; index++) live(engine, frame, index);
    };
    run(0, count / 2);
    const warm = usedBytes();
    run(count / 2, count);
    const growth = usedBytes() - warm;
    assert.ok(growth < 1_000_000, `memory grows: ${growth} bytes`);
    const { flowsSeen, flows, evicted, heldBytes } = engine.statistics;
    assert.equal(flowsSeen, count);
    assert.ok(flows < 600, `${flows} flows`);
    assert.deepEqual([evicted, heldBytes], [0, 0]);
    assert.ok(timerCount > count / 8);
    engine.close();
    assert.equal(ended, count);
  });
});

/** A flow of a moment: closed, reset, or left alone. */
function live(engine: FlowEngine, frame: SoakFrame, index: number): void {
  const [source, target, sourcePort, targetPort] = [index >>> 15, 0xc0_0002, 1024 + (index & 0x7fff), 80];
  const there = { source, target, sourcePort, targetPort };
  const back = { source: target, target: source, sourcePort: targetPort, targetPort: sourcePort };
  frame.send(engine, { ...there, sequence: 0, acknowledgement: 0, flags: Flag.syn });
  frame.send(engine, { ...back, sequence: 0, acknowledgement: 1, flags: Flag.syn | Flag.ack });
  frame.send(engine, { ...there, sequence: 1, acknowledgement: 1, flags: Flag.ack });
  frame.send(engine, { ...there, lengthBytes: 10 });
  switch (index & 3) {
    case 0:
      frame.send(engine, { ...there, sequence: 11, flags: Flag.fin | Flag.ack });
      frame.send(engine, { ...back, sequence: 1, acknowledgement: 12, flags: Flag.fin | Flag.ack });
      frame.send(engine, { ...there, sequence: 12, acknowledgement: 2, flags: Flag.ack });
      break;
    case 1:
      frame.send(engine, { ...back, sequence: 1, acknowledgement: 11, flags: Flag.rst | Flag.ack });
      break;
    default:
  }
}
