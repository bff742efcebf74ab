/**
 * JSON lines, the shell form of a listener: one line for each message out, one line with the verdict in
 * (`docs/command-line.md`, "JSON lines").
 * @module
 */
import type { Value } from "#base/value.ts";
import { type Edit, type Fields, Message } from "#mailbox/message.ts";
import { answer, change, reject, stop, type Verdict } from "#mailbox/verdict.ts";
import type { TagTypes } from "./tuple.ts";
import { fromJson, fromUntypedJson, kindOf, parseTypeName, toJsonTuple, UsageError } from "./typed-value.ts";

/** Bytes of one line, at the most; a longer one is skipped and told on standard error. */
export const LINE_BYTES_MAX: number = 1024 * 1024;

/** What a message's line says beside its tuples. */
export interface Envelope {
  /** Counts up from 1; only where an answer is expected. */
  readonly id?: number;
  readonly mailbox: string;
  readonly sender: string;
}

/** `{"id":1,"mailbox":"/dhcpd/lookup","sender":"dhcpd","tuples":[["xid","uint",7]]}`, without a newline. */
export function formatMessageLine(envelope: Envelope, message: Message): string {
  return JSON.stringify({ ...envelope, tuples: [...message].map(([tag, value]) => toJsonTuple(tag, value)) });
}

export interface VerdictLine {
  /** The message meant; `undefined` means the oldest one that waits. */
  readonly id: number | undefined;
  readonly verdict: Verdict;
}

/** What is needed to know the types of values that do not say theirs. */
export interface Types {
  /** What the mailbox takes. */
  readonly takes: TagTypes;
  /** What it answers. */
  readonly answers: TagTypes;
  /** The message with an id, whose values tell the types of its tags. */
  readonly messageOf: (id: number | undefined) => Message | undefined;
}

/** The id in a line that may be bad in other ways; `undefined` when there is none. */
export function idOfLine(line: string): number | undefined {
  try {
    const { id } = JSON.parse(line) as { id?: unknown };
    return typeof id === "number" ? id : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The verdict in a line.
 * @throws UsageError that says what is wrong with the line.
 */
export function parseVerdictLine(line: string, types: Types): VerdictLine {
  const json = parseObject(line);
  const { id } = json;
  if (id !== undefined && typeof id !== "number") throw bad(`id is ${JSON.stringify(id)}, not a number`);
  const message = types.messageOf(id);
  switch (json.verdict) {
    case "continue":
      return { id, verdict: { verdict: "continue" } };
    case "stop":
      return { id, verdict: stop };
    case "reject":
      return { id, verdict: reject(typeof json.reason === "string" ? json.reason : "no reason given") };
    case "change":
      return { id, verdict: change(parseEdit(json, types.takes, message)) };
    case "answer":
      return { id, verdict: answer(parseTupleList(json.tuples ?? [], types.answers, undefined, "tuples")) };
    default: {
      const seen =
        json.verdict === undefined ? "there is no verdict" : `verdict is ${JSON.stringify(json.verdict)}`;
      throw bad(`${seen}; write continue, stop, reject, change or answer`);
    }
  }
}

/**
 * The message in a line: an object of tags, or a list of tuples.
 * @throws UsageError that says what is wrong with the line.
 */
export function parseMessageLine(line: string, types: TagTypes): Message {
  const json = parseJson(line);
  const body = typeof json === "object" && json !== null && "tuples" in json ? json.tuples : json;
  return parseTupleList(body, types, undefined, "the message");
}

interface LineObject {
  readonly id?: unknown;
  readonly verdict?: unknown;
  readonly reason?: unknown;
  readonly tuples?: unknown;
  readonly set?: unknown;
  readonly add?: unknown;
  readonly remove?: unknown;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw bad(`${quote(line)} is not JSON`);
  }
}

function parseObject(line: string): LineObject {
  const json = parseJson(line);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw bad(`${quote(line)} is not an object like {"id":1,"verdict":"continue"}`);
  }
  return json;
}

function parseEdit(json: LineObject, types: TagTypes, message: Message | undefined): Edit {
  const remove = json.remove ?? [];
  if (!Array.isArray(remove) || !remove.every((tag) => typeof tag === "string")) {
    throw bad("remove is not a list of tags");
  }
  const edit = (part: unknown, name: string): Fields =>
    parseTupleList(part ?? [], types, message, name).toObject();
  return { set: edit(json.set, "set"), add: edit(json.add, "add"), remove };
}

/** `{"tag": value}`, or a list of `[tag, value]` and `[tag, type, value]`. */
function parseTupleList(json: unknown, types: TagTypes, like: Message | undefined, name: string): Message {
  const rows = Array.isArray(json)
    ? json
    : typeof json === "object" && json !== null
      ? Object.entries(json)
      : undefined;
  if (!rows) throw bad(`${name} is not tuples like [["xid","uint",7]] or {"xid":7}`);
  const tuples = rows.flatMap((row: unknown): (string | Value)[] => {
    if (!Array.isArray(row) || typeof row[0] !== "string" || row.length < 2 || row.length > 3) {
      throw bad(`in ${name}, ${JSON.stringify(row)} is not [tag, value] or [tag, type, value]`);
    }
    const tag: string = row[0];
    try {
      return [tag, row.length === 3 ? readTyped(row[1], row[2]) : readUntyped(tag, row[1], types, like)];
    } catch (error) {
      throw error instanceof UsageError ? bad(`in ${name}, tag '${tag}': ${error.message}`) : error;
    }
  });
  return Message.fromTuples(tuples);
}

function readTyped(typeName: unknown, json: unknown): Value {
  if (typeName === "list" && Array.isArray(json)) {
    return json.map((pair: unknown) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw new UsageError("a list takes pairs [type, value]");
      const value = readTyped(pair[0], pair[1]);
      if (Array.isArray(value)) throw new UsageError("a list cannot hold a list");
      return value as Exclude<Value, readonly unknown[]>;
    });
  }
  const type = typeof typeName === "string" ? parseTypeName(typeName) : undefined;
  if (!type) throw new UsageError(`there is no type ${JSON.stringify(typeName)}`);
  return fromJson(json, type);
}

/** By the contract, else text like the value the message has under that tag, else as JSON gives it. */
function readUntyped(tag: string, json: unknown, types: TagTypes, like: Message | undefined): Value {
  const type = types.get(tag);
  if (type) return fromJson(json, type);
  const old = like?.get(tag);
  // An address is written as text, and the listener behind us expects an address where one was.
  if (typeof json !== "string" || !(old instanceof Object) || Array.isArray(old))
    return fromUntypedJson(json);
  return fromJson(json, { kind: kindOf(old as Exclude<Value, readonly unknown[]>), list: false });
}

function bad(seen: string): UsageError {
  return new UsageError(seen);
}

function quote(line: string): string {
  return `'${line.length > 60 ? `${line.slice(0, 60)}…` : line}'`;
}
