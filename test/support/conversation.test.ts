import assert from "node:assert/strict";
import { describe, it } from "node:test";
// Those that are looked for behind others have to be defined.
import "#packet/ipv4.ts";
import "#packet/ipv6.ts";
import "#packet/vlan.ts";
import { ETHERNET_FIRST, Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { type ConversationPacket, conversation } from "./conversation.ts";
import { icmpEcho, play, recordOf, udpTalk } from "./conversation-other.ts";

function packetOf({ bytes, linkType }: ConversationPacket): Packet {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isIpv6 = linkType === 101 && (bytes[0] as number) >> 4 === 6;
  const first = linkType === 1 ? ETHERNET_FIRST : isIpv6 ? 0x86dd : 0x0800;
  return new Packet().aim(data, 0, bytes.length, first);
}

/** Sequence and acknowledgement numbers, flags and payload of one segment. */
function segment(packet: ConversationPacket): string {
  const found = packetOf(packet).find(tcp);
  assert.ok(found, "a TCP header");
  const { sequence, acknowledgment, flags, lengthBytes, headerBytes } = found;
  return `${sequence} ${acknowledgment} ${flags} ${lengthBytes - headerBytes}`;
}

describe("conversation", () => {
  it("conversation() counts sequence and acknowledgement numbers as two honest ends do, over the wrap", () => {
    const talk = conversation({ clientSequence: 0xffff_fffd, serverSequence: 10 });
    const packets = [
      ...talk.handshake(),
      talk.client("hello"),
      talk.server("late", { at: 4 }),
      talk.ack("client"),
      talk.server("soon", { at: 0 }),
      talk.ack("client"),
      ...talk.close(),
      talk.reset("server"),
    ];
    assert.deepEqual(packets.map(segment), [
      "4294967293 0 2 0",
      "10 4294967294 18 0",
      "4294967294 11 16 0",
      "4294967294 11 24 5",
      "15 3 24 4",
      "3 11 16 0",
      "11 3 24 4",
      "3 19 16 0",
      "3 19 17 0",
      "19 4 17 0",
      "4 20 16 0",
      "20 0 4 0",
    ]);
    assert.equal((packets.at(-1)?.time ?? 0) - (packets[0]?.time ?? 0), 11);
  });

  it("conversation() makes right checksums in Ethernet, VLANs, raw IP, IPv4 and IPv6, and wrong ones on demand", () => {
    for (const [client, server] of [
      ["10.0.0.1:1025", "10.0.0.2:80"],
      ["[2001:db8::1]:1025", "[2001:db8::2]:80"],
    ] as const) {
      for (const around of [{ link: "raw" }, { link: "ethernet" }, { vlan: [5, 6] }] as const) {
        const talk = conversation({ client, server, ...around, options: { timestamps: true, mss: 1460 } });
        for (const packet of [...talk.handshake(), talk.client("odd")]) {
          const found = packetOf(packet).find(tcp);
          assert.ok(found && verifyChecksum(found) === "good", `${client} ${JSON.stringify(around)}`);
        }
        const found = packetOf(talk.client("x", { badChecksum: true })).find(tcp);
        assert.ok(found && verifyChecksum(found) === "bad");
      }
    }
  });

  it("conversation() writes what a step says", () => {
    const talk = conversation({ options: { windowScale: 7, timestamps: true, sack: true } });
    talk.handshake();
    const step = { at: 20, window: 7, urgent: 3, timestamp: [1, 2], payloadCut: 2, ttl: 9 } as const;
    const packet = talk.client("abcdef", { ...step, sack: [[0, 4]] });
    assert.equal(packet.originalBytes - packet.capturedBytes, 2);
    const found = packetOf(packet).find(tcp);
    assert.equal(found?.sequence, 1021);
    assert.equal(found?.window, 7);
    assert.equal(found?.urgentPointer, 3);
    assert.equal(found?.urg, true);
    assert.deepEqual([found?.timestamp, found?.timestampEcho], [1, 2]);
    assert.deepEqual(found?.sackBlocks, [{ left: 5001, right: 5005 }]);
    assert.equal(packet.bytes[14 + 8], 9);
  });

  it("recordOf() has the same bytes behind an offset, and play() gives them in order", () => {
    const dns = udpTalk();
    const echo = icmpEcho({ client: "[2001:db8::1]", server: "[2001:db8::2]" });
    const packets = [dns.client("who"), dns.server("me"), echo.request("ping"), echo.reply("ping")];
    const seen = play(
      {
        handle: ({ bytes, offset, capturedBytes }) =>
          Buffer.from(bytes.subarray(offset, offset + capturedBytes)).toString("hex"),
      },
      packets,
    );
    assert.deepEqual(
      seen,
      packets.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
    );
    assert.equal(recordOf(dns.client("x")).seconds, 1_700_000_000);
  });
});
