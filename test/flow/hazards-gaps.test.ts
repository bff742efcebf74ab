/**
 * What was not seen, or seen twice: overlaps, holes, streams of more than 4 GiB, cut captures, both views. Hazards 1 to
 * 4, 9, 14, 15, 29, 30 and 32.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { Flow } from "#flow/flow.ts";
import type { OverlapPolicy } from "#flow/policy.ts";
import { conversation } from "../support/conversation.ts";
import { testCases } from "../support/flow-cases.ts";
import { readAll, type StoryCase, tellStory } from "../support/flow-story.ts";

/** Each policy's answer where "AAAA" lies at 2, "BBBBBB" comes there too, and "xy" in front of both makes it in order. */
const OVERLAPS: readonly (readonly [policy: OverlapPolicy, stream: string])[] = [
  ["first", "xyAAAABB"],
  ["last", "xyBBBBBB"],
  ["bsd", "xyAAAABB"],
  ["linux", "xyBBBBBB"],
  ["old-linux", "xyBBBBBB"],
  ["windows", "xyAAAABB"],
  ["solaris", "xyBBBBBB"],
];

describe("overlaps", () => {
  testCases(
    OVERLAPS.map(
      ([overlap, client]): StoryCase => ({
        name: `E1 overlap: policy ${overlap} decides whose bytes the receiver has, and an event says where they differ`,
        policy: { overlap },
        packets: (talk) => [
          ...talk.handshake(),
          talk.client("AAAA", { at: 2 }),
          talk.client("BBBBBB", { at: 2 }),
          talk.client("xy", { at: 0 }),
        ],
        events: "retransmission",
        log: ["again client data 2+4 different at 2"],
        client,
      }),
    ),
  );
  testCases([
    {
      name: "E2 delivered already: other bytes are found as long as they are kept",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("PASS secret"),
        talk.client("PASS forged", { at: 0 }),
      ],
      events: "retransmission",
      log: ["again client data 0+11 different at 5"],
      client: "PASS secret",
    },
    {
      name: "E2 delivered already: beyond the limit of what is kept the content is not known",
      limits: { compareBytes: 4096 },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("a".repeat(1000)),
        talk.client("b".repeat(9000)),
        talk.client("z".repeat(1000), { at: 0 }),
      ],
      events: "retransmission",
      log: ["again client data 0+1000 unknown"],
    },
    {
      name: "E4 longer: what was there is compared, what is new is appended",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("onetwo", { at: 0 }),
        talk.client("XYtwo3", { at: 1 }),
      ],
      events: "retransmission",
      log: ["again client data 0+3 same", "again client data 1+5 different at 1"],
      client: "onetwo3",
    },
    {
      name: "E4 earlier: a segment that begins before and ends behind what is held",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("CD", { at: 2 }),
        talk.client("ABCDEF", { at: 0 }),
      ],
      events: "retransmission",
      log: ["again client data 2+2 same"],
      client: "ABCDEF",
    },
    {
      name: "E3 conflict report: the packet goes on as it is",
      packets: (talk) => [...talk.handshake(), talk.client("good"), talk.client("evil", { at: 0 })],
      client: "good",
    },
  ]);

  for (const [sequence] of [[1000], [0xffff_fffe], [0x7fff_fffe]] as const) {
    it(`E3 conflict drop: a segment with other bytes goes no further, its new ones come again (${sequence})`, () => {
      const talk = conversation({ clientSequence: sequence });
      const packets = [
        ...talk.handshake(),
        talk.client("good"),
        talk.client("evil+", { at: 0, arrives: false }),
        talk.client("!", { at: 4 }),
      ];
      const story = tellStory(packets, { policy: { conflict: "drop" } });
      assert.deepEqual(story.dropped, [4]);
      assert.equal(story.client, "good!");
    });
  }

  for (const [first, again] of [
    ["good", "evil"],
    ["goodness", "gXXdnessy"],
    ["odd", "evens"],
  ] as const) {
    it(`E3 conflict rewrite: ${again} over ${first} leaves with the accepted bytes and a right checksum`, () => {
      const talk = conversation();
      const packets = [...talk.handshake(), talk.client(first), talk.client(again, { at: 0 })];
      const story = tellStory(packets, { policy: { conflict: "rewrite" } });
      assert.deepEqual(story.dropped, []);
      const sent = packets[4]?.bytes as Uint8Array;
      assert.equal(Buffer.from(sent.subarray(54)).toString(), first + again.slice(first.length));
      const { engine } = tellStory(packets, { policy: { checksums: "verify" } });
      assert.equal(engine.statistics.badChecksums, 0);
    });
  }
});

