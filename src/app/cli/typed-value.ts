/**
 * Values of tuples as text and as JSON, with the name of their type beside them. The names are those of
 * contracts (`docs/command-line.md`, "Tuples").
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { formatHex, parseHex } from "#base/hex.ts";
import { IpAddress, IpPrefix, ip, prefix } from "#base/ip-address.ts";
import { MacAddress, mac } from "#base/mac-address.ts";
import { instant, Timestamp } from "#base/time.ts";
import type { Scalar, Value } from "#base/value.ts";
import type { Kind } from "#contract/contract.ts";
import { parseDuration } from "../duration.ts";

/** What was typed cannot be understood: the command line, or a line of JSON. */
export class UsageError extends ConfigurationError {
  override readonly code: string = "usage";
}

/** The type of a tag: a kind of contracts, or a list of that kind. */
export interface TagType {
  readonly kind: Kind | "null";
  readonly list: boolean;
}

/** A value in JSON: `[tag, type, value]`. */
export type JsonTuple = [tag: string, type: string, value: unknown];

const KINDS: readonly (Kind | "null")[] = [
  "text",
  "uint8",
  "uint16",
  "uint32",
  "uint",
  "int",
  "float",
  "boolean",
  "bytes",
  "mac",
  "ip",
  "ip4",
  "ip6",
  "prefix",
  "time",
  "duration",
  "null",
];

/** The type of a name such as `ip` or `ip[]`; `undefined` when there is no such type. */
export function parseTypeName(name: string): TagType | undefined {
  const list = name.endsWith("[]");
  const kind = KINDS.find((known) => known === (list ? name.slice(0, -2) : name));
  return kind === undefined ? undefined : { kind, list };
}

/** The types there are, for error messages. */
export const TYPE_NAMES: string = KINDS.join(", ");

/** The kind of a value, by what it is. */
export function kindOf(value: Scalar): Kind | "null" {
  if (value === null) return "null";
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "bigint") return value < 0n ? "int" : "uint";
  // A whole number beyond 2^53 is a float: as an integer it would be read back as another value.
  if (typeof value === "number") return Number.isSafeInteger(value) ? (value < 0 ? "int" : "uint") : "float";
  if (value instanceof MacAddress) return "mac";
  if (value instanceof IpAddress) return "ip";
  if (value instanceof IpPrefix) return "prefix";
  return value instanceof Timestamp ? "time" : "bytes";
}

/** A value for people: text as it is, bytes as hexadecimal, lists with commas. */
export function formatValue(value: Value): string {
  if (isList(value)) return value.map(formatValue).join(", ");
  if (value instanceof Uint8Array) return formatHex(value);
  return String(value);
}

/** A tuple for programs. A list whose values differ in kind has the type `list` and pairs `[type, value]`. */
export function toJsonTuple(tag: string, value: Value): JsonTuple {
  if (!isList(value)) return [tag, kindOf(value), toJson(value)];
  const kinds = new Set(value.map(kindOf));
  const [kind] = kinds;
  if (kinds.size === 1 && kind !== undefined) return [tag, `${kind}[]`, value.map(toJson)];
  return [tag, "list", value.map((item) => [kindOf(item), toJson(item)])];
}

function toJson(value: Scalar): unknown {
  if (value instanceof Uint8Array) return formatHex(value);
  // JSON has no integers beyond 2^53; they travel as text, and no number is ever rounded.
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value;
}

/**
 * The value of a text under a type.
 * @throws UsageError that says what the type looks like.
 */
export function parseTyped(text: string, type: TagType): Value {
  if (!type.list) return parseScalar(text, type.kind);
  const inner = text.replace(/^\[(.*)\]$/s, "$1").trim();
  return inner === "" ? [] : inner.split(",").map((item) => parseScalar(item.trim(), type.kind));
}

/**
 * The value JSON gives under a type: strings are read as text of the type, numbers and booleans must fit it.
 * @throws UsageError when they do not.
 */
