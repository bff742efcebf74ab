/**
 * Random messages of every kind of value in the profile, for fast-check; what they encode to decodes to the same.
 * @module
 */
import fc from "fast-check";
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { type Instant, Timestamp } from "#base/time.ts";
import type { Scalar, Tuples } from "#base/value.ts";
import { isTupleTag, TIME_MAX } from "#wire/cbor-profile.ts";

const bytesOf = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count });

const address: fc.Arbitrary<IpAddress> = fc
  .oneof(bytesOf(4), bytesOf(16))
  .map((bytes) => new IpAddress(Uint8Array.from(bytes)));

export const arbitraryScalar: fc.Arbitrary<Scalar> = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }),
  fc.bigInt({ min: -(1n << 64n), max: -(1n << 53n) }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Uint8Array.from(bytes)),
  bytesOf(6).map((bytes) => new MacAddress(Uint8Array.from(bytes))),
  address,
  fc.tuple(address, fc.nat(128)).map(([ip, length]) => new IpPrefix(ip, length % (ip.bytes.length * 8 + 1))),
  fc.integer({ min: -TIME_MAX, max: TIME_MAX }).map((ms) => new Timestamp(ms as Instant)),
);

const tag: fc.Arbitrary<string> = fc
  .string({ minLength: 1, maxLength: 64, unit: "grapheme-ascii" })
  .filter(isTupleTag);

export const arbitraryTuples: fc.Arbitrary<Tuples> = fc
  .array(fc.tuple(tag, fc.oneof(arbitraryScalar, fc.array(arbitraryScalar, { maxLength: 8 }))), {
    maxLength: 12,
  })
  .map((pairs) => pairs.flat());
