/**
 * How connections begin, in all orders that captures and liars have for it. Hazards 16 to 20.
 * @module
 */
import { describe } from "node:test";
import { testCases } from "../support/flow-cases.ts";

const opened = "established";

describe("handshakes", () => {
  testCases([
    {
      name: "E17 handshake: the usual one, with the states of both ends behind each stack",
      packets: (talk) => [...talk.handshake(), ...talk.close()],
      events: "connectionStart established stateChange connectionEnd",
      log: [
        "sender connectionStart client",
        "sender client CLOSED>SYN_SENT",
        "receiver connectionStart client",
        "receiver server LISTEN>SYN_RCVD",
        "receiver client SYN_SENT>ESTABLISHED",
        "sender established client",
        "receiver established client",
        "receiver server SYN_RCVD>ESTABLISHED",
        "sender client ESTABLISHED>FIN_WAIT_1",
        "receiver server ESTABLISHED>CLOSE_WAIT",
        "sender server CLOSE_WAIT>LAST_ACK",
        "receiver client FIN_WAIT_1>FIN_WAIT_2",
        "receiver client FIN_WAIT_2>TIME_WAIT",
        "receiver end client closed",
        "receiver server LAST_ACK>CLOSED",
        "receiver end server closed",
        "end closed",
      ],
      flows: 1,
    },
    {
      name: "E17 handshake: SYN and ACK seen before the SYN is one connection, its direction right",
      packets: (talk) => {
        const [syn, answer, ack] = talk.handshake();
        return [answer, syn, ack, talk.client("hello"), talk.server("hi")] as never;
      },
      events: opened,
      client: "hello",
      server: "hi",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E17 handshake: an ACK and data seen before the SYN lose nothing that can be had",
      packets: (talk) => {
        const [syn, answer, ack] = talk.handshake();
        return [answer, ack, talk.client("hello"), syn, talk.client(" world")] as never;
      },
      client: "hello world",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E17 half open: only SYN and ACK; it is the server that has sent it",
      packets: (talk) => {
        talk.syn();
        return [talk.synAck()];
      },
      events: "connectionStart stateChange",
      log: [
        "sender connectionStart server",
        "receiver connectionStart server",
        "receiver client SYN_SENT>ESTABLISHED",
      ],
      flows: 1,
    },
    {
      name: "E17 half open: SYN refused by RST, tried again with the same number, and answered then",
      packets: (talk) => {
        const syn = talk.syn();
        const refused = talk.reset("server", { flags: "RA", transport: { sequence: 0 } });
        const again = talk.syn({ time: 500 });
        return [syn, refused, again, talk.synAck({ time: 501 }), talk.ack("client"), talk.client("in")];
      },
      events: "connectionEnd outOfWindow",
      client: "in",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E17 lost: the SYN and ACK was not seen; who acknowledges has had it",
      packets: (talk) => {
        const [syn, , ack] = talk.handshake();
        return [syn, ack, talk.client("hello"), talk.server("hi")] as never;
      },
      client: "hello",
      server: "hi",
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E18 simultaneous open: two SYNs cross and are one connection with both numbers",
      packets: (talk) => [
        talk.syn({ acknowledgement: 0 }),
        talk.syn({}, "", "server"),
        talk.synAck({ acknowledged: 0 }, "", "client"),
        talk.synAck({ acknowledged: 0 }, "", "server"),
        talk.client("hello"),
        talk.server("hi"),
      ],
      events: "stateChange established outOfWindow",
      log: [
        "sender client CLOSED>SYN_SENT",
        "receiver server LISTEN>SYN_RCVD",
        "sender server SYN_RCVD>SYN_SENT",
        "receiver client SYN_SENT>SYN_RCVD",
        "receiver server SYN_SENT>ESTABLISHED",
        "sender established server",
        "receiver established server",
        "receiver client SYN_RCVD>ESTABLISHED",
      ],
      client: "hello",
      server: "hi",
      flows: 1,
    },
    {
      name: "E18 split handshake of four packets: SYN, ACK, SYN, SYN and ACK",
      packets: (talk) => [
        talk.syn(),
        talk.server("", { flags: "A", transport: { sequence: 77 }, acknowledged: 0 }),
        talk.syn({}, "", "server"),
        talk.synAck({ acknowledged: 0 }, "", "client"),
        talk.ack("server", { acknowledged: 0 }),
        talk.server("attack"),
        talk.client("hello"),
      ],
      events: opened,
      client: "hello",
      server: "attack",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E18 split handshake of five packets: the server's SYN comes without ACK",
      packets: (talk) => [
        talk.syn(),
        talk.syn({}, "", "server"),
        talk.synAck({ acknowledged: 0 }, "", "client"),
        talk.ack("server", { acknowledged: 0 }),
        talk.ack("client", { acknowledged: 0 }),
        talk.server("attack"),
        talk.client("hello"),
      ],
      client: "hello",
      server: "attack",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E19 repeated SYN: it is told of as such and starts nothing",
      packets: (talk) => {
        const [syn, answer, ack] = talk.handshake();
        return [syn, syn, answer, answer, ack, talk.client("x")] as never;
      },
      events: "connectionStart retransmission",
      log: [
        "sender connectionStart client",
        "receiver connectionStart client",
        "again client syn 0+0 same",
        "again server syn 0+0 same",
      ],
      client: "x",
      flows: 1,
    },
    {
      name: "E19 repeated SYN with another number, unanswered: the first attempt was given up",
      packets: (talk) => {
        const first = talk.syn({ transport: { sequence: 3_141_592_653 } });
        const [second, answer, ack] = talk.handshake();
        return [first, second, answer, ack, talk.client("x")] as never;
      },
      events: "connectionEnd",
      client: "x",
      states: "ESTABLISHED ESTABLISHED",
      flows: 2,
    },
    {
      name: "E19 SYN inside of a connection: an event, and the connection goes on (RFC 5961 section 4)",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.syn({ sequence: 123_456_789 }),
        talk.synAck({ sequence: 987_654_321, acknowledgement: 42 }),
        talk.client("two", { at: 3 }),
      ],
      events: "outOfWindow",
      client: "onetwo",
      states: "ESTABLISHED ESTABLISHED",
      flows: 1,
    },
    {
      name: "E19 ports used again: a SYN behind FINs opens another connection",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        ...talk.close(),
        talk.syn({ sequence: 123_456_789 }),
        talk.synAck({ sequence: 99, acknowledgement: 123_456_790 }),
        talk.client("two", { sequence: 123_456_790, acknowledgement: 100 }),
      ],
      events: "connectionEnd",
      client: "onetwo",
      flows: 2,
    },
    {
      name: "E19 ports used again: the end of the first was not seen; the second one's answer says so",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.syn({ sequence: 123_456_789 }),
        talk.synAck({ sequence: 99, acknowledgement: 123_456_790 }),
        talk.client("two", { sequence: 123_456_790, acknowledgement: 100 }),
      ],
      client: "onetwo",
      flows: 2,
    },
    {
      name: "E19 ports used again: the second one's answer says so, also of a server that begins with the same number",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.syn({ sequence: 123_456_789 }),
        talk.synAck({ at: -1, acknowledgement: 123_456_790 }),
        talk.client("two", { sequence: 123_456_790, acknowledged: 0 }),
      ],
      client: "onetwo",
      flows: 2,
    },
    {
      name: "E19 ports used again: of a connection without a start that nobody answers in",
      packets: (talk) => [
        talk.client("old", { sequence: 500, acknowledgement: 9 }),
        talk.syn({ sequence: 123_456_789 }),
        talk.client("two", { sequence: 123_456_790, acknowledgement: 100 }),
      ],
      client: "oldtwo",
      flows: 2,
    },
    {
      name: "E20 data in the SYN: shown once the answer acknowledges it (RFC 7413)",
      packets: (talk) => [talk.syn({}, "early"), talk.synAck(), talk.client(" late")],
      events: "newData",
      log: ["newData client 0+5", "newData client 5+5"],
      client: "early late",
    },
    {
      name: "E20 data in the SYN: not acknowledged it is not shown, and comes again",
      packets: (talk) => [
        talk.syn({}, "other"),
        talk.synAck({ acknowledged: 0 }),
        talk.client("early", { at: 0 }),
      ],
      events: "newData retransmission",
      log: ["newData client 0+5"],
      client: "early",
    },
    {
      name: "E20 data in the SYN: a part is acknowledged, the rest comes again",
      packets: (talk) => [
        talk.syn({}, "early"),
        talk.synAck({ acknowledged: 2 }),
        talk.client("RLY", { at: 2 }),
      ],
      client: "eaRLY",
    },
    {
      name: "E20 data in the SYN and ACK is the server's, from the first byte on",
      packets: (talk) => [talk.syn(), talk.synAck({}, "hello"), talk.ack("client"), talk.server(" you")],
      server: "hello you",
    },
    {
      name: "E20 data in a SYN that is repeated when all was acknowledged is a repetition",
      packets: (talk) => {
        const syn = talk.syn({}, "early");
        return [syn, talk.synAck(), syn, talk.client(" late")];
      },
      events: "newData",
      log: ["newData client 0+5", "newData client 5+5"],
      client: "early late",
    },
    {
      name: "E5 SYN with FIN opens nothing and changes nothing",
      packets: (talk) => [talk.syn({ flags: "SF" }), talk.client("x", { at: 0 })],
      events: "outOfWindow",
      log: ["refused client syn 0+0"],
    },
  ]);
});

