import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MalformedMessageError } from "./errors.ts";
import { ip, prefix } from "./ip-address.ts";
import { mac } from "./mac-address.ts";
import { formatInstant, instant } from "./time.ts";

describe("ip()", () => {
  const canonical: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::", "::"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["fe80::", "fe80::"],
  ];
  for (const [text, wanted] of canonical) {
    it(`ip() reads ${text} and prints ${wanted} (RFC 5952)`, () => assert.equal(String(ip(text)), wanted));
  }
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1:2",
    ":::",
    "1::2::3",
    "fe80::1%eth0",
    "1:2:3:4:5:6:7:8:9",
    "::12345",
  ]) {
    it(`ip() refuses '${text}'`, () => assert.throws(() => ip(text), MalformedMessageError));
  }
});

describe("prefix()", () => {
  const rows: [string, string, boolean][] = [
    ["192.0.2.0/24", "192.0.2.255", true],
    ["192.0.2.0/24", "192.0.3.0", false],
    ["192.0.2.128/25", "192.0.2.127", false],
    ["0.0.0.0/0", "203.0.113.7", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
  ];
  for (const [net, address, inside] of rows) {
    it(`prefix() ${net} ${inside ? "contains" : "does not contain"} ${address}`, () =>
      assert.equal(prefix(net).contains(ip(address)), inside));
  }
  it("prefix() clears the bits behind its length", () =>
    assert.equal(String(prefix("192.0.2.9/30")), "192.0.2.8/30"));
  it("prefix() refuses a length outside the family", () =>
    assert.throws(() => prefix("192.0.2.0/33"), /length 33 outside 0..32/));
});

describe("mac()", () => {
  for (const text of ["02:00:00:AB:00:01", "02-00-00-ab-00-01", "020000ab0001"]) {
    it(`mac() reads ${text}`, () => assert.equal(String(mac(text)), "02:00:00:ab:00:01"));
  }
  it("mac() refuses five bytes", () => assert.throws(() => mac("02:00:00:00:00"), MalformedMessageError));
});

describe("addresses of bytes", () => {
  for (const make of [mac, ip]) {
    it(`${make.name}() keeps its own copy, also of a Buffer, whose slice() shares memory`, () => {
      const bytes = Buffer.alloc(make === mac ? 6 : 4, 1);
      const address = make(bytes);
      bytes.fill(2);
      assert.match(String(address), /^(01:){5}01$|^1\.1\.1\.1$/);
    });
  }
});

describe("formatInstant()", () => {
  for (const at of [0, 951_782_400_123, 1_709_164_799_999, 1_795_309_902_000, 253_402_300_799_999]) {
    it(`formatInstant() agrees with the language for ${at}`, () =>
      assert.equal(formatInstant(instant(at)), new Date(at).toISOString()));
  }
});
