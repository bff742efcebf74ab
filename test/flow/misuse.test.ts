/**
 * What programs do to an engine in callbacks: throw, call it again, close it, change what they listen to. Nothing of it
 * may hurt the engine, or other monitors.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds } from "#base/time.ts";
import { type FlowEngine, type FlowFrame, MONITOR_COUNT_MAX } from "#flow/engine.ts";
import { EngineBusyError } from "#flow/errors.ts";
import { defineEvent } from "#flow/event/user-event.ts";
import { type ConversationPacket, conversation } from "../support/conversation.ts";
import { eventful, listen, make, PLACES, record, undisturbed } from "./misuse-cases.ts";

describe("callbacks that throw", () => {
  it("FlowEngine tells every other monitor all, whatever throws", () => {
    const packets = eventful();
    const { engine, errors } = make();
    const bad = engine.monitor({ name: "bad", unreadBytesMax: 0 });
    for (const place of PLACES) {
      listen(bad, place, () => {
        throw new Error(place.join(" "));
      });
    }
    const told = record(engine);
    for (const packet of packets) assert.equal(engine.handle(packet), true);
    engine.close();
    const expected = undisturbed(packets);
    assert.deepEqual(told, expected);
    const thrown = new Set(errors.map((error) => (error as Error).message));
    const missing = PLACES.map((place) => place.join(" ")).filter((name) => !thrown.has(name));
    assert.deepEqual(missing, []);
    assert.equal(engine.statistics.errors, errors.length);
    assert.equal(bad.errorCount, errors.length);
    assert.equal(engine.statistics.heldBytes, 0);
  });

  it("FlowEngine counts what predicates, promises and timers throw", async () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    const odd = defineEvent("packet", () => {
      throw new Error("predicate");
    });
    monitor.on(odd, "sender", () => assert.fail("the predicate has thrown"));
    monitor.on("connectionStart", "sender", async (flow) => {
      flow.setTimer(milliseconds(1), () => {
        throw new Error("timer of a flow");
      });
      monitor.setTimer(milliseconds(1), () => {
        throw new Error("timer of a monitor");
      });
      await Promise.resolve();
      throw new Error("promise");
    });
    for (const packet of conversation().handshake()) engine.handle(packet);
    engine.close();
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(errors.map((error) => (error as Error).message).sort(), [
      "predicate",
      "predicate",
      "predicate",
      "promise",
      "timer of a flow",
      "timer of a monitor",
    ]);
  });

  it("FlowEngine.handle() throws what onError throws, once the packet is done", () => {
    const { engine } = make({
      onError: (_, error) => {
        throw error;
      },
    });
    let count = 0;
    for (const text of ["first", "second"]) {
      engine.monitor().on("packet", "sender", () => {
        count++;
        throw new Error(text);
      });
    }
    const [syn, synAck] = conversation().handshake();
    assert.throws(() => engine.handle(syn as ConversationPacket), /first/);
    assert.equal(count, 2);
    assert.throws(() => engine.handle(synAck as ConversationPacket), /second/);
    assert.deepEqual([engine.statistics.errors, engine.statistics.flows], [4, 1]);
    engine.close();
    assert.equal(engine.statistics.flows, 0);
  });
});

describe("an output that throws", () => {
  it("FlowEngine.handle() throws what it throws once the packet is done, and EngineBusyError where it calls back", () => {
    const packets = conversation().handshake();
    const [syn] = packets as [ConversationPacket];
    const failures: unknown[] = [];
    const outputs: readonly ((engine: FlowEngine) => void)[] = [
      () => {
        throw new Error("no way out");
      },
      (engine) => void engine.handle(syn),
    ];
    for (const output of outputs) {
      const { engine, errors } = make({ output: () => output(engine) });
      const told = record(engine);
      engine.monitor().on("established", "receiver", (flow) => flow.reset());
      for (const packet of packets.slice(0, 2)) engine.handle(packet);
      assert.throws(
        () => engine.handle(packets[2] as ConversationPacket),
        (error) => failures.push(error) > 0,
      );
      assert.ok(told.includes(`established receiver client ${packets[2]?.time}`));
      engine.close();
      assert.deepEqual([engine.statistics.flows, errors], [0, []]);
    }
    assert.match(String(failures[0]), /no way out/);
    assert.ok(failures[1] instanceof EngineBusyError);
  });
});

describe("an engine that is called by its callbacks", () => {
  it("FlowEngine refuses handle(), advance() and close() in every callback, and goes on", () => {
    const packets = eventful();
    const { engine, errors } = make();
    const bad = engine.monitor({ unreadBytesMax: 0 });
    const [other] = conversation({ client: "10.9.9.9:99" }).handshake();
    let callCount = 0;
    for (const place of PLACES) {
      listen(bad, place, () => {
        const calls = [
          () => engine.handle(other as ConversationPacket),
          () => engine.advance(Number.MAX_SAFE_INTEGER),
          () => engine.close(),
        ];
        for (const call of calls) {
          callCount++;
          assert.throws(call, EngineBusyError);
        }
      });
    }
    const told = record(engine);
    for (const packet of packets) engine.handle(packet);
    engine.close();
    assert.deepEqual(errors, []);
    assert.ok(callCount > 100);
    assert.deepEqual(told, undisturbed(packets));
  });

  it("FlowEngine refuses them in timers", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    const [syn, synAck] = conversation().handshake() as [ConversationPacket, ConversationPacket];
    monitor.on("connectionStart", "sender", (flow) => {
      flow.setTimer(milliseconds(1), () => engine.close());
      monitor.setTimer(milliseconds(1), () => engine.handle(syn));
    });
    engine.handle(syn);
    engine.handle(synAck);
    engine.advance(synAck.time + 1000);
    assert.deepEqual(
      errors.map((error) => (error as EngineBusyError).code),
      ["flow-engine-busy", "flow-engine-busy"],
    );
  });
});

describe("monitors that come and go", () => {
  it("FlowEngine.monitor() in a callback follows the flows that begin later", () => {
    const { engine, errors } = make();
    const first = engine.monitor();
    const starts: string[] = [];
    let added = 0;
    first.on("packet", "sender", () => {
      if (added++ > 2) return;
      const late = engine.monitor();
      late.on("packet", "sender", (flow) => starts.push(`${late.name} ${flow.client.port}`));
    });
    for (const packet of conversation({ client: "10.0.0.1:1" }).handshake()) engine.handle(packet);
    assert.deepEqual(starts, []);
    engine.handle(conversation({ client: "10.0.0.1:2" }).syn());
    assert.deepEqual(starts, ["monitor 2 2", "monitor 3 2", "monitor 4 2"]);
    assert.deepEqual(errors, []);
  });

  it("FlowEngine.monitor() refuses one more than there may be, and a filter that is none, and leaves no trace", () => {
    const { engine } = make();
    assert.throws(() => engine.monitor({ filter: "tcp port" }));
    for (let count = 0; count < MONITOR_COUNT_MAX; count++) engine.monitor();
    assert.throws(() => engine.monitor(), { code: "limit-exceeded" });
    let told = 0;
    const { engine: other } = make();
    assert.throws(() => other.monitor({ filter: "nonsense" }));
    other.monitor().on("packet", "sender", () => told++);
    for (const packet of conversation().handshake()) other.handle(packet);
    assert.equal(told, 3);
  });

  it("FlowEngine lets nothing of a link pass a filter that makes no sense on it, and says so once", () => {
    const { engine, errors } = make();
    let told = 0;
    engine.monitor({ filter: "vlan 5" }).on("packet", "sender", () => told++);
    for (const link of ["raw", "ethernet"] as const) {
      for (const packet of conversation({ link, vlan: link === "raw" ? [] : [5] }).handshake()) {
        engine.handle(packet);
        engine.handle(conversation({ link, client: "10.8.8.8:8" }).syn());
      }
    }
    assert.equal(told, 3);
    assert.deepEqual(errors.map(String), [
      "FilterError: Cannot compile the filter at column 1: raw IP has no VLANs",
    ]);
  });

  it("FlowMonitor.on() and Subscription.off() within callbacks take effect with the next event", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    const told: string[] = [];
    const once = monitor.on("packet", "sender", () => {
      told.push("once");
      once.off();
      once.off();
      monitor.on("packet", "sender", () => void told.push("later"));
    });
    const dying = monitor.on("packet", "sender", () => void told.push("dying"));
    monitor.on("packet", "sender", () => dying.off());
    for (const packet of conversation().handshake()) engine.handle(packet);
    assert.deepEqual(told, ["once", "dying", "later", "later"]);
    assert.deepEqual(errors, []);
  });

  it("Flow.on() within a callback is for that flow only, also when a callback does it at each event", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    const told: string[] = [];
    monitor.on("connectionStart", "sender", (flow) => {
      const own = flow.on("packet", "receiver", ({ client }) => {
        told.push(`${client.port}`);
        if (told.length >= 3) own.off();
      });
    });
    for (const port of [1, 2]) {
      for (const packet of conversation({ client: `10.0.0.1:${port}` }).handshake()) engine.handle(packet);
    }
    assert.deepEqual(told, ["1", "1", "1", "2"]);
    assert.deepEqual(errors, []);
  });
});

describe("engines", () => {
  it("FlowEngine goes on after close()", () => {
    const { engine } = make();
    const told = record(engine);
    const packets = eventful();
    for (const packet of packets) engine.handle(packet);
    engine.close();
    engine.close();
    const first = told.splice(0);
    for (const packet of eventful(2000)) engine.handle(packet.at(packet.time + 10_000_000));
    engine.close();
    assert.equal(told.length, first.length);
  });

  it("FlowEngine.handle() takes frames that are empty, cut, or of unknown links", () => {
    const { engine } = make();
    record(engine);
    const [whole] = conversation().handshake() as [ConversationPacket];
    for (let length = 0; length <= whole.capturedBytes; length++) {
      for (const linkType of [0, 1, 12, 101, 113, 276, 9999]) {
        assert.equal(engine.handle(cutTo(whole, length, linkType)), true);
      }
    }
    engine.close();
    const { frames, flows, heldBytes } = engine.statistics;
    assert.deepEqual([frames, flows, heldBytes], [(whole.capturedBytes + 1) * 7, 0, 0]);
  });

  it("FlowEngine.handle() takes every packet of a conversation with options cut at every byte", () => {
    for (const link of ["raw", "ethernet"] as const) {
      const talk = conversation({
        link,
        options: { timestamps: true, mss: 1460, windowScale: 7, sack: true },
      });
      const packets = [...talk.handshake(), talk.client("hello"), talk.ack("server"), ...talk.close()];
      for (const checksums of ["verify", "trust", "auto"] as const) {
        for (const [index, packet] of packets.entries()) {
          for (let length = 0; length < packet.capturedBytes; length++) {
            const { engine, errors } = make({ policy: { checksums } });
            record(engine);
            for (const before of packets.slice(0, index)) engine.handle(before);
            assert.equal(engine.handle(cutTo(packet, length, packet.linkType)), true);
            engine.close();
            assert.deepEqual(errors, []);
          }
        }
      }
    }
  });
});

/** The first bytes of a packet, with nothing behind them. */
function cutTo(packet: ConversationPacket, length: number, linkType: number): FlowFrame {
  const { seconds, nanoseconds, originalBytes } = packet;
  const bytes = packet.bytes.slice(0, length);
  return { seconds, nanoseconds, bytes, offset: 0, capturedBytes: length, originalBytes, linkType };
}
