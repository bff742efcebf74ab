import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatPrefix, parsePrefix } from "./prefix-text.ts";

describe("parsePrefix()", () => {
  for (const [text, isIpv6, address, bits, canonical] of [
    ["10.0.0.0/8", false, 0x0a00_0000, 8, "10.0.0.0/8"],
    ["0.0.0.0/0", false, 0, 0, "0.0.0.0/0"],
    ["192.0.2.7", false, 0xc000_0207, 32, "192.0.2.7/32"],
    ["2001:db8::/32", true, 0x2001_0db8n << 96n, 32, "2001:db8::/32"],
    ["::1", true, 1n, 128, "::1/128"],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parsePrefix(text, isIpv6), { address, bits });
      assert.equal(formatPrefix(address, bits), canonical);
    });
  }

  for (const [text, isIpv6] of [
    ["10.0.0.0/33", false],
    ["10.0.0/8", false],
    ["10.0.0.0/", false],
    ["2001:db8::/32", false],
    ["10.0.0.0/8", true],
    ["", false],
    ["::/129", true],
  ] as const) {
    it(`takes '${text}' for none`, () => assert.equal(parsePrefix(text, isIpv6), undefined));
  }
});
