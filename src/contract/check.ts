/**
 * Checks a message against the tags of a contract.
 * @module
 */
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { Timestamp } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { Message } from "#mailbox/message.ts";
import type { Kind, Tag, Tags } from "./contract.ts";

const FITS: Record<Kind, (value: Value) => boolean> = {
  text: (value) => typeof value === "string",
  uint8: (value) => isWhole(value, 0, 0xff),
  uint16: (value) => isWhole(value, 0, 0xffff),
  uint32: (value) => isWhole(value, 0, 0xffff_ffff),
  uint: (value) => isWhole(value, 0, Number.POSITIVE_INFINITY),
  int: (value) => isWhole(value, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY),
  float: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  bytes: (value) => value instanceof Uint8Array,
  mac: (value) => value instanceof MacAddress,
  ip: (value) => value instanceof IpAddress,
  ip4: (value) => value instanceof IpAddress && value.family === 4,
  ip6: (value) => value instanceof IpAddress && value.family === 6,
  prefix: (value) => value instanceof IpPrefix,
  time: (value) => value instanceof Timestamp,
  duration: (value) => typeof value === "number" && Number.isFinite(value) && value >= 0,
};

/** Whether a value is of a kind. */
export function fits(value: Value, tag: Pick<Tag, "kind" | "list">): boolean {
  if (!tag.list) return FITS[tag.kind](value);
  return Array.isArray(value) && value.every((item: Value) => FITS[tag.kind](item));
}

/** What is wrong with a message; `undefined` when it fits. Tags that nobody declared pass: a newer version may know them. */
export function checkTags(message: Message, tags: Tags): string | undefined {
  for (const [name, tag] of Object.entries(tags)) {
    const values = message.all(name);
    if (values.length === 0 && !tag.isOptional) return `tag '${name}' (${nameOf(tag)}) is missing`;
    if (values.length > 1 && !tag.isRepeated)
      return `tag '${name}' stands there ${values.length} times, not once`;
    const wrong = values.find((value) => !fits(value, tag));
    if (wrong !== undefined) return `tag '${name}' is ${describeValue(wrong)}, not ${nameOf(tag)}`;
  }
  return undefined;
}

/** A kind as people read it. */
export function nameOf(tag: Pick<Tag, "kind" | "list">): string {
  return tag.list ? `list of ${tag.kind}` : tag.kind;
}

function isWhole(value: Value, least: number, most: number): boolean {
  if (typeof value === "bigint")
    return value >= (Number.isFinite(least) ? BigInt(least) : value) && most === Number.POSITIVE_INFINITY;
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

function describeValue(value: Value): string {
  if (typeof value === "string") return `text '${value.slice(0, 40)}'`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return `${value}`;
}
