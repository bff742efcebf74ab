/**
 * How connections end: resets that count and that do not, bytes at and behind them, FINs in all places. Hazards 5 to 8.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { conversation } from "../support/conversation.ts";
import { testCases } from "../support/flow-cases.ts";
import { tellStory } from "../support/flow-story.ts";

describe("resets", () => {
  testCases([
    {
      name: "E5 RST: with the exact next number it ends both ends",
      packets: (talk) => [...talk.handshake(), talk.client("one"), talk.ack("server"), talk.reset("client")],
      events: "stateChange connectionEnd outOfWindow",
      log: [
        "sender client CLOSED>SYN_SENT",
        "receiver server LISTEN>SYN_RCVD",
        "receiver client SYN_SENT>ESTABLISHED",
        "receiver server SYN_RCVD>ESTABLISHED",
        "sender client ESTABLISHED>CLOSED",
        "sender end client reset",
        "receiver server ESTABLISHED>CLOSED",
        "receiver end server reset",
        "end reset",
      ],
      client: "one",
    },
    {
      name: "E5 RST: in the window but not exact it is told of, and nothing else (RFC 5961 section 3.2)",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.reset("client", { at: 103 }),
        talk.client("two", { at: 3 }),
      ],
      events: "outOfWindow connectionEnd",
      log: ["refused client reset 103+0", "end end-of-input"],
      client: "onetwo",
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E5 RST: policy window, in the window it ends the connection, as old systems have it",
      policy: { reset: "window" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.reset("client", { at: 103 }),
      ],
      states: "CLOSED CLOSED",
    },
    {
      name: "E5 RST: policy window, outside of the window it is refused as well",
      policy: { reset: "window" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.reset("client", { at: 70_000 }),
        talk.reset("client", { at: -5 }),
      ],
      events: "outOfWindow",
      log: ["refused client reset 70000+0", "refused client reset -5+0"],
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E5 RST: an answer to a SYN has to acknowledge it (RFC 9293 section 3.10.7.3)",
      packets: (talk) => [
        talk.syn(),
        talk.reset("server", { transport: { sequence: 0 } }),
        talk.reset("server", { flags: "RA", transport: { sequence: 0 }, acknowledgement: 77 }),
        talk.synAck(),
        talk.ack("client"),
      ],
      events: "outOfWindow",
      log: ["refused server reset 0+0", "refused server reset 0+0"],
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E5 RST: with a SYN flag it is a reset, and judged as one",
      packets: (talk) => [
        ...talk.handshake(),
        talk.send("client", "", { flags: "SR", at: -1 }),
        talk.client("on", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client reset -1+0"],
      client: "on",
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E6 RST with data: its payload is delivered to nobody",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.send("client", "reason", { flags: "RA" }),
      ],
      client: "one",
      states: "CLOSED CLOSED",
    },
    {
      name: "E6 data behind RST: an event each, no delivery, from either side",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.reset("client"),
        talk.client("two"),
        talk.server("three"),
      ],
      events: "outOfWindow",
      log: ["refused client reset 3+3", "refused server reset 0+5"],
      client: "one",
      server: "",
    },
    {
      name: "E6 SYN behind RST: only a SYN opens again, as another connection",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.reset("client"),
        talk.syn({ sequence: 123_456_789 }),
        talk.synAck({ sequence: 99, acknowledgement: 123_456_790 }),
        talk.client("two", { sequence: 123_456_790, acknowledgement: 100 }),
      ],
      events: "connectionEnd",
      client: "onetwo",
      flows: 2,
    },
    {
      name: "E7 tail at RST: view sent has had what was in order; what is behind a hole is discarded",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("four", { at: 10, arrives: false }),
        talk.reset("server"),
      ],
      events: "gap",
      log: [],
      client: "one",
    },
    {
      name: "E7 tail at RST: policy tail deliver, it is shown behind its gap",
      policy: { tail: "deliver" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("four", { at: 10, arrives: false }),
        talk.reset("server"),
      ],
      events: "gap connectionEnd",
      log: ["sender end server reset", "gap client 3+7", "receiver end client reset", "end reset"],
      client: "one[7]four",
    },
    {
      name: "E7 tail at RST: view acked, what was not acknowledged is discarded",
      monitor: { view: "acked" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.client("two", { arrives: false }),
        talk.reset("server"),
      ],
      client: "one",
    },
    {
      name: "E7 tail at RST: view acked with policy tail deliver, it is shown",
      monitor: { view: "acked" },
      policy: { tail: "deliver" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.client("two", { arrives: false }),
        talk.reset("server"),
      ],
      client: "onetwo",
    },
  ]);

  it("E7 tail at RST: what is discarded can be looked at until connectionEnd has returned", () => {
    const talk = conversation();
    const packets = [
      ...talk.handshake(),
      talk.client("four", { at: 10, arrives: false }),
      talk.reset("server"),
    ];
    const { engine, monitor } = tellStory([]);
    const seen: unknown[] = [];
    monitor.on("connectionEnd", "none", (flow) => {
      seen.push(flow.client.fragments(), Buffer.from(flow.client.at(10, 9) ?? []).toString());
    });
    for (const packet of packets) engine.handle(packet);
    engine.close();
    assert.deepEqual(seen, [[{ offset: 10, lengthBytes: 4 }], "four"]);
    assert.equal(engine.statistics.heldBytes, 0);
  });
});

describe("FIN", () => {
  testCases([
    {
      name: "E8 FIN with data counts one number, takes effect behind the data, and closes",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("bye", { flags: "FA" }),
        talk.server("bye", { flags: "FA" }),
        talk.ack("client"),
      ],
      events: "newData stateChange",
      log: [
        "sender client CLOSED>SYN_SENT",
        "receiver server LISTEN>SYN_RCVD",
        "receiver client SYN_SENT>ESTABLISHED",
        "receiver server SYN_RCVD>ESTABLISHED",
        "sender client ESTABLISHED>FIN_WAIT_1",
        "newData client 0+3",
        "receiver server ESTABLISHED>CLOSE_WAIT",
        "sender server CLOSE_WAIT>LAST_ACK",
        "receiver client FIN_WAIT_1>FIN_WAIT_2",
        "newData server 0+3",
        "receiver client FIN_WAIT_2>TIME_WAIT",
        "receiver server LAST_ACK>CLOSED",
      ],
      client: "bye",
      server: "bye",
    },
    {
      name: "E8 FIN out of order: it waits for the hole in front of it to be filled",
      packets: (talk) => {
        const begin = talk.handshake();
        const data = talk.client("late");
        const fin = talk.fin("client");
        return [...begin, fin, data];
      },
      events: "newData stateChange",
      log: [
        "sender client CLOSED>SYN_SENT",
        "receiver server LISTEN>SYN_RCVD",
        "receiver client SYN_SENT>ESTABLISHED",
        "receiver server SYN_RCVD>ESTABLISHED",
        "sender client ESTABLISHED>FIN_WAIT_1",
        "newData client 0+4",
        "receiver server ESTABLISHED>CLOSE_WAIT",
      ],
      client: "late",
      states: "FIN_WAIT_1 CLOSE_WAIT",
    },
    {
      name: "E8 FIN beyond a hole that is acknowledged: the hole is told of first",
      packets: (talk) => {
        const begin = talk.handshake();
        talk.miss("client", 7);
        return [...begin, talk.fin("client"), talk.ack("server")];
      },
      events: "gap stateChange",
      log: [
        "sender client CLOSED>SYN_SENT",
        "receiver server LISTEN>SYN_RCVD",
        "receiver client SYN_SENT>ESTABLISHED",
        "receiver server SYN_RCVD>ESTABLISHED",
        "sender client ESTABLISHED>FIN_WAIT_1",
        "receiver client FIN_WAIT_1>FIN_WAIT_2",
        "gap client 0+7",
        "sender server ESTABLISHED>CLOSE_WAIT",
      ],
      client: "[7]",
      states: "FIN_WAIT_2 CLOSE_WAIT",
    },
    {
      name: "E8 FIN beyond a hole that nobody acknowledges has no effect",
      packets: (talk) => [...talk.handshake(), talk.client("x", { at: 5 }), talk.fin("client")],
      client: "",
      states: "FIN_WAIT_1 ESTABLISHED",
    },
    {
      name: "E8 FIN repeated is told of as such",
      packets: (talk) => {
        const begin = talk.handshake();
        const fin = talk.fin("client");
        return [...begin, fin, fin, talk.ack("server")];
      },
      events: "retransmission",
      log: ["again client fin 0+0 same"],
      states: "FIN_WAIT_2 CLOSE_WAIT",
    },
    {
      name: "E8 data beyond the FIN is refused, all or what lies beyond",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("end", { flags: "FA" }),
        talk.client("more", { at: 3 }),
        talk.client("end+", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client window 3+4", "refused client window 3+1"],
      client: "end",
    },
    {
      name: "E8 data beyond a FIN that comes later does not belong to the stream",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("beyond", { at: 3, arrives: false }),
        talk.send("client", "end", { flags: "FA", at: 0 }),
      ],
      client: "end",
      states: "FIN_WAIT_1 CLOSE_WAIT",
    },
    {
      name: "A.4-13 a FIN that the tap has missed: acknowledged, it is no byte that is missing",
      packets: (talk) => {
        const begin = talk.handshake();
        const data = talk.client("all");
        talk.fin("client");
        return [...begin, data, talk.ack("server"), talk.fin("server")];
      },
      events: "gap",
      log: [],
      client: "all",
    },
  ]);
});
