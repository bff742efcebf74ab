import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { instant, Timestamp } from "#base/time.ts";
import type { Scalar, Tuples, Value } from "#base/value.ts";
import { arbitraryTuples } from "../../fuzz/arbitrary-tuples.ts";
import { decodeTuples, encodeTuples } from "./cbor.ts";
import {
  BODY_BYTES_MAX,
  LIST_COUNT_MAX,
  MalformedTuplesError,
  TUPLE_COUNT_MAX,
  UnencodableError,
} from "./cbor-profile.ts";

/** A message of the one tuple `a`, around the hex of its value. */
const around = (valueHex: string): Uint8Array => parseHex(`82 6161 ${valueHex}`);
const itemOf = (hex: string): Value | undefined => decodeTuples(around(hex))[1] as Value | undefined;
const hexOf = (value: Value): string => formatHex(encodeTuples(["a", value])).slice("826161".length);

// RFC 8949 appendix A, the rows inside the profile.
const APPENDIX_A: readonly [Scalar | readonly Scalar[], string][] = [
  [0, "00"],
  [1, "01"],
  [10, "0a"],
  [23, "17"],
  [24, "1818"],
  [25, "1819"],
  [100, "1864"],
  [1000, "1903e8"],
  [1_000_000, "1a000f4240"],
  [1_000_000_000_000, "1b000000e8d4a51000"],
  [18_446_744_073_709_551_615n, "1bffffffffffffffff"],
  [-18_446_744_073_709_551_616n, "3bffffffffffffffff"],
  [-1, "20"],
  [-10, "29"],
  [-100, "3863"],
  [-1000, "3903e7"],
  [1.1, "fb3ff199999999999a"],
  [1.0e300, "fb7e37e43c8800759c"],
  [-4.1, "fbc010666666666666"],
  [Number.POSITIVE_INFINITY, "fb7ff0000000000000"],
  [Number.NEGATIVE_INFINITY, "fbfff0000000000000"],
  [Number.NaN, "fb7ff8000000000000"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  [new Timestamp(instant(1_363_896_240_000)), "c11a514b67b0"],
  [new Timestamp(instant(1_363_896_240_500)), "c1fb41d452d9ec200000"],
  [new Uint8Array(0), "40"],
  [Uint8Array.of(1, 2, 3, 4), "4401020304"],
  ["", "60"],
  ["a", "6161"],
  ["IETF", "6449455446"],
  ['"\\', "62225c"],
  ["\u00fc", "62c3bc"],
  ["\u6c34", "63e6b0b4"],
  ["\ud800\udd51", "64f0908591"],
  [[], "80"],
  [[1, 2, 3], "83010203"],
];

for (const [value, hex] of APPENDIX_A) {
  test(`encodeTuples() and decodeTuples() agree with RFC 8949 appendix A: ${hex}`, () => {
    assert.equal(hexOf(value), hex);
    assert.deepEqual(itemOf(hex), value);
  });
}

const NETWORK: readonly [Scalar, string][] = [
  [mac("02:00:00:00:00:01"), "d83046020000000001"],
  [ip("192.0.2.1"), "d83444c0000201"],
  [ip("2001:db8:1234:deed:beef:cafe:face:feed"), "d8365020010db81234deedbeefcafefacefeed"],
  [prefix("192.0.2.0/24"), "d83482181843c00002"],
  [prefix("2001:db8:1234::/48"), "d83682183046 20010db81234".replace(" ", "")],
  [prefix("0.0.0.0/0"), "d834820040"],
];

for (const [value, hex] of NETWORK) {
  test(`encodeTuples() writes ${value} as its registered tag, and decodeTuples() reads it`, () => {
    assert.equal(hexOf(value), hex);
    assert.deepEqual(String(itemOf(hex)), String(value));
    assert.equal((itemOf(hex) as object).constructor, (value as object).constructor);
  });
}

const LENIENT: readonly [string, string, Value][] = [
  ["an integer longer than needed", "1800", 0],
  ["an integer of eight bytes", "1b0000000000000001", 1],
  ["a negative integer of four bytes", "3a00000000", -1],
  ["2^53 - 1", "1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ["2^53", "1b0020000000000000", 9_007_199_254_740_992n],
  ["-(2^53 - 1)", "3b001ffffffffffffe", Number.MIN_SAFE_INTEGER],
  ["-2^53", "3b001fffffffffffff", -9_007_199_254_740_992n],
  ["a single-precision float", "fa47c35000", 100_000],
  ["a text with a long length", "790001 61".replace(" ", ""), "a"],
  ["minus zero", "fb8000000000000000", -0],
];

for (const [what, hex, value] of LENIENT) {
  test(`decodeTuples() accepts ${what}`, () => assert.deepEqual(itemOf(hex), value));
}

const MALFORMED: readonly [string, string, number, RegExp][] = [
  // what               bytes              offset reason
  ["nothing", "", 0, /ends too early/],
  ["a map", "a0", 0, /not an array/],
  ["an odd count", "816161", 0, /without a value/],
  ["an indefinite array", "9f616101ff", 0, /indefinite/],
  ["a reserved length", "9c", 0, /reserved/],
  ["bytes behind the message", "8000", 1, /1 bytes too many/],
  ["a message cut off", "826161", 3, /ends too early/],
  ["a number as tag", "820101", 1, /not text/],
  ["an empty tag", "826001", 1, /0 bytes/],
  ["a tag with a slash", "82612f01", 1, /printable/],
  ["a tag with a colon", "82613a01", 1, /printable/],
  ["a tag with an asterisk", "82612a01", 1, /printable/],
  ["a tag that is not ASCII", "8262c3bc01", 1, /printable/],
  ["a tag of 65 bytes", `827841${"61".repeat(65)}01`, 1, /65 bytes/],
  ["text that is not UTF-8", "82616161ff", 3, /UTF-8/],
  ["an overlong form", "82616162c080", 3, /UTF-8/],
  ["a surrogate", "82616163eda080", 3, /UTF-8/],
  ["text longer than the message", "8261617a00ffffff61", 8, /ends too early/],
  ["an indefinite text", "8261617f6161ff", 3, /indefinite/],
  ["a list in a list", "8261618180", 4, /inside a list/],
  ["a map as value", "826161a0", 3, /map/],
  ["a half float", "826161f93c00", 3, /half/],
  ["undefined", "826161f7", 3, /simple value 0xf7/],
  ["a simple value in two bytes", "826161f8ff", 3, /simple value 0xf8/],
  ["a break", "826161ff", 3, /simple value 0xff/],
  ["an unknown CBOR tag", "826161d82550", 3, /CBOR tag 37/],
  ["a bignum", "826161c240", 3, /CBOR tag 2/],
  ["a MAC address of five bytes", "826161d830450200000000", 5, /other than 6 bytes/],
  ["a MAC address in text", "826161d83060", 5, /not a byte string/],
  ["an IPv4 address of sixteen bytes", "826161d83450", 5, /other than 4 bytes/],
  ["a prefix of 33 bits", "826161d83482182140", 3, /length out of range/],
  ["a prefix of five bytes", "826161d8348208450a00000000", 3, /prefix bytes/],
  ["a prefix with bits set behind it", "826161d83482084 20a01".replace(" ", ""), 3, /behind bit 8/],
  ["an interface address", "826161d8348244c000020118 18".replace(" ", ""), 3, /length out of range/],
  ["a time in text", "826161c16161", 4, /simple value|not a number/],
  ["a time that is not a number", "826161c1fb7ff8000000000000", 4, /out of range/],
  ["a time beyond all calendars", "826161c11b7fffffffffffffff", 4, /not a number|out of range/],
  ["more tuples than there are bytes", "990400", 3, /ends too early/],
  ["too many tuples", "990802", 0, /more than 1024/],
  ["a list longer than the message", "8261619affffffff", 3, /more than 65536/],
];

for (const [what, hex, offset, reason] of MALFORMED) {
  test(`decodeTuples() refuses ${what}`, () => {
    assert.throws(
      () => decodeTuples(parseHex(hex)),
      (error: unknown) => {
        assert.ok(error instanceof MalformedTuplesError, String(error));
        assert.match(error.reason, reason);
        assert.equal(error.offset, offset);
        assert.equal(error.code, "malformed-message");
        return true;
      },
    );
  });
}

const UNENCODABLE: readonly [string, unknown[]][] = [
  ["a tag without a value", ["a"]],
  ["an empty tag", ["", 1]],
  ["a tag of 65 characters", ["a".repeat(65), 1]],
  ["a tag with a slash", ["a/b", 1]],
  ["a tag that is a number", [1, 1]],
  ["undefined", ["a", undefined]],
  ["a function", ["a", () => 0]],
  ["a plain object", ["a", {}]],
  ["a list in a list", ["a", [[1]]]],
  ["half a surrogate pair", ["a", "\ud800"]],
  ["2^64", ["a", 1n << 64n]],
  ["a time that is not a number", ["a", new Timestamp(instant(Number.NaN))]],
  ["1025 tuples", Array.from({ length: (TUPLE_COUNT_MAX + 1) * 2 }, () => "a")],
  ["a list of 65537", ["a", new Array(LIST_COUNT_MAX + 1).fill(0)]],
];

for (const [what, tuples] of UNENCODABLE) {
  test(`encodeTuples() refuses ${what}`, () => {
    assert.throws(() => encodeTuples(tuples as unknown as Tuples), UnencodableError);
  });
}

test("decodeTuples() and encodeTuples() take messages at every limit", () => {
  const most = Array.from({ length: TUPLE_COUNT_MAX * 2 }, () => "a");
  assert.deepEqual(decodeTuples(encodeTuples(most)), most);
  const longest: Tuples = ["x".repeat(64), new Array(LIST_COUNT_MAX).fill(7)];
  assert.deepEqual(decodeTuples(encodeTuples(longest)), longest);
  assert.throws(() => decodeTuples(new Uint8Array(BODY_BYTES_MAX + 1)), /too many/);
});

test("decodeTuples() gives back what encodeTuples() wrote", () => {
  fc.assert(
    fc.property(arbitraryTuples, (tuples) => {
      assert.deepEqual(decodeTuples(encodeTuples(tuples)), tuples);
    }),
    { numRuns: 500 },
  );
});

test("decodeTuples() of changed bytes gives a message or its own error, never anything else", () => {
  const mutation = fc.record({ tuples: arbitraryTuples, at: fc.nat(), byte: fc.nat(255), cut: fc.boolean() });
  fc.assert(
    fc.property(mutation, ({ tuples, at, byte, cut }) => {
      let bytes = encodeTuples(tuples);
      bytes[at % bytes.length] = byte;
      if (cut) bytes = bytes.slice(0, at % bytes.length);
      try {
        // What can be read can be written and read again to the same.
        const once = decodeTuples(bytes);
        assert.deepEqual(decodeTuples(encodeTuples(once)), once);
      } catch (error) {
        assert.ok(error instanceof MalformedTuplesError, String(error));
        assert.ok(error.offset >= 0 && error.offset <= bytes.length);
      }
    }),
    { numRuns: 2000 },
  );
});

test("decodeTuples() keeps nothing of the bytes it was given", () => {
  const bytes = encodeTuples(["a", Uint8Array.of(1, 2), "b", mac("02:00:00:00:00:01"), "c", ip("192.0.2.1")]);
  const tuples = decodeTuples(bytes);
  bytes.fill(0xff);
  assert.deepEqual(tuples, ["a", Uint8Array.of(1, 2), "b", mac("02:00:00:00:00:01"), "c", ip("192.0.2.1")]);
});
