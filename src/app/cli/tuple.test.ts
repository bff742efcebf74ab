import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { instant, Timestamp } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { parseTuples, typesFromDescription } from "./tuple.ts";
import { formatValue, kindOf, toJsonTuple, UsageError } from "./typed-value.ts";

const CONTRACT = typesFromDescription([
  "name text: who asks",
  "xid uint32: transaction",
  "chaddr mac: hardware address",
  "dns list of ip optional: name servers",
  "lease duration optional: milliseconds",
]);

describe("parseTuples()", () => {
  const rows: [text: string, tag: string, value: Value][] = [
    // By the contract.
    ["name=7", "name", "7"],
    ['name="7"', "name", "7"],
    ["name=", "name", ""],
    ["xid=7", "xid", 7],
    ["chaddr=020000000001", "chaddr", mac("02:00:00:00:00:01")],
    ["dns=10.0.0.1,10.0.0.2", "dns", [ip("10.0.0.1"), ip("10.0.0.2")]],
    ["dns=[10.0.0.1]", "dns", [ip("10.0.0.1")]],
    ["dns=", "dns", []],
    ["lease=10m", "lease", 600_000],
    ["lease=1500", "lease", 1500],
    // By look.
    ["a=7", "a", 7],
    ["a=-7", "a", -7],
    ["a=18446744073709551615", "a", 18_446_744_073_709_551_615n],
    ["a=007", "a", "007"],
    ["a=1.5", "a", 1.5],
    ["a=true", "a", true],
    ["a=null", "a", null],
    ["a=02:00:00:00:00:01", "a", mac("02:00:00:00:00:01")],
    ["a=10.0.0.1", "a", ip("10.0.0.1")],
    ["a=2001:db8::1", "a", ip("2001:db8::1")],
    ["a=10.0.0.0/8", "a", prefix("10.0.0.0/8")],
    ["a=10.0.0.400", "a", "10.0.0.400"],
    ["a=12:30", "a", "12:30"],
    ["a=[1,2]", "a", [1, 2]],
    ["a=x=y", "a", "x=y"],
    ['a="two words\\n"', "a", "two words\n"],
    // By force.
    ["a:text=7", "a", "7"],
    ["xid:text=7", "xid", "7"],
    ["a:bytes=0a1b", "a", Uint8Array.of(0x0a, 0x1b)],
    ["a:uint[]=1,2", "a", [1, 2]],
    ["a:time=2026-11-22T01:30:00Z", "a", new Timestamp(instant(Date.UTC(2026, 10, 22, 1, 30)))],
    ["a:null=null", "a", null],
  ];
  for (const [text, tag, value] of rows) {
    it(`parseTuples() reads ${text}`, () => assert.deepEqual(parseTuples([text], CONTRACT), [tag, value]));
  }
  it("parseTuples() keeps repeated tags in order", () =>
    assert.deepEqual(parseTuples(["a=1", "b=2", "a=3"], CONTRACT), ["a", 1, "b", 2, "a", 3]));

  const refused: [text: string, message: string][] = [
    ["xid", "Cannot read tuple 'xid': it is not like tag=value or tag:type=value"],
    ["=1", "Cannot read tuple '=1': it is not like tag=value or tag:type=value"],
    ["xid=-1", "Cannot read tuple 'xid=-1': '-1' is not uint32; write a whole number from 0 to 4294967295"],
    ["chaddr=zz", "Cannot read tuple 'chaddr=zz': 'zz' is not mac; write 02:00:00:00:00:01"],
    [
      "lease=soon",
      "Cannot read tuple 'lease=soon': 'soon' is not duration; write 250ms, 10m, or a number of milliseconds",
    ],
    [
      "a:colour=red",
      "Cannot read tuple 'a:colour=red': there is no type 'colour'; there are text, uint8, uint16, uint32, uint, int, float, boolean, bytes, mac, ip, ip4, ip6, prefix, time, duration, null, and TYPE[] for lists",
    ],
    ["a:ip4=::1", "Cannot read tuple 'a:ip4=::1': '::1' is not ip4; write 192.0.2.1"],
    ["a=[[1]]", "Cannot read tuple 'a=[[1]]': a list cannot hold a list"],
    ['a="x"y"', 'Cannot read tuple \'a="x"y"\': "x"y" is not text in double quotes as JSON writes it'],
  ];
  for (const [text, message] of refused) {
    it(`parseTuples() refuses ${text}`, () =>
      assert.throws(
        () => parseTuples([text], CONTRACT),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.equal(error.message, message);
          return true;
        },
      ));
  }
});

describe("toJsonTuple()", () => {
  const rows: [value: Value, type: string, json: unknown, text: string][] = [
    ["x", "text", "x", "x"],
    [7, "uint", 7, "7"],
    [-7, "int", -7, "-7"],
    [0.5, "float", 0.5, "0.5"],
    [2n ** 64n, "uint", "18446744073709551616", "18446744073709551616"],
    [true, "boolean", true, "true"],
    [null, "null", null, "null"],
    [Uint8Array.of(1, 255), "bytes", "01ff", "01ff"],
    [mac("02:00:00:00:00:01"), "mac", "02:00:00:00:00:01", "02:00:00:00:00:01"],
    [ip("10.0.0.1"), "ip", "10.0.0.1", "10.0.0.1"],
    [[ip("10.0.0.1"), ip("::1")], "ip[]", ["10.0.0.1", "::1"], "10.0.0.1, ::1"],
    [
      ["x", 1],
      "list",
      [
        ["text", "x"],
        ["uint", 1],
      ],
      "x, 1",
    ],
    [[], "list", [], ""],
  ];
  for (const [value, type, json, text] of rows) {
    it(`toJsonTuple() gives ${type} ${JSON.stringify(json)}`, () => {
      assert.deepEqual(JSON.parse(JSON.stringify(toJsonTuple("a", value))), ["a", type, json]);
      assert.equal(formatValue(value), text);
    });
  }
  it("kindOf() names every scalar", () => assert.equal(kindOf(new Timestamp(instant(0))), "time"));
});
