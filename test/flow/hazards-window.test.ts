/**
 * What a receiver takes: windows, timestamps, probes, and what must not matter. Hazards 10, 11, 22 and 31.
 * @module
 */
import { describe } from "node:test";
import { testCases } from "../support/flow-cases.ts";

const TIMESTAMPS = { options: { timestamps: true } };

describe("windows", () => {
  testCases([
    {
      name: "E10 window: beyond it nothing is taken, and an event says so",
      packets: (talk) => [
        talk.syn(),
        talk.synAck(),
        talk.ack("client"),
        talk.ack("server", { window: 10 }),
        talk.client("beyond", { at: 11 }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      // The edge that the SYN and ACK has offered never moves back.
      log: [],
    },
    {
      name: "E10 window: what begins beyond it is refused, what reaches beyond is cut off",
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 10 }),
        talk.ack("client"),
        talk.client("0123456789abc", { arrives: false }),
        talk.client("xyz", { at: 11, arrives: false }),
      ],
      events: "outOfWindow",
      log: ["refused client window 10+3", "refused client window 11+3"],
      client: "0123456789",
    },
    {
      name: "E10 window: policy ignore takes all of it",
      policy: { window: "ignore" },
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 10 }),
        talk.ack("client"),
        talk.client("0123456789abc"),
      ],
      events: "outOfWindow",
      log: [],
      client: "0123456789abc",
    },
    {
      name: "E10 window scale: it counts when both offer it, and not in the SYN itself (RFC 7323 section 2.2)",
      talk: { options: { windowScale: 3 } },
      packets: (talk) => [
        talk.syn({ window: 100 }),
        talk.synAck({ window: 100 }),
        talk.client("x", { at: 100, arrives: false }),
        talk.client("0".repeat(90), { at: 0 }),
        talk.ack("server", { window: 2 }),
        talk.client("y", { at: 107, arrives: false }),
        talk.client("-", { at: 105, arrives: false }),
      ],
      events: "outOfWindow",
      log: ["refused client window 100+1", "refused client window 107+1"],
    },
    {
      name: "E10 window scale: offered by one end only it is none",
      packets: (talk) => [
        talk.syn({ options: Uint8Array.of(1, 3, 3, 7) }),
        talk.synAck({ window: 4 }),
        talk.ack("client"),
        talk.client("01234"),
      ],
      events: "outOfWindow",
      log: ["refused client window 4+1"],
      client: "0123",
    },
    {
      name: "E10 window scale: more than 14 counts as 14",
      talk: { options: { windowScale: 200 } },
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 1 }),
        talk.ack("client"),
        talk.ack("server", { window: 1 }),
        talk.client("x", { at: 16_384, arrives: false }),
        talk.client("-", { at: 16_383, arrives: false }),
      ],
      events: "outOfWindow",
      log: ["refused client window 16384+1"],
    },
    {
      name: "E10 window: its right edge does not move back (RFC 9293 section 3.8.6)",
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 100 }),
        talk.ack("client"),
        talk.client("0".repeat(40)),
        talk.ack("server", { window: 1 }),
        talk.client("x".repeat(60)),
      ],
      events: "outOfWindow",
      log: [],
      client: "0".repeat(40) + "x".repeat(60),
    },
    {
      name: "E10 acknowledgements: of what was not sent by far they count for nothing",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server", { acknowledgement: 0x1234_5678 }),
        talk.client("two"),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow gap",
      log: ["refused server acknowledgement 0+0"],
      client: "onetwo",
    },
    {
      name: "E10 acknowledgements: policy unseen refuse, of what was not sent they never count",
      policy: { unseen: "refuse" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("three", { at: 3 }),
        talk.ack("server", { acknowledged: 9 }),
        talk.ack("server", { acknowledged: 8 }),
        talk.client("one", { at: 0 }),
      ],
      events: "outOfWindow gap",
      log: ["refused server acknowledgement 0+0", "gap client 0+3"],
    },
    {
      name: "E10 acknowledgements: data whose ACK is older than any window is not taken (RFC 5961 section 5.2)",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("inserted", { acknowledged: -70_000 }),
        talk.client("sent", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client acknowledgement 0+8"],
      client: "sent",
    },
    {
      name: "E10 data without ACK is taken by nobody (RFC 9293 section 3.10.7.4)",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("inserted", { flags: "P" }),
        talk.client("sent", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client acknowledgement 0+8"],
      client: "sent",
    },
    {
      name: "E10 old segments: an acknowledgement in one that lies below the window says nothing",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("0123456789"),
        talk.ack("server"),
        talk.server("later", { at: 2 }),
        talk.ack("client", { at: 0, acknowledged: 7 }),
        talk.server("ok", { at: 0 }),
      ],
      events: "gap",
      log: [],
      server: "oklater",
    },
    {
      name: "E10 bytes in front of the first one are no part of the stream",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("xyone", { at: -2 }),
        talk.client("two", { at: 3 }),
      ],
      events: "outOfWindow",
      log: ["refused client window -2+2"],
      client: "onetwo",
    },
    {
      name: "E10 resynchronised: a tap that has lost more than a window believes what both ends say",
      packets: (talk) => {
        const begin = [...talk.handshake(), talk.client("one"), talk.server("two")];
        talk.miss("client", 300_000).miss("server", 500_000);
        return [...begin, talk.client("three"), talk.server("four"), talk.client("five"), talk.server("six")];
      },
      events: "gap",
      log: ["gap server 3+500000", "gap client 3+300005"],
      client: "one[300005]five",
      server: "two[500000]foursix",
    },
  ]);
});