describe("gaps", () => {
  testCases([
    {
      name: "E14 lost by the tap: acknowledged, it is a gap of exactly that size, told of once",
      packets: (talk) => {
        const begin = [...talk.handshake(), talk.client("one")];
        talk.miss("client", 1234);
        return [...begin, talk.client("two"), talk.ack("server"), talk.ack("server"), talk.client("three")];
      },
      events: "gap newData",
      log: ["newData client 0+3", "gap client 3+1234", "newData client 1237+3", "newData client 1240+5"],
      client: "one[1234]twothree",
    },
    {
      name: "E14 lost by the tap: several holes, acknowledged at once",
      packets: (talk) => {
        const begin = talk.handshake();
        talk.miss("client", 5);
        const a = talk.client("a");
        talk.miss("client", 6);
        const b = talk.client("b");
        return [...begin, a, b, talk.ack("server")];
      },
      events: "gap",
      log: ["gap client 0+5", "gap client 6+6"],
      client: "[5]a[6]b",
    },
    {
      name: "E14 lost on the way: not acknowledged, it is waited for",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("two", { at: 3 }),
        talk.ack("server"),
        talk.ack("server"),
        talk.client("one", { at: 0 }),
      ],
      events: "gap",
      log: [],
      client: "onetwo",
    },
    {
      name: "E14 lost by the tap: at the end of the flow what was acknowledged and never came is a gap",
      packets: (talk) => {
        const begin = [...talk.handshake(), talk.client("one")];
        talk.miss("client", 50);
        return [...begin, talk.ack("server")];
      },
      events: "gap connectionEnd",
      log: ["gap client 3+50", "end end-of-input"],
      client: "one[50]",
    },
    {
      name: "E14 order: an ACK that is seen before its data is no gap",
      packets: (talk) => {
        const begin = talk.handshake();
        const data = talk.client("one");
        return [...begin, talk.ack("server"), data, talk.client("two")];
      },
      events: "gap",
      log: [],
      client: "onetwo",
    },
    {
      name: "E15 one side only: behind the threshold a hole is given up, with nobody to acknowledge",
      policy: { oneSidedBytes: 100 },
      packets: (talk) => {
        const [syn, , ack] = talk.handshake();
        talk.miss("client", 10);
        return [syn, ack, talk.client("a".repeat(60)), talk.client("b".repeat(60))] as never;
      },
      events: "gap established",
      log: ["sender established client", "receiver established client", "gap client 0+10"],
      client: `[10]${"a".repeat(60)}${"b".repeat(60)}`,
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E15 one side only: below the threshold it is waited for, to the end",
      packets: (talk) => {
        const [syn, , ack] = talk.handshake();
        const late = talk.client("0123456789");
        return [syn, ack, talk.client("b".repeat(60)), late] as never;
      },
      events: "gap",
      log: [],
      client: `0123456789${"b".repeat(60)}`,
    },
    {
      name: "E15 one side only: at the end all is shown that is there",
      packets: (talk) => {
        const [syn, , ack] = talk.handshake();
        talk.miss("client", 10);
        return [syn, ack, talk.client("b")] as never;
      },
      events: "gap",
      log: ["gap client 0+10"],
      client: "[10]b",
    },
    {
      name: "E29 cut captures: what the capture has not is a gap and no zeros",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("0123456789", { payloadCut: 6 }),
        talk.client("abc"),
        talk.client("0123456789", { payloadCut: 10 }),
        talk.client("def"),
      ],
      events: "gap newData",
      log: [
        "newData client 0+4",
        "gap client 4+6",
        "newData client 10+0",
        "newData client 10+3",
        "gap client 13+10",
        "newData client 23+0",
        "newData client 23+3",
      ],
      client: "0123[6]abc[10]def",
    },
    {
      name: "E29 cut captures: in a segment that is out of order",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("5678", { at: 5, payloadCut: 2 }),
        talk.client("01234", { at: 0 }),
        talk.client("9", { at: 9 }),
        talk.ack("server"),
      ],
      events: "gap",
      log: ["gap client 7+2"],
      client: "0123456[2]9",
    },
    {
      name: "E30 aggregates: a segment of nearly 64 KiB is one segment",
      packets: (talk) => [...talk.handshake(), talk.client("x".repeat(65_000)), talk.client("y")],
      client: `${"x".repeat(65_000)}y`,
    },
  ]);

  it("E9 beyond 4 GiB: offsets go on where sequence numbers wrap", () => {
    for (const clientSequence of [0, 0xffff_0000, 0x7fff_ffff]) {
      const talk = conversation({ clientSequence, options: { windowScale: 14 } });
      const engine = new FlowEngine({ random: new SeededRandom(1) });
      const monitor = engine.monitor();
      const gaps: number[] = [];
      let last = "";
      let end = 0;
      monitor.on("gap", "none", (_flow, event) => gaps.push(event.lengthBytes));
      monitor.on("newData", "none", (flow, event) => {
        last = readAll(flow, "client");
        end = event.offset + event.lengthBytes;
      });
      for (const packet of talk.handshake()) engine.handle(packet);
      engine.handle(talk.ack("server"));
      const jump = 1_000_000_000;
      for (let count = 1; count <= 12; count++) {
        talk.miss("client", jump);
        engine.handle(talk.client("data"));
        engine.handle(talk.ack("server"));
        engine.handle(talk.client("DATA", { at: talk.next("client") - 4 }));
        assert.equal(end, count * (jump + 4), `${clientSequence} ${count}`);
        assert.equal(last, `[${jump}]data`);
      }
      assert.deepEqual(gaps, new Array(12).fill(jump));
      engine.close();
      assert.equal(engine.statistics.heldBytes, 0);
    }
  });
});

