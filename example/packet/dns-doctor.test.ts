import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatIpv4, formatIpv6 } from "#packet/address.ts";
import { DnsType, dns } from "#packet/dns.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Packet } from "#packet/packet.ts";
import { udp } from "#packet/udp.ts";
import { packetOf, ScriptWorld, wrongChecksums } from "./test-world.ts";

const IP = {
  4: ipv4.header({ source: "192.0.2.53", destination: "192.0.2.1" }),
  6: ipv6.header({ source: "2001:db8::53", destination: "2001:db8::1" }),
} as const;
const V4 = [192, 0, 2, 99];
const V6 = [0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 0x99];

function nameBytes(name: string): number[] {
  return [...name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
}

function number(value: number): number[] {
  return [value >> 8, value & 255];
}

/** An answer whose records point to the question's name. */
function answerOf(version: 4 | 6, name: string, type: number, data: readonly number[]) {
  const question = [...nameBytes(name), ...number(type), ...number(1)];
  const record = [0xc0, 12, ...number(type), ...number(1), 0, 1, 0, 0, ...number(data.length), ...data];
  const header = dns.header({
    identifier: 7,
    isResponse: true,
    questionCount: 1,
    answerCount: 1,
    isAuthentic: true,
  });
  const ports = udp.header({ sourcePort: 53, destinationPort: 5353 + version });
  return packetOf(IP[version], ports, header, Uint8Array.from([...question, ...record]));
}

function questionOf(version: 4 | 6, name: string) {
  const question = Uint8Array.from([...nameBytes(name), ...number(DnsType.a), ...number(1)]);
  const header = dns.header({ identifier: 7, questionCount: 1, recursionDesired: true });
  return packetOf(IP[version], udp.header({ sourcePort: 4000, destinationPort: 53 }), header, question);
}

function addressIn(packet: Packet): number | bigint | undefined {
  for (const record of packet.find(dns)?.answers() ?? []) return record.address;
  return undefined;
}

describe("dns-doctor", async () => {
  const world = await ScriptWorld.load("dns-doctor.ts", "treat", "block");

  for (const version of [4, 6] as const) {
    test(`treat() writes other addresses into answers over IPv${version}, with right checksums`, async () => {
      const a = await world.give("treat", answerOf(version, "WWW.example.com", DnsType.a, V4));
      assert.equal(formatIpv4(Number(addressIn(a.packet))), "10.1.2.3");
      const aaaa = await world.give("treat", answerOf(version, "www.example.com", DnsType.aaaa, V6));
      assert.equal(formatIpv6(BigInt(addressIn(aaaa.packet) ?? 0)), "fd00::1:2:3");
      for (const { packet, verdict } of [a, aaaa]) {
        assert.equal(verdict, "continue");
        assert.deepEqual(wrongChecksums(packet), []);
        const message = packet.find(dns);
        assert.equal(message?.isAuthentic, false);
        for (const record of message?.answers() ?? []) assert.equal(record.timeToLive, 60);
      }
    });

    test(`block() answers over IPv${version} that a blocked name and those below it do not exist`, async () => {
      for (const name of ["ads.example.net", "Deep.Ads.Example.NET"]) {
        const { verdict, sent } = await world.give("block", questionOf(version, name));
        assert.equal(verdict, "drop");
        const [answer] = sent;
        const message = answer?.find(dns);
        assert.deepEqual(
          [message?.identifier, message?.isResponse, message?.responseCode, message?.question?.name],
          [7, true, 3, name],
        );
        const datagram = answer?.find(udp);
        assert.deepEqual([datagram?.sourcePort, datagram?.destinationPort], [53, 4000]);
        const ip = answer?.find(ipv4);
        if (version === 4) assert.equal(formatIpv4(ip?.destination ?? 0), "192.0.2.53");
      }
    });
  }

  test("treat() and block() leave all others as they are", async () => {
    const given = answerOf(4, "www.example.org", DnsType.a, V4);
    const { packet, verdict } = await world.give("treat", given);
    assert.deepEqual([verdict, packet.isChanged], ["continue", false]);
    for (const name of ["example.net", "notads.example.net", "ads.example.net.org"]) {
      const { verdict, sent } = await world.give("block", questionOf(4, name));
      assert.deepEqual([verdict, sent.length], ["continue", 0]);
    }
  });
});