describe("connections met in the middle", () => {
  const middle = { client: "10.0.0.1:50000", server: "10.0.0.2:443" };
  testCases([
    {
      name: "E16 midstream on: whoever is seen first is the client, and what follows is followed",
      talk: middle,
      policy: { midstream: "on" },
      packets: (talk) => {
        talk.handshake();
        return [talk.server("answer"), talk.client("more"), talk.server("!")];
      },
      client: "answer!",
      server: "more",
      states: "ESTABLISHED ESTABLISHED",
    },
    {
      name: "E16 midstream guess: the well-known port is the server's",
      talk: middle,
      policy: { midstream: "guess" },
      packets: (talk) => {
        talk.handshake();
        return [talk.server("answer"), talk.client("more"), talk.server("!")];
      },
      client: "more",
      server: "answer!",
    },
    {
      name: "E16 midstream off: packets of no known connection are orphans, each of them",
      talk: middle,
      policy: { midstream: "off" },
      packets: (talk) => {
        talk.handshake();
        return [talk.server("answer"), talk.client("more")];
      },
      events: "orphan packet",
      log: ["orphan", "orphan"],
      flows: 0,
    },
    {
      name: "E16 midstream off: a handshake is followed all the same",
      talk: middle,
      policy: { midstream: "off" },
      packets: (talk) => [...talk.handshake(), talk.client("more")],
      events: "orphan",
      log: [],
      client: "more",
      flows: 1,
    },
    {
      name: "E16 partial: no window is known, so that none is enforced",
      packets: (talk) => {
        talk.handshake();
        talk.client("-");
        return [talk.server("a", { window: 1 }), talk.client("x".repeat(100)), talk.client("y".repeat(100))];
      },
      events: "outOfWindow",
      log: [],
      client: "x".repeat(100) + "y".repeat(100),
      server: "a",
    },
  ]);
});
