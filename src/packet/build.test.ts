import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { build, part } from "./build.ts";
import { ethernet } from "./ethernet.ts";
import { ipv4 } from "./ipv4.ts";
import { tcp } from "./tcp.ts";
import { udp } from "./udp.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe("build", () => {
  it("build() fills in lengths, what comes next, and checksums", () => {
    const payload = text("hello");
    const built = build(
      ethernet.header({ source: "02:00:00:00:00:01", destination: 0xffff_ffff_ffff }),
      ipv4.header({ source: "10.0.0.1", destination: "10.0.0.2" }),
      udp.header({ sourcePort: 1000, destinationPort: 69 }),
      payload,
    );
    assert.equal(built.firstLayer, "ethernet");
    assert.equal(built.lengthBytes, 14 + 20 + 8 + 5);
    assert.equal(built.parts.length, 2);
    assert.equal(built.parts[1], payload);
    const expected = [
      "ffffffffffff 020000000001 0800",
      // 4500 + 0021 + 4011 + 0a00 + 0001 + 0a00 + 0002 = 9935, complemented
      "45000021 00000000 4011 66ca 0a000001 0a000002",
      // addresses 1403 + 11 + d, header 043a, "hello" 6865 + 6c6c + 6f00: 15c2c, folded 5c2d, complemented
      "03e8 0045 000d a3d2",
      "68656c6c6f",
    ];
    assert.equal(Buffer.from(built.toBytes()).toString("hex"), expected.join("").replaceAll(" ", ""));
  });

  it("build() takes what is given instead of reckoning it", () => {
    const built = build(
      ipv4.header({ totalLength: 7, protocol: 99, checksum: 0x1234 }),
      udp.header({ checksum: 0, length: 3 }),
      part(text("abc")),
    );
    const ip = built.toBytes();
    assert.equal(Buffer.from(ip.subarray(0, 12)).toString("hex"), "450000070000000040631234");
    assert.equal(Buffer.from(ip.subarray(20)).toString("hex"), "0000000000030000616263");
  });

  it("build() makes the same of payloads in one piece and in odd ones", () => {
    const headers = [
      ipv4.header({ source: 1, destination: 2 }, Uint8Array.of(148, 4, 0, 0)),
      tcp.header({ sourcePort: 80, syn: true }, Uint8Array.of(2, 4, 5, 180)),
    ];
    const whole = build(...headers, text("abcdefghijk")).toBytes();
    const pieces = ["a", "bcd", "", "efgh", "i", "jk"].map((piece) => part(text(piece)));
    const built = build(...headers, ...pieces);
    assert.deepEqual(built.toBytes(), whole);
    const packet = built.toPacket();
    assert.equal(packet.payload(ipv4)?.headerBytes, 24);
    assert.equal(packet.find(tcp)?.headerBytes, 24);
    assert.equal(packet.find(tcp)?.payload().text(), "abcdefghijk");
  });

  it("build() refuses what no header can say", () => {
    assert.throws(() => build(text("abc"), udp.header({})), /udp header stands behind a payload/);
    assert.throws(() => build(ipv4.header({}), new Uint8Array(65_536)), /totalLength of ipv4 would be 65556/);
    assert.throws(() => build(tcp.header({}, new Uint8Array(3))), /dataOffset of tcp would be 5.75/);
    assert.throws(() => build(tcp.header({}, new Uint8Array(44))), /dataOffset of tcp would be 16/);
  });
});