describe("timestamps", () => {
  testCases([
    {
      name: "E11 PAWS: a segment with an older timestamp is not taken (RFC 7323 section 5)",
      talk: TIMESTAMPS,
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.ack("server"),
        talk.client("bad", { timestamp: [1, 0] }),
        talk.client("two", { at: 3, timestamp: [5_000_001, 0] }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: ["refused client timestamp 3+3"],
      client: "onetwo",
    },
    {
      name: "E11 PAWS: policy off, it is taken",
      talk: TIMESTAMPS,
      policy: { paws: false },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.ack("server"),
        talk.client("bad", { timestamp: [1, 0] }),
      ],
      sequences: [[1000, 5000]],
      client: "onebad",
    },
    {
      name: "E11 PAWS: timestamps wrap",
      talk: TIMESTAMPS,
      packets: (talk) => [
        talk.syn({ timestamp: [0xffff_fff0, 0] }),
        talk.synAck(),
        talk.client("one", { timestamp: [0xffff_ffff, 0] }),
        talk.ack("server"),
        talk.client("two", { timestamp: [3, 0] }),
      ],
      events: "outOfWindow",
      log: [],
      client: "onetwo",
    },
    {
      name: "E11 PAWS: timestamps that only one end has are looked at by nobody",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.ack("server"),
        talk.client("two", { timestamp: [1, 0] }),
      ],
      events: "outOfWindow",
      log: [],
      client: "onetwo",
    },
    {
      name: "E11 PAWS: an early segment's timestamp makes those in front of it not old (RFC 7323 section 4.3)",
      talk: TIMESTAMPS,
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("two", { at: 3, timestamp: [9_000_000, 0] }),
        talk.client("one", { at: 0, timestamp: [8_999_999, 0] }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: [],
      client: "onetwo",
    },
    {
      name: "E11 PAWS: the timestamp of a retransmission that was not needed is not kept (RFC 7323 section 5.3)",
      talk: TIMESTAMPS,
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.client("three", { at: 6, timestamp: [5_000_000, 0] }),
        talk.ack("server", { acknowledged: 3 }),
        talk.client("on", { at: 0, timestamp: [5_000_009, 0] }),
        talk.client("two", { at: 3, timestamp: [5_000_000, 0] }),
        talk.ack("server", { acknowledged: 11 }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow gap",
      log: [],
      client: "onetwothree",
    },
    {
      name: "E11 PAWS: one tick older is not old for Linux",
      talk: TIMESTAMPS,
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.ack("server"),
        talk.client("two", { timestamp: [4_999_999, 0] }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: [],
      client: "onetwo",
    },
    {
      name: "E11 PAWS: one tick older is old for others (RFC 7323 section 5.3)",
      talk: TIMESTAMPS,
      policy: { overlap: "bsd" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: [5_000_000, 0] }),
        talk.ack("server"),
        talk.client("two", { timestamp: [4_999_999, 0], arrives: false }),
      ],
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: ["refused client timestamp 3+3"],
      client: "one",
    },
    {
      name: "E11 PAWS: an acknowledgement that was overtaken is no event",
      talk: TIMESTAMPS,
      packets: (talk) => {
        const begin = [...talk.handshake(), talk.client("one")];
        const early = talk.ack("server", { timestamp: [9_000_000, 0] });
        const late = talk.ack("server", { timestamp: [9_000_001, 0] });
        return [...begin, late, early];
      },
      sequences: [[1000, 5000]],
      events: "outOfWindow",
      log: [],
    },
    {
      name: "E11 missing timestamps: Linux takes the segment",
      talk: TIMESTAMPS,
      packets: (talk) => [...talk.handshake(), talk.client("one", { timestamp: false })],
      events: "outOfWindow",
      log: [],
      client: "one",
    },
    {
      name: "E11 missing timestamps: policy refuse, as RFC 7323 section 3.2 has it",
      talk: TIMESTAMPS,
      policy: { missingTimestamps: "refuse" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one", { timestamp: false }),
        talk.client("two", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client timestamp 0+3"],
      client: "two",
    },
  ]);
});

describe("probes and selective acknowledgements", () => {
  testCases([
    {
      name: "E22 keep-alive: an empty one and one with a byte are told of as such, and overlap nothing",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.ack("server"),
        talk.keepAlive("client"),
        talk.keepAlive("client", "?"),
        talk.client("two", { at: 3 }),
      ],
      events: "retransmission outOfWindow",
      log: ["again client keep-alive 2+0 unknown", "again client keep-alive 2+1 unknown"],
      client: "onetwo",
    },
    {
      name: "E22 keep-alive: before the first byte",
      packets: (talk) => [
        ...talk.handshake(),
        talk.ack("server"),
        talk.keepAlive("client", "?"),
        talk.client("x", { at: 0 }),
      ],
      events: "retransmission outOfWindow",
      log: ["again client keep-alive -1+1 unknown"],
      client: "x",
    },
    {
      name: "E22 keep-alive: a byte that was not acknowledged is sent again",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("a", { arrives: false }),
        talk.client("a", { at: 0 }),
      ],
      events: "retransmission",
      log: ["again client data 0+1 same"],
      client: "a",
    },
    {
      name: "E22 zero window: the probe's byte is not taken until the window is open",
      packets: (talk) => [
        talk.syn(),
        talk.synAck({ window: 3 }),
        talk.client("one"),
        talk.ack("server", { window: 0 }),
        talk.client("t", { arrives: false }),
        talk.ack("server", { window: 0, acknowledged: 3 }),
        talk.ack("server", { window: 100, acknowledged: 3 }),
        talk.client("two", { at: 3 }),
      ],
      events: "outOfWindow retransmission gap",
      log: ["refused client window 3+1"],
      client: "onetwo",
    },
    {
      name: "E31 SACK and D-SACK: nothing is delivered or given up by them",
      talk: { options: { sack: true } },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("one"),
        talk.client("three", { at: 6 }),
        talk.ack("server", { acknowledged: 3, sack: [[6, 11]] }),
        talk.ack("server", { acknowledged: 3, sack: [[0, 3]] }),
        talk.ack("server", { acknowledged: 3, sack: [] }),
        talk.client("two", { at: 3 }),
      ],
      events: "gap retransmission",
      log: [],
      client: "onetwothree",
    },
    {
      name: "E31 reneging: what was selectively acknowledged and comes again is a repetition",
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("three", { at: 6 }),
        talk.ack("server", { acknowledged: 0, sack: [[6, 11]] }),
        talk.client("onetwothree", { at: 0 }),
      ],
      events: "retransmission",
      log: ["again client data 6+5 same"],
      client: "onetwothree",
    },
  ]);
});
