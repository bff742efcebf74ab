/**
 * What happens at each limit, and what time does: hazards 26 to 28.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { minutes, seconds } from "#base/time.ts";
import { FlowEngine } from "#flow/engine.ts";
import { conversation } from "../support/conversation.ts";
import { testCases } from "../support/flow-cases.ts";
import { readAll, type StoryCase } from "../support/flow-story.ts";

const PAGE = 2048;
/** `count` segments of `length` bytes, each behind a hole of one. */
const holes: (count: number, length: number) => StoryCase["packets"] = (count, length) => (talk) => [
  ...talk.handshake(),
  ...Array.from({ length: count }, (_, index) =>
    talk.client(String.fromCharCode(97 + (index % 26)).repeat(length), {
      at: index * (length + 1) + 1,
      arrives: false,
    }),
  ),
];

describe("limits of streams", () => {
  testCases([
    {
      name: "E26 streamBytesMax, policy oldest: the first hole is given up and what is behind it shown",
      limits: { streamBytesMax: 2 * PAGE, overrun: "oldest" },
      packets: holes(5, 1000),
      events: "bufferOverrun gap",
      log: [
        "overrun client stream-bytes 0+1",
        "gap client 0+1",
        "overrun client stream-bytes 1001+1",
        "gap client 1001+1",
        "overrun client stream-bytes 2002+1",
        "gap client 2002+1",
      ],
    },
    {
      name: "E26 streamBytesMax, policy newest: what comes now is lost, and what was there waits on",
      limits: { streamBytesMax: PAGE, overrun: "newest" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("b".repeat(1000), { at: 10 }),
        talk.client("c".repeat(3000), { at: 1010 }),
        talk.client("0123456789", { at: 0 }),
      ],
      events: "bufferOverrun",
      log: [`overrun client stream-bytes ${PAGE}+${4010 - PAGE}`],
      client: `0123456789${"b".repeat(1000)}${"c".repeat(PAGE - 1010)}`,
    },
    {
      name: "E26 streamBytesMax, policy stop: nothing more of that direction is shown, its states are followed on",
      limits: { streamBytesMax: PAGE, overrun: "stop" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("start"),
        talk.client("c".repeat(4000), { at: 10 }),
        talk.client("fills", { at: 5 }),
        talk.server("answer"),
        talk.client("more", { at: 4010 }),
        talk.fin("client"),
        talk.ack("server"),
      ],
      events: "bufferOverrun",
      log: [`overrun client stream-bytes ${PAGE}+${4010 - PAGE}`],
      client: "start",
      server: "answer",
      states: "FIN_WAIT_2 CLOSE_WAIT",
    },
    {
      name: "E26 segmentCountMax: so many pieces apart, then the first hole is given up",
      limits: { segmentCountMax: 3, overrun: "oldest" },
      packets: holes(4, 1),
      events: "bufferOverrun gap",
      log: ["overrun client segments 0+1", "gap client 0+1"],
      client: "[1]a",
    },
    {
      name: "E26 segmentCountMax, policy newest: one piece more is lost",
      limits: { segmentCountMax: 3, overrun: "newest" },
      packets: holes(4, 1),
      events: "bufferOverrun gap",
      log: ["overrun client segments 7+1"],
      client: "",
    },
    {
      name: "E26 totalBytesMax: bytes in order are shown though there is no room to keep them for comparison",
      limits: { totalBytesMax: PAGE, compareBytes: 100_000 },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("a".repeat(5000)),
        talk.client("b".repeat(5000)),
        talk.server("c".repeat(5000)),
      ],
      events: "retransmission gap",
      log: [],
      client: "a".repeat(5000) + "b".repeat(5000),
      server: "c".repeat(5000),
    },
    {
      name: "E26 never acknowledged: view acked keeps no more than its limit",
      monitor: { view: "acked" },
      limits: { streamBytesMax: 4 * PAGE },
      packets: (talk) => [
        ...talk.handshake(),
        ...Array.from({ length: 50 }, () => talk.client("x".repeat(1000), { arrives: false })),
      ],
      client: "",
    },
  ]);

  it("E26 unread bytes: at the limit the oldest go, are told of, and are a gap for who reads late", () => {
    const talk = conversation();
    const limits = { streamBytesMax: 4 * PAGE, overrun: "oldest" } as const;
    const engine = new FlowEngine({ random: new SeededRandom(1), limits });
    const monitor = engine.monitor({ unreadBytesMax: 1_000_000 });
    const overruns: number[] = [];
    let text = "";
    monitor.on("bufferOverrun", "none", (_flow, event) => overruns.push(event.lengthBytes));
    monitor.on("newData", "none", (flow, event) => {
      if (event.offset + event.lengthBytes === 30_000) text = readAll(flow, "client");
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    for (let index = 0; index < 30; index++) {
      engine.handle(talk.client("x".repeat(1000)));
      assert.ok(engine.statistics.heldBytes <= 4 * PAGE);
    }
    const gap = Number(/^\[(\d+)\]x+$/.exec(text)?.[1]);
    assert.ok(overruns.length > 0 && gap > 0, text.slice(0, 20));
    assert.equal(gap + text.length - `[${gap}]`.length, 30_000);
    engine.close();
    assert.equal(engine.statistics.heldBytes, 0);
  });

  it("E26 flowCountMax: policy evict ends the flow that would time out next, policy refuse the new one", () => {
    for (const full of ["evict", "refuse"] as const) {
      const limits = { flowCountMax: 2, full };
      const engine = new FlowEngine({ random: new SeededRandom(1), limits });
      const ends: string[] = [];
      engine.monitor().on("connectionEnd", "none", (flow, event) => {
        ends.push(`${flow.client.port} ${event.reason}`);
      });
      for (const port of [1, 2, 3]) {
        const talk = conversation({ client: `10.0.0.1:${port}`, epoch: 1_700_000_000_000 + port * 1000 });
        for (const packet of talk.handshake()) engine.handle(packet);
      }
      assert.deepEqual(ends, full === "evict" ? ["1 evicted"] : []);
      assert.equal(engine.statistics.flows, 2);
      // Each of the refused one's three packets finds no place.
      assert.equal(engine.statistics.refused, full === "evict" ? 0 : 3);
    }
  });
});

/** Ends of one flow, as `reason after milliseconds`. */
function endsOf(
  packets: (talk: ReturnType<typeof conversation>) => readonly Parameters<FlowEngine["handle"]>[0][],
): string[] {
  const talk = conversation();
  const timeouts = {
    attempt: seconds(10),
    established: minutes(2),
    closing: seconds(40),
    closed: seconds(5),
  };
  const engine = new FlowEngine({ random: new SeededRandom(1), policy: { timeouts } });
  const log: string[] = [];
  const monitor = engine.monitor();
  monitor.on("timeout", "none", () => {
    log.push("timeout");
  });
  monitor.on("connectionEnd", "none", (flow, event) => {
    log.push(`${event.reason} after ${Math.round((event.now - flow.lastSeen) / 1000)}`);
  });
  for (const packet of packets(talk)) engine.handle(packet);
  engine.advance(1_700_000_000_000 + 3_600_000);
  return log;
}

describe("time", () => {
  for (const { name, packets, log } of [
    { name: "an unanswered SYN", packets: (talk) => [talk.syn()], log: ["timeout", "timeout after 10"] },
    {
      name: "an answered one",
      packets: (talk) => [talk.syn(), talk.synAck()],
      log: ["timeout", "timeout after 10"],
    },
    {
      name: "an idle connection",
      packets: (talk) => talk.handshake(),
      log: ["timeout", "timeout after 120"],
    },
    {
      name: "a connection that one side has closed",
      packets: (talk) => [...talk.handshake(), talk.fin("client")],
      log: ["timeout", "timeout after 40"],
    },
    {
      name: "a closed connection: no timeout, what still comes is its",
      packets: (talk) => [...talk.handshake(), ...talk.close()],
      log: ["closed after 5"],
    },
    {
      name: "a connection that was reset",
      packets: (talk) => [...talk.handshake(), talk.reset("client")],
      log: ["reset after 5"],
    },
  ] satisfies { name: string; packets: Parameters<typeof endsOf>[0]; log: string[] }[]) {
    it(`E28 timeouts: ${name}`, () => assert.deepEqual(endsOf(packets), log));
  }

  it("E27 time: stamps that go back, stand still or leap by years lose nothing", () => {
    const talk = conversation();
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const times: number[] = [];
    let text = "";
    const monitor = engine.monitor();
    monitor.on("packet", "none", (_flow, event) => {
      times.push(event.now);
    });
    monitor.on("newData", "none", (flow) => {
      text += readAll(flow, "client");
    });
    const start = 1_700_000_000_000;
    const stamps = [0, 0, -5000, 10, -1_000_000, 10];
    const packets = [...talk.handshake(), talk.client("a"), talk.client("b"), talk.client("c")];
    packets.forEach((packet, index) => {
      engine.handle(packet.at(start + (stamps[index] as number)));
    });
    assert.deepEqual(times, [start, start, start, start + 10, start + 10, start + 10]);
    assert.equal(text, "abc");
    // Years later the flow is long gone, and the packet begins another one.
    engine.handle(talk.client("d").at(start + 10 * 365 * 86_400_000));
    assert.equal(engine.statistics.flowsSeen, 2);
    engine.close();
  });

  it("E27 time: a timer fires before the packet that passes it, and not for a flow that has ended", () => {
    const talk = conversation();
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const log: string[] = [];
    engine.monitor().on("connectionStart", "sender", (flow, event) => {
      const start = event.now;
      flow.setTimer(seconds(1), (again) => log.push(`timer ${again.client.port} ${again.lastSeen - start}`));
      flow.setTimer(seconds(1000), () => log.push("never"));
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    engine.handle(talk.wait(5000).client("late"));
    assert.deepEqual(log, ["timer 1025 2"]);
    engine.close();
    engine.advance(2_000_000_000_000);
    assert.deepEqual(log, ["timer 1025 2"]);
  });
});

describe("memory for comparison", () => {
  it("E26 totalBytesMax: many idle flows give up what they keep for comparison, and who talks now is compared", () => {
    const engine = new FlowEngine({
      random: new SeededRandom(1),
      limits: { totalBytesMax: 20 * PAGE, compareBytes: 4 * PAGE },
    });
    const monitor = engine.monitor();
    const contents: string[] = [];
    let overruns = 0;
    monitor.on("retransmission", "receiver", (_, { content }) => contents.push(content));
    monitor.on("bufferOverrun", "none", () => overruns++);
    monitor.on("newData", "none", (flow, { sender }) => {
      while (flow.end(sender).read() !== undefined);
    });
    for (let index = 0; index < 100; index++) {
      const talk = conversation({ client: `10.0.0.1:${1025 + index}` });
      const packets = [
        ...talk.handshake(),
        talk.client("a".repeat(1400)),
        talk.client("b".repeat(1400)),
        talk.ack("server"),
        talk.client("x".repeat(1400), { at: 1400 }),
      ];
      for (const packet of packets) engine.handle(packet);
    }
    assert.deepEqual(contents, new Array(100).fill("different"));
    assert.equal(overruns, 0);
    assert.ok(engine.statistics.heldBytes <= 20 * PAGE);
  });
});
