import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LimitExceededError } from "#base/errors.ts";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip } from "#base/ip-address.ts";
import { encodeUdp4Packet, UDP4_PAYLOAD_BYTES_MAX } from "./udp4-packet.ts";

const between = {
  source: { address: ip("192.0.2.1"), port: 67 },
  target: { address: ip("192.0.2.100"), port: 68 },
};

/** RFC 1071 the slow way: a sum over everything, checksum included, is all ones. */
function verifies(bytes: Uint8Array): boolean {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum === 0xffff;
}

describe("encodeUdp4Packet()", () => {
  it("encodeUdp4Packet() writes both headers", () => {
    const bytes = encodeUdp4Packet({ ...between, payload: parseHex("616263") });
    const wanted = [
      "45 00 001f 0000 4000 40 11", // version, service, length 31, identification, don't fragment, TTL, UDP
      "b668 c0000201 c0000264", // checksum, source, target
      "0043 0044 000b b688", // ports, length 11, checksum
      "616263",
    ];
    assert.equal(formatHex(bytes), formatHex(parseHex(wanted.join(""))));
  });

  it("encodeUdp4Packet() makes checksums that verify, for any payload", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 1500 }),
        fc.integer({ min: 0, max: 65535 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (payload, port, address) => {
          const bytes = encodeUdp4Packet({
            source: { address: ip(address), port },
            target: between.target,
            payload,
          });
          const pseudo = [...bytes.subarray(12, 20), 0, 17, ...bytes.subarray(24, 26)];
          assert.ok(verifies(bytes.subarray(0, 20)));
          assert.ok(verifies(Uint8Array.from([...pseudo, ...bytes.subarray(20)])));
        },
      ),
    );
  });

  it("encodeUdp4Packet() sends a checksum that comes out as 0 as ffff (RFC 768)", () => {
    const zero = parseHex("0000");
    const first = encodeUdp4Packet({ ...between, payload: zero });
    // The payload word that takes up what is left of the sum leaves a checksum of 0.
    const bytes = encodeUdp4Packet({ ...between, payload: first.slice(26, 28) });
    assert.equal(formatHex(bytes.subarray(26, 28)), "ffff");
  });

  it("encodeUdp4Packet() refuses a payload that IPv4 has no room for", () => {
    const payload = new Uint8Array(UDP4_PAYLOAD_BYTES_MAX + 1);
    assert.throws(() => encodeUdp4Packet({ ...between, payload }), LimitExceededError);
    assert.equal(encodeUdp4Packet({ ...between, payload: payload.subarray(1) }).length, 0xffff);
  });
});
