/**
 * Packets that are not what they seem: with urgent bytes, or not for the receiver at all. Hazards 12, 13, 21 and 25.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { conversation } from "../support/conversation.ts";
import { testCases } from "../support/flow-cases.ts";
import { tellStory } from "../support/flow-story.ts";

describe("urgent bytes", () => {
  const packets: Parameters<typeof testCases>[0][number]["packets"] = (talk) => [
    ...talk.handshake(),
    talk.client("abcX", { urgent: 4 }),
    talk.client("def"),
  ];
  testCases([
    { name: "E21 urgent inline: the byte is one like all others", packets, client: "abcXdef" },
    {
      name: "E21 urgent out-of-band: the byte in front of the pointer is left out (RFC 6093)",
      policy: { urgent: "out-of-band" },
      packets,
      events: "gap",
      log: [],
      client: "abcdef",
    },
    {
      name: "E21 urgent gap: in its place is a gap of one byte",
      policy: { urgent: "gap" },
      packets,
      events: "gap",
      log: ["gap client 3+1"],
      client: "abc[1]def",
    },
    {
      name: "E21 urgent drop: the segment is refused, and goes no further",
      policy: { urgent: "drop" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("abcX", { urgent: 4 }),
        talk.client("ok", { at: 0 }),
      ],
      events: "outOfWindow",
      log: ["refused client urgent 0+4"],
      client: "ok",
    },
    {
      name: "E21 urgent out-of-band: announced before its byte comes",
      policy: { urgent: "out-of-band" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("ab", { urgent: 4 }),
        talk.client("cX"),
        talk.client("d"),
      ],
      client: "abcd",
    },
    {
      name: "E21 urgent out-of-band: in a segment that is out of order, and a pointer of 0",
      policy: { urgent: "out-of-band" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("cXd", { at: 2, urgent: 2 }),
        talk.client("ab", { at: 0 }),
        talk.client("Ye", { at: 5, urgent: 0, flags: "AU" }),
      ],
      client: "abcde",
    },
  ]);

  it("E21 urgent drop: handle() says that the packet shall not go on", () => {
    const talk = conversation();
    const packetsOf = [...talk.handshake(), talk.client("abcX", { urgent: 4 })];
    assert.deepEqual(tellStory(packetsOf, { policy: { urgent: "drop" } }).dropped, [3]);
  });
});

describe("packets that no receiver sees", () => {
  testCases([
    {
      name: "E12 checksum: policy verify, a wrong one is not delivered",
      policy: { checksums: "verify" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("bad", { badChecksum: true }),
        talk.client("one", { at: 0 }),
        talk.client("bad", { at: 3, badIpChecksum: true }),
      ],
      client: "one",
    },
    {
      name: "E12 checksum: policy trust takes all",
      policy: { checksums: "trust" },
      packets: (talk) => [...talk.handshake(), talk.client("bad", { badChecksum: true })],
      client: "bad",
    },
    {
      name: "E13 TTL: policy hopLimitMin, packets that would not arrive are not shown to the receiver",
      policy: { hopLimitMin: 10 },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("evil", { ttl: 9, arrives: false }),
        talk.client("good", { at: 0, ttl: 10 }),
      ],
      client: "good",
    },
    {
      name: "E13 insertion: view acked shows what the receiver has acknowledged and nothing before that",
      monitor: { view: "acked" },
      packets: (talk) => [
        ...talk.handshake(),
        talk.client("lost", { ttl: 1, arrives: false }),
        talk.ack("server"),
      ],
      client: "",
    },
    {
      name: "E25 duplicates: policy, what a mirror port shows twice is followed once",
      policy: { duplicates: 5 as never },
      packets: (talk) =>
        [...talk.handshake(), talk.client("one"), talk.ack("server"), ...talk.close()].flatMap((packet) => [
          packet,
          packet.at(packet.time + 0.5),
        ]),
      events: "retransmission outOfWindow",
      log: [],
      client: "one",
      flows: 1,
    },
    {
      name: "E25 duplicates: later than that it is a retransmission",
      policy: { duplicates: 5 as never },
      packets: (talk) => {
        const begin = talk.handshake();
        const data = talk.client("one");
        return [...begin, data, data.at(data.time + 6)];
      },
      events: "retransmission",
      log: ["again client data 0+3 same"],
    },
  ]);

  it("E25 duplicates: they are counted", () => {
    const talk = conversation();
    const packetsOf = talk.handshake().flatMap((packet) => [packet, packet]);
    const { engine } = tellStory(packetsOf, { policy: { duplicates: 5 as never } });
    assert.equal(engine.statistics.duplicates, 3);
  });
});
