/**
 * What every keyed hash of `io/keyed-hash.ts` promises.
 * @module
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatHex } from "#base/hex.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { KEYED_HASH_BYTES, type KeyedHash } from "#io/keyed-hash.ts";
import { LinuxKeyedHash } from "#linux/keyed-hash.ts";
import { SimKeyedHash } from "#sim/keyed-hash.ts";

const worlds: readonly [string, KeyedHash][] = [
  ["linux", new LinuxKeyedHash()],
  ["sim", new SimKeyedHash()],
];

for (const [name, hasher] of worlds) {
  describe(`KeyedHash (${name})`, () => {
    const of = (key: string, data: string): string =>
      formatHex(hasher.hash(encodeUtf8(key), encodeUtf8(data)));

    test("hash() gives as many bytes as it says, and the same for the same input", () => {
      assert.equal(of("k", "data").length, KEYED_HASH_BYTES * 2);
      assert.equal(of("k", "data"), of("k", "data"));
    });

    const others: readonly [string, string][] = [
      ["k", "datb"],
      ["l", "data"],
      ["", "data"],
      ["k", ""],
      ["kd", "ata"],
    ];
    for (const [key, data] of others) {
      test(`hash("${key}", "${data}") is not hash("k", "data")`, () => {
        assert.notEqual(of(key, data), of("k", "data"));
      });
    }
  });
}

test("LinuxKeyedHash gives the value of RFC 4231 test case 2", () => {
  const hash = new LinuxKeyedHash().hash(encodeUtf8("Jefe"), encodeUtf8("what do ya want for nothing?"));
  assert.equal(formatHex(hash), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
});
