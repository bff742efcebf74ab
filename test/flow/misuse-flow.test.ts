/**
 * What programs do to flows: keep those that have ended, drop packets everywhere, ask for what there is not.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds, minutes } from "#base/time.ts";
import type { FlowEngine } from "#flow/engine.ts";
import { FlowEndedError, NoPacketError } from "#flow/errors.ts";
import type { Flow } from "#flow/flow.ts";
import { conversation } from "../support/conversation.ts";
import { eventful, listen, make, PLACES } from "./misuse-cases.ts";

describe("flows that have ended", () => {
  const uses: readonly (readonly [string, (flow: Flow) => unknown])[] = [
    ["protocol", (flow) => flow.protocol],
    ["version", (flow) => flow.version],
    ["isPartial", (flow) => flow.isPartial],
    ["encapsulation", (flow) => flow.encapsulation],
    ["firstSeen", (flow) => flow.firstSeen],
    ["lastSeen", (flow) => flow.lastSeen],
    ["client.address", (flow) => flow.client.address],
    ["server.port", (flow) => flow.server.port],
    ["client.state", (flow) => flow.client.state],
    ["client.nextOffset", (flow) => flow.client.nextOffset],
    ["client.windowBytes", (flow) => flow.client.windowBytes],
    ["client.acknowledgedOffset", (flow) => flow.client.acknowledgedOffset],
    ["client.read()", (flow) => flow.client.read()],
    ["client.unreadBytes", (flow) => flow.client.unreadBytes],
    ["client.at()", (flow) => flow.client.at(0, 1)],
    ["client.fragments()", (flow) => flow.client.fragments()],
    ["client.send()", (flow) => flow.client.send(new Uint8Array(1))],
    ["reset()", (flow) => flow.reset()],
    ["stop()", (flow) => flow.stop()],
    ["drop()", (flow) => flow.drop()],
    ["packet", (flow) => flow.packet],
    ["on()", (flow) => flow.on("packet", "sender", () => {})],
    ["setTimer()", (flow) => flow.setTimer(milliseconds(1), () => {})],
    ["context =", (flow) => Object.assign(flow, { context: 1 })],
  ];

  /** A flow that has ended, whose row another has. */
  function endedFlow(engine: FlowEngine): Flow {
    const monitor = engine.monitor();
    let kept: Flow | undefined;
    monitor.on("newData", "none", (flow) => {
      kept ??= flow;
    });
    const talk = conversation();
    for (const packet of [...talk.handshake(), talk.client("unread"), talk.reset("client")]) {
      engine.handle(packet);
    }
    engine.advance(talk.ack("client").time + 3_600_000);
    assert.equal(engine.statistics.flows, 0);
    engine.handle(conversation({ client: "10.3.3.3:3", epoch: 1_800_000_000_000 }).syn());
    assert.ok(kept);
    return kept;
  }

  for (const [name, use] of uses) {
    it(`Flow.${name} of a flow that has ended throws a FlowEndedError`, () => {
      const { engine } = make();
      const flow = endedFlow(engine);
      assert.equal(flow.isOpen, false);
      assert.throws(() => use(flow), FlowEndedError);
    });
  }

  it("Flow.context stays readable", () => {
    const { engine } = make();
    const monitor = engine.monitor<string>();
    let kept: Flow<string> | undefined;
    monitor.on("connectionStart", "sender", (flow) => {
      flow.context = "mine";
      kept = flow;
    });
    engine.handle(conversation().syn());
    engine.close();
    assert.equal(kept?.context, "mine");
  });

  it("Flow is whole in connectionEnd, whatever made it end, and gone when that has returned", () => {
    const { engine, errors } = make({ limits: { flowCountMax: 1 } });
    const monitor = engine.monitor();
    const reasons: string[] = [];
    const flows: Flow[] = [];
    monitor.on("connectionEnd", "none", (flow, { reason }) => {
      assert.equal(flow.isOpen, true);
      assert.equal(flow.client.address, "10.0.0.1");
      reasons.push(reason);
      flows.push(flow);
      flow.on("packet", "sender", () => assert.fail("there are no more"));
      flow.setTimer(minutes(1), () => assert.fail("it has ended"));
      flow.stop();
    });
    const talk = conversation({ client: "10.0.0.1:1" });
    for (const packet of talk.handshake()) engine.handle(packet);
    engine.handle(conversation({ client: "10.0.0.1:2" }).syn());
    engine.handle(conversation({ client: "10.0.0.1:2", clientSequence: 77 }).syn());
    engine.advance(1_900_000_000_000);
    engine.handle(conversation({ client: "10.0.0.1:3", epoch: 1_900_000_000_001 }).syn());
    engine.close();
    engine.advance(2_000_000_000_000);
    assert.deepEqual(reasons, ["evicted", "reused", "timeout", "end-of-input"]);
    for (const flow of flows) assert.equal(flow.isOpen, false);
    assert.deepEqual(errors, []);
  });
});