describe("views", () => {
  testCases([
    {
      name: "E32 acked: bytes are shown when their receiver has acknowledged them, and as far as it has",
      monitor: { view: "acked" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("two"),
        talk.ack("server", { acknowledged: 4 }),
        talk.ack("server", { acknowledged: 2 }),
        talk.ack("server", { acknowledged: 6 }),
      ],
      events: "newData",
      log: ["newData client 0+4", "newData client 4+2"],
      client: "onetwo",
    },
    {
      name: "E32 acked: a gap is shown in its place",
      monitor: { view: "acked" },
      packets: (talk) => {
        const begin = [...talk.handshake(), talk.client("one")];
        talk.miss("client", 7);
        return [...begin, talk.client("two"), talk.ack("server")];
      },
      events: "gap newData",
      log: ["gap client 3+7", "newData client 0+13"],
      client: "one[7]two",
    },
    {
      name: "E32 acked: lost behind the tap and sent again, with the bytes that were sent first",
      monitor: { view: "acked" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { arrives: false }),
        talk.client("one", { at: 0 }),
        talk.server("ok"),
        talk.ack("client"),
      ],
      client: "one",
      server: "ok",
    },
    {
      name: "E32 acked: an acknowledgement that comes with the other's data",
      monitor: { view: "acked" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("ask"),
        talk.server("answer"),
        talk.client("more"),
      ],
      client: "ask",
      server: "answer",
    },
  ]);

  it("E32 both views at once: each monitor has its own", () => {
    const talk = conversation();
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const log: string[] = [];
    for (const view of ["sent", "acked"] as const) {
      const monitor = engine.monitor({ view });
      monitor.on("newData", "none", (flow, event) => {
        log.push(`${view} ${readAll(flow, event.sender)}`);
      });
    }
    for (const packet of talk.handshake()) engine.handle(packet);
    engine.handle(talk.client("one"));
    engine.handle(talk.client("two"));
    engine.handle(talk.ack("server", { acknowledged: 3 }));
    engine.handle(talk.client("three"));
    engine.handle(talk.ack("server"));
    assert.deepEqual(log, ["sent one", "sent two", "acked one", "sent three", "acked twothree"]);
    engine.close();
    assert.equal(engine.statistics.heldBytes, 0);
  });

  it("A.4-7 slow readers: each has its own place; who reads every tenth time gets all, gaps once", () => {
    for (const clientSequence of [1000, 0xffff_fff5]) {
      const talk = conversation({ clientSequence });
      const engine = new FlowEngine({ random: new SeededRandom(1) });
      const texts = ["", "", ""];
      let expected = "";
      const read = (index: number, every: number, lengthMax: number): void => {
        let count = 0;
        engine.monitor().on("newData", "none", (flow) => {
          if (++count % every !== 0) return;
          for (
            let piece = flow.client.read(lengthMax);
            piece !== undefined;
            piece = flow.client.read(lengthMax)
          ) {
            texts[index] +=
              piece.bytes === undefined ? `[${piece.gap}]` : Buffer.from(piece.bytes).toString("latin1");
            if (lengthMax < 10) break;
          }
        });
      };
      read(0, 1, Number.MAX_SAFE_INTEGER);
      read(1, 10, 1000);
      read(2, 1, 2);
      for (const packet of talk.handshake()) engine.handle(packet);
      for (let index = 0; index < 40; index++) {
        if (index === 17) {
          talk.miss("client", 5);
          expected += "[5]";
        }
        engine.handle(talk.client(`${index};`));
        engine.handle(talk.ack("server"));
        expected += `${index};`;
      }
      assert.equal(texts[0], expected);
      assert.equal(texts[1], expected);
      assert.ok(expected.startsWith(texts[2] as string) && (texts[2] as string).length >= 40);
      engine.close();
      assert.equal(engine.statistics.heldBytes, 0);
    }
  });

  it("A.4-7 unreadBytesMax: what a monitor leaves beyond it is a gap for it, and for no other", () => {
    const talk = conversation();
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const flows: Flow[] = [];
    const lazy = engine.monitor({ unreadBytesMax: 4 });
    lazy.on("newData", "none", (flow) => {
      flows[0] = flow;
    });
    let all = "";
    engine.monitor().on("newData", "none", (flow) => {
      all += readAll(flow, "client");
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    const sent = "x".repeat(10_000);
    engine.handle(talk.client(`${sent}0123`));
    assert.equal(flows[0]?.client.unreadBytes, 10_004);
    const text = readAll(flows[0] as Flow, "client");
    assert.match(text, /^\[\d+\]x*0123$/);
    assert.equal(all, `${sent}0123`);
    engine.close();
  });

  it("A.1 at() and fragments(): what is out of order can be looked at, and is not read by that", () => {
    const talk = conversation();
    const engine = new FlowEngine({ random: new SeededRandom(1) });
    const monitor = engine.monitor();
    const seen: unknown[] = [];
    monitor.on("packet", "receiver", (flow) => {
      if (flow.client.fragments().length === 0) return;
      seen.push(
        flow.client.fragments(),
        Buffer.from(flow.client.at(5, 2) ?? []).toString(),
        flow.client.at(0, 1),
      );
    });
    let text = "";
    monitor.on("newData", "none", (flow) => {
      text += readAll(flow, "client");
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    engine.handle(talk.client("defg", { at: 3 }));
    engine.handle(talk.client("abc", { at: 0 }));
    assert.deepEqual(seen.slice(0, 3), [[{ offset: 3, lengthBytes: 4 }], "fg", undefined]);
    assert.equal(text, "abcdefg");
    engine.close();
  });
});