export function fromJson(json: unknown, type: TagType): Value {
  if (type.list) {
    if (!Array.isArray(json)) throw new UsageError(`${JSON.stringify(json)} is not a list of ${type.kind}`);
    return json.map((item) => fromJson(item, { ...type, list: false }) as Scalar);
  }
  if (typeof json === "string") return parseScalar(json, type.kind);
  const numeric = ["uint8", "uint16", "uint32", "uint", "int", "float", "duration"].includes(type.kind);
  if (typeof json === "number" && numeric)
    return parseScalar(String(json), type.kind === "duration" ? "float" : type.kind);
  if (typeof json === "boolean" && type.kind === "boolean") return json;
  if (json === null && type.kind === "null") return json;
  throw new UsageError(`${JSON.stringify(json)} is not ${type.kind}`);
}

/** The value JSON gives when nobody knows the type: strings are text. */
export function fromUntypedJson(json: unknown): Value {
  if (Array.isArray(json)) return json.map(fromUntypedItem);
  if (json === null || typeof json === "string" || typeof json === "number" || typeof json === "boolean")
    return json;
  throw new UsageError(`${JSON.stringify(json)} is not a value of a tuple`);
}

function fromUntypedItem(json: unknown): Scalar {
  const value = fromUntypedJson(json);
  if (isList(value)) throw new UsageError("a list cannot hold a list");
  return value;
}

const LIKE: Partial<Record<Kind | "null", string>> = {
  boolean: "true or false",
  bytes: "hexadecimal such as 0a1b",
  mac: "02:00:00:00:00:01",
  ip: "192.0.2.1 or 2001:db8::1",
  ip4: "192.0.2.1",
  ip6: "2001:db8::1",
  prefix: "192.0.2.0/24",
  time: "2026-11-22T01:30:00Z",
  duration: "250ms, 10m, or a number of milliseconds",
};

const UINT_MAX: Partial<Record<Kind | "null", number>> = { uint8: 0xff, uint16: 0xffff, uint32: 0xffff_ffff };

function parseScalar(text: string, kind: Kind | "null"): Scalar {
  const value = attempt(() => READERS[kind](text));
  if (value !== undefined) return value;
  const most = UINT_MAX[kind];
  const like = LIKE[kind] ?? (most === undefined ? "a number" : `a whole number from 0 to ${most}`);
  throw new UsageError(`'${text}' is not ${kind}; write ${like}`);
}

const whole = (text: string, pattern: RegExp, most = Number.POSITIVE_INFINITY): Scalar | undefined => {
  if (!pattern.test(text)) return undefined;
  const value = Number(text);
  if (value > most) return undefined;
  return Number.isSafeInteger(value) ? value : BigInt(text);
};

const READERS: Record<Kind | "null", (text: string) => Scalar | undefined> = {
  text: (text) => text,
  uint8: (text) => whole(text, /^\d+$/, UINT_MAX.uint8),
  uint16: (text) => whole(text, /^\d+$/, UINT_MAX.uint16),
  uint32: (text) => whole(text, /^\d+$/, UINT_MAX.uint32),
  uint: (text) => whole(text, /^\d+$/),
  int: (text) => whole(text, /^-?\d+$/),
  float: (text) => (/^(-?\d+(\.\d+)?(e[-+]?\d+)?|NaN|-?Infinity)$/i.test(text) ? Number(text) : undefined),
  boolean: (text) => (text === "true" ? true : text === "false" ? false : undefined),
  bytes: parseHex,
  mac,
  ip,
  ip4: (text) => ofFamily(text, 4),
  ip6: (text) => ofFamily(text, 6),
  prefix,
  time: readTime,
  duration: (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : parseDuration(text)),
  null: (text) => (text === "null" ? null : undefined),
};

/** RFC 3339, the time of day may be left out; the engine alone would take `room 5` for a day in May. */
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:\d\d))?$/i;

function readTime(text: string): Timestamp | undefined {
  const at = TIME.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : new Timestamp(instant(at));
}

function ofFamily(text: string, family: 4 | 6): IpAddress | undefined {
  const address = ip(text);
  return address.family === family ? address : undefined;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function isList(value: Value): value is readonly Scalar[] {
  return Array.isArray(value);
}