describe("packets at hand", () => {
  it("Flow.drop() in any event stops the packet, and changes nothing for the ones after it", () => {
    for (const place of PLACES) {
      const packets = eventful();
      const { engine, errors } = make();
      const monitor = engine.monitor();
      let dropCount = 0;
      listen(monitor, place, (flow) => {
        if (flow === undefined) monitor.drop();
        else flow.drop();
        dropCount++;
      });
      for (const packet of packets) engine.handle(packet);
      engine.close();
      assert.deepEqual(errors, [], place.join(" "));
      const { flows, heldBytes } = engine.statistics;
      assert.deepEqual([flows, heldBytes], [0, 0], place.join(" "));
      if (place[0] === "packet") assert.ok(dropCount >= 3);
      const honest = conversation({ client: "10.7.7.7:7", epoch: 1_900_000_000_000 }).handshake();
      if (place[0] === "timeout") assert.ok(honest.every((packet) => engine.handle(packet)));
    }
  });

  it("Flow.drop() of a flow that ends for another one leaves the other one's packet alone", () => {
    for (const [second, reason] of [
      [{ client: "10.0.0.1:2" }, "evicted"],
      [{ client: "10.0.0.1:1", clientSequence: 77 }, "reused"],
    ] as const) {
      const { engine, errors } = make({ limits: { flowCountMax: 1 } });
      const monitor = engine.monitor();
      const reasons: string[] = [];
      monitor.on("connectionEnd", "none", (flow, event) => {
        flow.drop();
        reasons.push(event.reason);
      });
      engine.handle(conversation({ client: "10.0.0.1:1" }).syn());
      assert.equal(engine.handle(conversation(second).syn()), true);
      assert.deepEqual(reasons, [reason]);
      assert.deepEqual(errors, []);
    }
  });

  it("Flow.packet is refused where there is none", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    monitor.on("connectionEnd", "none", (flow) => flow.packet);
    monitor.on("timeout", "none", (flow) => flow.packet);
    monitor.on("connectionStart", "sender", (flow) => {
      flow.setTimer(milliseconds(5), () => flow.packet);
    });
    engine.handle(conversation().syn());
    engine.advance(1_900_000_000_000);
    engine.handle(conversation({ epoch: 1_900_000_000_001 }).syn());
    engine.close();
    assert.equal(errors.length, 4);
    for (const error of errors) assert.ok(error instanceof NoPacketError, String(error));
  });

  it("Flow.reset() and FlowEnd.send() without an output are refused", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    monitor.on("connectionStart", "sender", (flow) => flow.reset());
    monitor.on("connectionStart", "receiver", (flow) => flow.client.send(new Uint8Array(3)));
    for (const packet of conversation().handshake()) engine.handle(packet);
    assert.match(String(errors[0]), /Cannot reset the flow: the engine was made without an output/);
    assert.match(String(errors[1]), /Cannot send: the engine was made without an output/);
    assert.equal(errors.length, 2);
  });

  it("FlowEnd.read() asks for odd lengths and offsets in peace", () => {
    const { engine, errors } = make();
    const monitor = engine.monitor();
    const read: string[] = [];
    monitor.on("newData", "none", ({ client }) => {
      for (const odd of [0, -1, Number.NaN]) assert.equal(client.read(odd), undefined);
      for (const odd of [-1, 99, Number.NaN, Number.POSITIVE_INFINITY])
        assert.equal(client.at(odd, 5), undefined);
      assert.equal(client.at(0, 0)?.length ?? 0, 0);
      const piece = client.read(Number.POSITIVE_INFINITY);
      read.push(Buffer.from(piece?.bytes ?? []).toString());
    });
    const talk = conversation();
    for (const packet of [...talk.handshake(), talk.client("hello")]) engine.handle(packet);
    assert.deepEqual(errors, []);
    assert.deepEqual(read, ["hello"]);
  });
});
