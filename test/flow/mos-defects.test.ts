/**
 * What is wrong in mOS, and right here: a test for each.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds } from "#base/time.ts";
import { FlowEngine, type FlowEngineOptions } from "#flow/engine.ts";
import type { EventName, Hook } from "#flow/event/events.ts";
import { defineEvent } from "#flow/event/user-event.ts";
import type { Flow } from "#flow/flow.ts";
import { type ConversationPacket, conversation } from "../support/conversation.ts";
import { icmpEcho } from "../support/conversation-other.ts";
import { testCases } from "../support/flow-cases.ts";
import { cutIntoFragments } from "../support/flow-fragments.ts";
import { readAll } from "../support/flow-story.ts";

function engineWith(options: Partial<FlowEngineOptions> = {}): FlowEngine {
  return new FlowEngine({ random: new SeededRandom(1), ...options });
}

describe("mOS defects", () => {
  testCases([
    {
      name: "A.5-1 RST: a blind one neither ends the connection nor blinds who looks",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.server("two"),
        talk.reset("client", { at: 1000 }),
        talk.reset("server", { at: 20_000 }),
        talk.reset("server", { at: 200_000 }),
        talk.client("three", { at: 3 }),
        talk.server("four", { at: 3 }),
      ],
      client: "onethree",
      server: "twofour",
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "A.5-2 window and PAWS: what the receiver drops is not shown",
      talk: { options: { timestamps: true } },
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 10 }),
        talk.ack("client"),
        talk.client("one", { timestamp: [0x7000_0000, 0] }),
        talk.ack("server", { window: 7 }),
        talk.client("old", { timestamp: [1, 0] }),
        talk.client("far", { at: 11, timestamp: [0x7000_0001, 0], arrives: false }),
        talk.client("two", { at: 3, timestamp: [0x7000_0001, 0] }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: ["refused client timestamp 3+3", "refused client window 11+3"],
      client: "onetwo",
    },
    {
      name: "A.5-3 window: it is the advertised one, not a buffer of 8 KiB",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("x".repeat(5000), { at: 60_000 }),
        ...[0, 1, 2, 3].map((index) => talk.client("y".repeat(15_000), { at: index * 15_000 })),
      ],
      events: "outOfWindow gap bufferOverrun",
      log: [],
      client: "y".repeat(60_000) + "x".repeat(5000),
    },
    {
      name: "A.5-6 midstream: a connection without its handshake is followed",
      packets: (talk) => {
        talk.handshake();
        talk.client("missed");
        return [talk.client("seen"), talk.server("answer")];
      },
      events: "orphan",
      log: [],
      client: "seen",
      server: "answer",
      flows: 1,
    },
    {
      name: "A.5-7 IP fragments: they are put together, in any order",
      packets: (talk) => {
        const begin = talk.handshake();
        const data = talk.client("0123456789".repeat(10));
        return [...begin, ...cutIntoFragments(data, 48).toReversed(), talk.client("!")];
      },
      client: `${"0123456789".repeat(10)}!`,
    },
    {
      name: "A.5-8 IPv6 and VLAN are followed",
      talk: { client: "[2001:db8::1]:1025", server: "[2001:db8::2]:80", vlan: [7, 8] },
      packets: (talk) => [...talk.handshake(), talk.client("hello"), talk.server("hi")],
      client: "hello",
      server: "hi",
      flows: 1,
    },
    {
      name: "A.5-10 out of order: a segment whose first part is there already is put where it belongs",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("cdef", { at: 2 }),
        talk.client("efghij", { at: 4 }),
        talk.client("abcde", { at: 0 }),
        talk.client("ijkl", { at: 8 }),
      ],
      client: "abcdefghijkl",
    },
    {
      name: "A.5-16 retransmission of bytes that were read: it is told of, and compared",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("two"),
        talk.client("one", { at: 0 }),
        talk.client("tvo", { at: 3 }),
      ],
      events: "retransmission",
      log: ["again client data 0+3 same", "again client data 3+3 different at 4"],
      client: "onetwo",
    },
  ]);

  for (const compares of [false, true]) {
    it(`A.5-4 newData: its packet can be dropped, and is new when it is sent again${compares ? ", bytes kept" : ""}`, () => {
      for (const clientSequence of [1000, 0xffff_fffd]) {
        const talk = conversation({ clientSequence });
        const engine = engineWith();
        const log: string[] = [];
        let isBad = true;
        const before = engine.monitor();
        const guard = engine.monitor();
        if (compares) {
          guard.on("retransmission", "receiver", (_flow, event) => log.push(`again ${event.content}`));
        }
        before.on("newData", "none", (flow, event) =>
          log.push(`before ${event.offset} ${readAll(flow, "client")}`),
        );
        guard.on("newData", "none", (flow, event) => {
          log.push(`guard ${event.offset} ${readAll(flow, "client")}`);
          if (event.offset === 3 && isBad) flow.drop();
        });
        const verdicts: boolean[] = [];
        const give = (packet: ConversationPacket): void => {
          verdicts.push(engine.handle(packet));
        };
        for (const packet of talk.handshake()) engine.handle(packet);
        give(talk.client("one"));
        give(talk.client("bad", { flags: "FPA", arrives: false }));
        isBad = false;
        give(talk.client("bad", { at: 3, flags: "FPA" }));
        assert.deepEqual(verdicts, [true, false, true]);
        assert.deepEqual(log, [
          ...["before 0 one", "guard 0 one"],
          ...["before 3 bad", "guard 3 bad"],
          ...["before 3 bad", "guard 3 bad"],
        ]);
        engine.close();
        assert.equal(engine.statistics.heldBytes, 0);
      }
    });
  }

  it("A.5-4 newData: dropped, it filled a hole in front of other bytes, which stay and are shown later", () => {
    const talk = conversation();
    const engine = engineWith();
    const monitor = engine.monitor();
    let isBad = true;
    let text = "";
    let state = "";
    monitor.on("newData", "none", (flow) => {
      if (isBad) flow.drop();
      else text += readAll(flow, "client");
    });
    monitor.on("packet", "receiver", (flow) => {
      state = flow.server.state;
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    assert.equal(engine.handle(talk.client("def", { at: 3, flags: "FPA" })), true);
    assert.equal(engine.handle(talk.client("abc", { at: 0, arrives: false })), false);
    assert.equal(state, "ESTABLISHED");
    isBad = false;
    assert.equal(engine.handle(talk.client("abc", { at: 0 })), true);
    assert.equal(text, "abcdef");
    engine.close();
  });

  it("A.5-5 filter: it is asked for each flow anew", () => {
    const engine = engineWith();
    const ports: number[] = [];
    engine
      .monitor({ filter: "tcp port 80" })
      .on("connectionStart", "sender", (flow) => ports.push(flow.server.port));
    for (const port of [80, 81, 80, 443]) {
      const talk = conversation({
        client: `10.0.0.1:${1000 + ports.length * 10 + port}`,
        server: `10.0.0.2:${port}`,
      });
      for (const packet of talk.handshake()) engine.handle(packet);
    }
    assert.deepEqual(ports, [80, 80]);
  });

  it("A.5-11 packet at hook none: each frame once, with a filter or without one", () => {
    const talk = conversation();
    const engine = engineWith();
    const counts: [number, number] = [0, 0];
    engine.monitor({ packets: "tcp" }).on("packet", "none", () => counts[0]++);
    engine.monitor().on("packet", "none", () => counts[1]++);
    for (const packet of [...talk.handshake(), icmpEcho().request("x")]) engine.handle(packet);
    assert.deepEqual(counts, [3, 4]);
  });

  it("A.5-12 timeouts: a flow that lives long delays no other's", () => {
    const engine = engineWith({ policy: { timeouts: { established: milliseconds(1000) } } });
    const ends: number[] = [];
    engine.monitor().on("connectionEnd", "none", (flow) => ends.push(flow.client.port));
    const talks = [1, 2, 3].map((port) => conversation({ client: `10.0.0.1:${port}` }));
    for (const talk of talks) for (const packet of talk.handshake()) engine.handle(packet);
    const busy = talks[0] as (typeof talks)[0];
    for (let index = 0; index < 4; index++) engine.handle(busy.wait(500).client("x"));
    assert.deepEqual(ends.toSorted(), [2, 3]);
  });

  it("A.5-13 events of a program's own: also those below others are held to their hooks", () => {
    const engine = engineWith();
    const child = defineEvent("newData", () => true);
    const grandchild = defineEvent(child, () => true);
    const monitor = engine.monitor();
    assert.throws(() => monitor.on(grandchild, "sender" as "none", () => undefined), {
      code: "configuration",
    });
  });

  it("A.5-14 hash: its key is random, and of this engine only", () => {
    let askedBytes = 0;
    const random = {
      bytes(length: number): Uint8Array {
        askedBytes += length;
        return new Uint8Array(length);
      },
    };
    assert.ok(new FlowEngine({ random: random as never }) instanceof FlowEngine);
    assert.ok(askedBytes >= 8);
  });

  it("A.5-15 errors in callbacks: of every event and hook they are counted, told of, and change nothing", () => {
    const told: string[] = [];
    const engine = engineWith({ onError: (name, error) => told.push(`${name} ${(error as Error).message}`) });
    const wrong = engine.monitor({ name: "wrong" });
    const hooks: readonly (readonly [EventName, readonly Hook[]])[] = [
      ["packet", ["sender", "receiver", "none"]],
      ["connectionStart", ["sender", "receiver"]],
      ["established", ["sender", "receiver"]],
      ["stateChange", ["sender", "receiver"]],
      ["newData", ["none"]],
      ["retransmission", ["receiver"]],
      ["gap", ["none"]],
      ["outOfWindow", ["receiver"]],
      ["bufferOverrun", ["none"]],
      ["orphan", ["none"]],
      ["connectionEnd", ["sender", "receiver", "none"]],
      ["timeout", ["none"]],
    ];
    for (const [event, names] of hooks) {
      for (const hook of names) {
        wrong.on(event as "packet", hook as "sender", (flow: Flow | undefined) => {
          if (event === "connectionStart") flow?.setTimer(milliseconds(1), () => assert.fail("timer"));
          throw new Error(`${event} ${hook}`);
        });
      }
    }
    const isOdd = defineEvent("packet", () => {
      throw new Error("predicate");
    });
    wrong.on(isOdd, "sender", () => undefined);
    let text = "";
    engine.monitor().on("newData", "none", (flow) => {
      text += readAll(flow, "client");
    });
    const talk = conversation();
    for (const packet of [...talk.handshake(), talk.client("one"), talk.client("one", { at: 0 })])
      engine.handle(packet);
    engine.handle(talk.client("x", { at: 900_000, arrives: false }));
    engine.handle(talk.client("b", { at: 4 }));
    engine.handle(talk.ack("server", { acknowledged: 5 }));
    const attempt = conversation({ client: "10.0.0.9:9" });
    engine.handle(attempt.syn());
    const refused = conversation({ client: "10.0.0.8:8" });
    for (const packet of [...refused.handshake(), refused.reset("client")]) engine.handle(packet);
    for (const packet of talk.close()) engine.handle(packet);
    engine.advance(2_000_000_000_000);
    assert.equal(text, "one[1]b");
    assert.equal(engine.statistics.errors, told.length);
    const messages = new Set(told.map((line) => line.split(" ").slice(1).join(" ")));
    const silent = ["bufferOverrun none", "orphan none"];
    for (const [event, names] of hooks) {
      for (const hook of names) {
        const name = `${event} ${hook}`;
        assert.equal(messages.has(name), !silent.includes(name), name);
      }
    }
    assert.ok(messages.has("timer") && messages.has("predicate"));
  });

  it("A.5-15 errors in callbacks: also those of promises", async () => {
    const told: string[] = [];
    const engine = engineWith({ onError: (_name, error) => told.push((error as Error).message) });
    engine.monitor().on("packet", "sender", async () => {
      await Promise.resolve();
      throw new Error("later");
    });
    engine.handle(conversation().syn());
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, ["later"]);
  });
});
