/**
 * What mOS does and this engine does as well, point by point.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds } from "#base/time.ts";
import { FlowEngine, type FlowEngineOptions } from "#flow/engine.ts";
import { raise } from "#flow/event/dispatch.ts";
import { defineEvent, floatingEvent } from "#flow/event/user-event.ts";
import type { Flow } from "#flow/flow.ts";
import { conversation } from "../support/conversation.ts";
import { udpTalk } from "../support/conversation-other.ts";
import { readAll, tellStory } from "../support/flow-story.ts";

function engineWith(options: Partial<FlowEngineOptions> = {}): FlowEngine {
  return new FlowEngine({ random: new SeededRandom(1), ...options });
}

describe("mOS semantics", () => {
  it("A.4-1 every packet passes the sender's stack, then the receiver's; data is told of last", () => {
    const talk = conversation();
    const begin = talk.handshake();
    const packets = [...begin, talk.client("one"), talk.client("one", { at: 0 })];
    const { log } = tellStory(packets, {
      events: "packet newData retransmission connectionStart",
    });
    assert.deepEqual(log.slice(-7), [
      "receiver packet client",
      "sender packet client",
      "receiver packet client",
      "newData client 0+3",
      "sender packet client",
      "again client data 0+3 same",
      "receiver packet client",
    ]);
    assert.deepEqual(log.slice(0, 4), [
      "sender packet client",
      "sender connectionStart client",
      "receiver packet client",
      "receiver connectionStart client",
    ]);
  });

  it("A.4-1 at each hook the stack behind it is up to date, and the next one is not", () => {
    const talk = conversation();
    const engine = engineWith();
    const states: string[] = [];
    const monitor = engine.monitor();
    for (const hook of ["sender", "receiver"] as const) {
      monitor.on("packet", hook, (flow) => states.push(`${hook} ${flow.client.state} ${flow.server.state}`));
    }
    for (const packet of talk.handshake()) engine.handle(packet);
    assert.deepEqual(states, [
      "sender SYN_SENT LISTEN",
      "receiver SYN_SENT SYN_RCVD",
      "sender SYN_SENT SYN_RCVD",
      "receiver ESTABLISHED SYN_RCVD",
      "sender ESTABLISHED SYN_RCVD",
      "receiver ESTABLISHED ESTABLISHED",
    ]);
  });

  it("A.4-2 within a hook: packet, connectionStart, established, stateChange, connectionEnd", () => {
    const talk = conversation();
    const { log } = tellStory([talk.syn(), talk.synAck(), talk.ack("client"), talk.reset("client")], {
      events: "connectionEnd stateChange established connectionStart packet",
    });
    assert.deepEqual(log.slice(0, 3), [
      "sender packet client",
      "sender connectionStart client",
      "sender client CLOSED>SYN_SENT",
    ]);
    assert.deepEqual(log.slice(-7), [
      "sender packet client",
      "sender client ESTABLISHED>CLOSED",
      "sender end client reset",
      "receiver packet client",
      "receiver server ESTABLISHED>CLOSED",
      "receiver end server reset",
      "end reset",
    ]);
  });

  it("A.4-3 events of a program's own are a tree below a built-in one; a raised one is visited once", () => {
    const talk = conversation();
    const engine = engineWith();
    const log: string[] = [];
    const isData = defineEvent("packet", (flow: Flow) => flow.payloadBytes > 0);
    const isLong = defineEvent(isData, (flow: Flow) => flow.payloadBytes > 3);
    const found = floatingEvent("packet");
    const monitor = engine.monitor();
    monitor.on(isLong, "sender", () => log.push("long"));
    monitor.on("packet", "sender", () => log.push("packet"));
    monitor.on(isData, "sender", (_flow, event) => {
      log.push("data");
      raise(event, found);
    });
    monitor.on(found, "sender", () => log.push("found"));
    for (const packet of talk.handshake()) engine.handle(packet);
    log.length = 0;
    engine.handle(talk.client("abc"));
    engine.handle(talk.client("abcd"));
    assert.deepEqual(log, ["packet", "data", "found", "packet", "data", "long", "found"]);
  });

  it("A.4-4 several monitors: in order for the client's packets, in reverse for the server's", () => {
    const talk = conversation();
    const engine = engineWith();
    const log: string[] = [];
    for (const name of ["1", "2", "3"]) {
      const monitor = engine.monitor({ name });
      monitor.on("packet", "sender", (_flow, event) => log.push(`${event.sender} ${name}`));
      monitor.on("newData", "none", (flow, event) => log.push(`${readAll(flow, event.sender)} ${name}`));
    }
    for (const packet of talk.handshake()) engine.handle(packet);
    log.length = 0;
    engine.handle(talk.client("ask"));
    engine.handle(talk.server("answer"));
    assert.deepEqual(log, [
      ...["client 1", "client 2", "client 3", "ask 1", "ask 2", "ask 3"],
      ...["server 3", "server 2", "server 1", "answer 3", "answer 2", "answer 1"],
    ]);
  });

  it("A.4-5 registering on a flow changes that flow only, and what the monitor adds later is not its", () => {
    const engine = engineWith();
    const log: string[] = [];
    const monitor = engine.monitor();
    monitor.on("connectionStart", "sender", (flow) => {
      if (flow.client.port === 1) flow.on("packet", "receiver", () => log.push("own"));
    });
    const talks = [1, 2].map((port) => conversation({ client: `10.0.0.1:${port}` }));
    for (const talk of talks) for (const packet of talk.handshake()) engine.handle(packet);
    assert.deepEqual(log, ["own", "own", "own"]);
    log.length = 0;
    monitor.on("packet", "sender", (flow) => log.push(`all ${flow.client.port}`));
    for (const talk of talks) engine.handle(talk.client("x"));
    assert.deepEqual(log, ["own", "all 2"]);
  });

  it("A.4-6 callbacks of one event and hook: mOS has one, here they are called in order, each once", () => {
    const talk = conversation();
    const engine = engineWith();
    const log: string[] = [];
    const monitor = engine.monitor();
    const first = (): unknown => log.push("first");
    monitor.on("packet", "sender", first);
    const second = monitor.on("packet", "sender", () => log.push("second"));
    monitor.on("packet", "sender", first);
    engine.handle(talk.syn());
    second.off();
    engine.handle(talk.synAck());
    assert.deepEqual(log, ["first", "second", "first"]);
  });

  it("A.4-8 a dropped packet goes no further, whoever drops it and whatever others do", () => {
    for (const hook of ["sender", "receiver"] as const) {
      const talk = conversation();
      const engine = engineWith();
      const monitor = engine.monitor();
      let received = 0;
      monitor.on("packet", hook, (flow) => {
        if (flow.payloadBytes > 0) flow.drop();
      });
      engine.monitor().on("packet", "receiver", (flow) => {
        if (flow.payloadBytes > 0) received++;
      });
      let text = "";
      monitor.on("newData", "none", (flow) => {
        text += readAll(flow, "client");
      });
      const verdicts = [...talk.handshake(), talk.client("x")].map((packet) => engine.handle(packet));
      assert.deepEqual(verdicts, [true, true, true, false]);
      assert.equal(received, hook === "sender" ? 0 : 1);
      assert.equal(text, "", "its receiver has not got it");
    }
  });

  it("A.4-8 a SYN that was dropped has reached no server: its connection starts when it is sent again", () => {
    const talk = conversation();
    const engine = engineWith();
    const log: string[] = [];
    let isShut = true;
    const monitor = engine.monitor();
    monitor.on("connectionStart", "sender", () => log.push("sender"));
    monitor.on("connectionStart", "receiver", (flow) => log.push(`receiver ${flow.server.state}`));
    monitor.on("packet", "sender", (flow) => {
      if (isShut) flow.drop();
    });
    const syn = talk.syn();
    assert.equal(engine.handle(syn), false);
    assert.equal(engine.handle(syn), false);
    assert.deepEqual(log, ["sender"]);
    isShut = false;
    assert.equal(engine.handle(syn), true);
    assert.deepEqual(log, ["sender", "receiver SYN_RCVD"]);
  });

  it("A.4-9 a wrong checksum: the packet goes on, and no flow is touched by it", () => {
    const talk = conversation();
    const packets = [
      ...talk.handshake(),
      talk.client("bad", { badChecksum: true }),
      talk.reset("client", { badChecksum: true, at: 0 }),
    ];
    const story = tellStory(packets, { policy: { checksums: "verify" }, events: "packet connectionEnd" });
    assert.equal(story.log.length, 7);
    assert.deepEqual(story.dropped, []);
    assert.equal(story.engine.statistics.badChecksums, 2);
  });

  it("A.4-10 what is no IP, and no TCP, goes on; datagrams are flows with data of their own", () => {
    const engine = engineWith();
    let text = "";
    engine.monitor({ view: "acked" }).on("newData", "none", (flow, event) => {
      text += readAll(flow, event.sender);
    });
    const arp = new Uint8Array(60);
    arp[12] = 8;
    arp[13] = 6;
    const frame = {
      seconds: 1,
      nanoseconds: 0,
      bytes: arp,
      offset: 0,
      capturedBytes: 60,
      originalBytes: 60,
      linkType: 1,
    };
    assert.equal(engine.handle(frame), true);
    const talk = udpTalk();
    for (const packet of [talk.client("ask"), talk.server("answer")])
      assert.equal(engine.handle(packet), true);
    assert.equal(text, "askanswer");
    assert.equal(engine.statistics.otherFrames, 1);
    engine.close();
  });

  it("A.4-10 datagrams: who reads late gets them all", () => {
    const engine = engineWith();
    const talk = udpTalk();
    const texts: string[] = [];
    let count = 0;
    engine.monitor().on("newData", "none", (flow) => {
      if (++count === 3) texts.push(readAll(flow, "client"));
    });
    for (const word of ["one", "two", "three"]) engine.handle(talk.client(word));
    assert.deepEqual(texts, ["onetwothree"]);
    engine.close();
    assert.equal(engine.statistics.heldBytes, 0);
  });

  it("A.4-11 an idle flow times out, also where it shares the clock with busy ones", () => {
    const engine = engineWith({ policy: { timeouts: { established: milliseconds(1000) } } });
    const ends: string[] = [];
    engine.monitor().on("connectionEnd", "none", (flow, event) => {
      ends.push(`${flow.client.port} ${event.reason}`);
    });
    const [idle, busy] = [1, 2].map((port) => conversation({ client: `10.0.0.1:${port}` }));
    for (const talk of [idle, busy]) for (const packet of talk?.handshake() ?? []) engine.handle(packet);
    for (let index = 0; index < 5; index++) engine.handle(busy?.wait(400).client("x") as never);
    assert.deepEqual(ends, ["1 timeout"]);
  });

  it("A.4-12 in-order bytes that are read at once take no memory", () => {
    const talk = conversation();
    const engine = engineWith();
    engine.monitor().on("newData", "none", (flow, event) => {
      readAll(flow, event.sender);
      assert.equal(engine.statistics.heldBytes, 0);
    });
    for (const packet of talk.handshake()) engine.handle(packet);
    for (let index = 0; index < 10; index++) engine.handle(talk.client("x".repeat(1400)));
    engine.handle(talk.client("behind", { at: 14_010 }));
    assert.ok(engine.statistics.heldBytes > 0);
    engine.handle(talk.client("0123456789", { at: 14_000 }));
    engine.handle(talk.client("again"));
    assert.equal(engine.statistics.heldBytes, 0);
  });

  it("A.4-13 what the tap has missed is inferred, or nothing is: policy unseen", () => {
    for (const unseen of ["infer", "refuse"] as const) {
      const talk = conversation();
      const [syn, , ack] = talk.handshake();
      const data = [talk.client("hello"), talk.server("hi")];
      const story = tellStory([syn, ack, ...data] as never, { policy: { unseen } });
      assert.equal(
        story.states,
        unseen === "infer" ? "ESTABLISHED ESTABLISHED" : "SYN_SENT SYN_RCVD",
        unseen,
      );
    }
  });

  it("A.2 connectionEnd tells why: closed, reset, timeout, evicted, reused, end of input", () => {
    const reasons: string[] = [];
    const tell = (packets: Parameters<typeof tellStory>[0], limits = {}): void => {
      const { log } = tellStory(packets, { events: "connectionEnd", limits });
      reasons.push(log.filter((line) => line.startsWith("end")).join());
    };
    const talk = (port: number): ReturnType<typeof conversation> =>
      conversation({ client: `10.0.0.1:${port}` });
    const closed = talk(1);
    tell([...closed.handshake(), ...closed.close()]);
    const reset = talk(2);
    tell([...reset.handshake(), reset.reset("server")]);
    tell(talk(3).handshake());
    tell([...talk(4).handshake(), ...talk(5).handshake()], { flowCountMax: 1 });
    const tried = talk(6);
    tell([tried.syn(), tried.syn({ transport: { sequence: 77 } })]);
    const late = talk(7);
    tell([...late.handshake(), ...talk(8).wait(1_000_000).handshake()]);
    assert.deepEqual(reasons, [
      "end closed",
      "end reset",
      "end end-of-input",
      "end evicted,end end-of-input",
      "end reused,end end-of-input",
      "end timeout,end end-of-input",
    ]);
  });

  it("A.2 connectionEnd and timeout have no packet, whatever packet has led to them", () => {
    const talk = conversation();
    const engine = engineWith();
    const seen: string[] = [];
    engine.monitor().on("connectionEnd", "none", (flow, event) => {
      try {
        seen.push(String(flow.packet.lengthBytes));
      } catch (error) {
        seen.push(`${event.reason} ${(error as { code: string }).code}`);
      }
    });
    engine.handle(talk.syn());
    engine.handle(talk.syn({ transport: { sequence: 77 } }));
    assert.deepEqual(seen, ["reused no-packet"]);
    engine.close();
  });
});
