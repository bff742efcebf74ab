import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { ip, prefix } from "#base/ip-address.ts";
import type { Value } from "#base/value.ts";
import {
  type Dhcp4OptionKind,
  decodeOptionValue,
  encodeOptionValue,
  specOfCode,
  specOfName,
} from "./dhcp4-options.ts";

const ROWS: [Dhcp4OptionKind, string, Value][] = [
  ["address", "ffffff00", ip("255.255.255.0")],
  ["addresses", "0a4d0001 0a4d0002", [ip("10.77.0.1"), ip("10.77.0.2")]],
  ["text", "6c6162", "lab"],
  ["uint8", "05", 5],
  ["uint16", "0240", 576],
  ["uint32", "fffffffe", 4_294_967_294],
  ["seconds", "00000258", 600_000],
  ["codes", "010306", [1, 3, 6]],
  // RFC 3442, its own examples: the default route, 10.0.0.0/8 and 10.17.0.0/16.
  ["routes", "00 0a4d0001", [prefix("0.0.0.0/0"), ip("10.77.0.1")]],
  [
    "routes",
    "08 0a 0a4d0001 10 0a11 0a4d0002",
    [prefix("10.0.0.0/8"), ip("10.77.0.1"), prefix("10.17.0.0/16"), ip("10.77.0.2")],
  ],
  ["names", "03656e67 056170706c65 03636f6d 00", ["eng.apple.com"]],
  ["bytes", "00ff", Uint8Array.of(0, 255)],
];

describe("option values", () => {
  for (const [kind, hex, value] of ROWS) {
    it(`decodeOptionValue() and encodeOptionValue() agree that ${kind} '${hex}' is ${String(value)}`, () => {
      assert.deepEqual(decodeOptionValue(kind, parseHex(hex)), value);
      assert.deepEqual(encodeOptionValue(kind, value), parseHex(hex));
    });
  }

  const unreadable: [Dhcp4OptionKind, string][] = [
    ["address", "0a0000"],
    ["addresses", ""],
    ["addresses", "0a000001 0a"],
    ["text", "ff"],
    ["uint16", "00"],
    ["seconds", "000258"],
    ["routes", "21 0a000000 00 0a000001"],
    ["routes", "18 0a00"],
    ["names", "03 61"],
    ["names", "01 61"],
    ["names", "c000"],
    ["names", "01 61 c000"],
    ["names", "00"],
  ];
  for (const [kind, hex] of unreadable) {
    it(`decodeOptionValue() refuses ${kind} '${hex}'`, () => {
      assert.equal(decodeOptionValue(kind, parseHex(hex)), undefined);
    });
  }

  it("decodeOptionValue() follows the pointer in RFC 3397's own example", () => {
    const data = parseHex("03656e67 056170706c65 03636f6d 00 09 6d61726b6574696e67 c004");
    assert.deepEqual(decodeOptionValue("names", data), ["eng.apple.com", "marketing.apple.com"]);
  });

  it("decodeOptionValue() drops the NULs some clients put after texts", () => {
    assert.equal(decodeOptionValue("text", parseHex("6c6162 0000")), "lab");
  });

  const unwritable: [Dhcp4OptionKind, Value][] = [
    ["address", "10.0.0.1"],
    ["address", ip("::1")],
    ["addresses", []],
    ["text", 5],
    ["uint8", 256],
    ["uint16", -1],
    ["uint32", 0.5],
    ["seconds", 4_294_967_296_000],
    ["codes", [256]],
    ["routes", [prefix("10.0.0.0/8")]],
    ["routes", [ip("10.0.0.1"), prefix("10.0.0.0/8")]],
    ["names", [""]],
    ["names", ["a..b"]],
    ["names", ["a".repeat(64)]],
    ["bytes", "text"],
  ];
  for (const [kind, value] of unwritable) {
    it(`encodeOptionValue() refuses ${String(value) || "an empty value"} as ${kind}`, () => {
      assert.equal(encodeOptionValue(kind, value), undefined);
    });
  }

  it("encodeOptionValue() takes bytes for every kind, and one value for a list of one", () => {
    assert.deepEqual(encodeOptionValue("address", Uint8Array.of(1)), Uint8Array.of(1));
    assert.deepEqual(encodeOptionValue("addresses", ip("10.0.0.1")), parseHex("0a000001"));
    assert.deepEqual(encodeOptionValue("names", "a.b."), parseHex("0161 0162 00"));
  });

  it("decodeOptionValue() never throws, and what it read it can write back", () => {
    const kinds = [...new Set(ROWS.map(([kind]) => kind))];
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 80 }), (kind, data) => {
        const value = decodeOptionValue(kind, data);
        if (value === undefined) return;
        const again = encodeOptionValue(kind, value);
        assert.ok(again);
        assert.deepEqual(decodeOptionValue(kind, again), value);
      }),
    );
  });
});

describe("option names", () => {
  const names: [string, number | undefined][] = [
    ["routers", 3],
    ["captive-portal", 114],
    ["option-224", 224],
    ["option-3", 3],
    ["option-0", undefined],
    ["option-255", undefined],
    ["option-07", undefined],
    ["toString", undefined],
    ["chaddr", undefined],
  ];
  for (const [name, code] of names) {
    it(`specOfName() takes '${name}' for ${code}`, () => assert.equal(specOfName(name)?.code, code));
  }

  it("specOfCode() names every code there is", () => {
    for (let code = 1; code < 255; code++) assert.equal(specOfName(specOfCode(code).name)?.code, code);
  });
});
