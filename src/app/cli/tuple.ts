/**
 * Tuples as they are typed: `tag=value` with the type the mailbox states, else by look; `tag:type=value` to say it.
 * @module
 */

import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import type { Tuples, Value } from "#base/value.ts";
import { parseTyped, parseTypeName, type TagType, TYPE_NAMES, UsageError } from "./typed-value.ts";

/** The types a mailbox states for its tags. */
export type TagTypes = ReadonlyMap<string, TagType>;

/**
 * The tuples of arguments such as `xid=7` and `name:text=7`, flat and in order.
 * @throws UsageError that quotes the argument and says how to write it.
 */
export function parseTuples(texts: readonly string[], types: TagTypes): Tuples {
  return texts.flatMap((text) => parseTuple(text, types));
}

function parseTuple(text: string, types: TagTypes): [tag: string, value: Value] {
  const match = /^([^=:\s]+)(?::([^=\s]*))?=(.*)$/s.exec(text);
  if (!match) throw new UsageError(`Cannot read tuple '${text}': it is not like tag=value or tag:type=value`);
  const [, tag = "", typeName, rest = ""] = match;
  const forced = typeName === undefined ? undefined : parseTypeName(typeName);
  if (typeName !== undefined && forced === undefined) {
    throw new UsageError(
      `Cannot read tuple '${text}': there is no type '${typeName}'; there are ${TYPE_NAMES}, and TYPE[] for lists`,
    );
  }
  const type = forced ?? types.get(tag);
  try {
    const quoted = readQuoted(rest);
    if (quoted !== undefined && (type === undefined || type.kind === "text")) return [tag, quoted];
    return [tag, type === undefined ? byLook(rest) : parseTyped(quoted ?? rest, type)];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`Cannot read tuple '${text}': ${error.message}`);
  }
}

/** Text between double quotes, with JSON's escapes. */
function readQuoted(text: string): string | undefined {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return undefined;
  try {
    return JSON.parse(text) as string;
  } catch {
    throw new UsageError(`${text} is not text in double quotes as JSON writes it`);
  }
}

const LOOKS: readonly (readonly [RegExp, (text: string) => Value])[] = [
  [/^-?(0|[1-9]\d*)$/, (text) => parseTyped(text, { kind: "int", list: false })],
  [/^-?\d+\.\d+(e[-+]?\d+)?$/i, Number],
  [/^(true|false)$/, (text) => text === "true"],
  [/^null$/, () => null],
  [/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i, mac],
  [/^[0-9a-f.:]+\/\d+$/i, prefix],
  [/^(\d+\.\d+\.\d+\.\d+|[0-9a-f.]*:[0-9a-f:.]*)$/i, ip],
  [/^\[.*\]$/s, readList],
];

/** The value of a text by what it looks like; what looks like nothing else is text. */
export function byLook(text: string): Value {
  for (const [pattern, read] of LOOKS) {
    if (!pattern.test(text)) continue;
    try {
      return read(text);
    } catch (error) {
      // Such as 1.2.3.400: near an address and none, so it is text, as everything else is.
      if (error instanceof UsageError) throw error;
    }
  }
  return text;
}

function readList(text: string): Value {
  const inner = text.slice(1, -1).trim();
  if (inner === "") return [];
  return inner.split(",").map((item) => {
    const value = byLook(item.trim());
    if (Array.isArray(value)) throw new UsageError("a list cannot hold a list");
    return value as Exclude<Value, readonly unknown[]>;
  });
}

/** The types of a mailbox's tags, from the lines `/sys/describe` answers: `NAME KIND TRAITS: PROSE`. */
export function typesFromDescription(lines: readonly string[]): TagTypes {
  const types = new Map<string, TagType>();
  for (const line of lines) {
    const [, name, list, kindName] = /^(\S+) (list of )?([a-z0-9]+)/.exec(line) ?? [];
    const type = parseTypeName(kindName ?? "");
    if (name !== undefined && type) types.set(name, { kind: type.kind, list: list !== undefined });
  }
  return types;
}
