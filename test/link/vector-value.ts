/**
 * Values of tuples as JSON, with their types spelled out, so that test vectors can be read in any language.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { Timestamp } from "#base/time.ts";
import type { Tuples, Value } from "#base/value.ts";

/** `type` is one of text, int, float, bool, null, bytes, mac, ip, prefix, time, list; `value` is a text where exactness needs it. */
export interface VectorValue {
  readonly type: string;
  readonly value: string | boolean | null | readonly VectorValue[];
}

export type VectorTuple = readonly [tag: string, value: VectorValue];

export function toVector(tuples: Tuples): VectorTuple[] {
  const vector: VectorTuple[] = [];
  for (let index = 0; index < tuples.length; index += 2) {
    vector.push([tuples[index] as string, describe(tuples[index + 1] as Value)]);
  }
  return vector;
}

function describe(value: Value): VectorValue {
  if (typeof value === "string") return { type: "text", value };
  if (typeof value === "bigint") return { type: "int", value: String(value) };
  if (typeof value === "boolean") return { type: "bool", value };
  if (value === null) return { type: "null", value };
  if (typeof value === "number") {
    const exact = Object.is(value, -0) ? "-0" : String(value);
    return { type: Number.isSafeInteger(value) && exact !== "-0" ? "int" : "float", value: exact };
  }
  if (value instanceof Uint8Array) return { type: "bytes", value: formatHex(value) };
  if (value instanceof MacAddress) return { type: "mac", value: String(value) };
  if (value instanceof IpAddress) return { type: "ip", value: String(value) };
  if (value instanceof IpPrefix) return { type: "prefix", value: String(value) };
  if (value instanceof Timestamp) return { type: "time", value: String(value) };
  return { type: "list", value: value.map(describe) };
}
