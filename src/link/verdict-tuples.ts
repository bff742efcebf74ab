/**
 * Verdicts on a link: a closed set of words in the control tuples, and what they carry in the body. A change travels
 * as its edit: first the tuples to set, then those to add, with their numbers in the control tuples.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Tuples, Value } from "#base/value.ts";
import { type Edit, type Fields, Message } from "#mailbox/message.ts";
import { answer, change, reject, stop, type Verdict } from "#mailbox/verdict.ts";
import { decodeError, encodeError } from "./error-tuples.ts";
import { ControlTuples, required } from "./tuples.ts";

export interface VerdictTuples {
  readonly meta: Tuples;
  readonly body: Tuples;
}

const NONE: Tuples = [];
const CONTINUE: VerdictTuples = { meta: NONE, body: NONE };
const STOP: VerdictTuples = { meta: ["verdict", "stop"], body: NONE };
const WORDS = ["continue", "stop", "reject", "change", "answer"] as const;

export function encodeVerdict(verdict: Verdict | undefined): VerdictTuples {
  switch (verdict?.verdict) {
    case "stop":
      return STOP;
    case "reject":
      return {
        meta: ["verdict", "reject", "reason", verdict.reason],
        body: verdict.error ? encodeError(verdict.error) : NONE,
      };
    case "answer":
      return { meta: ["verdict", "answer"], body: verdict.message.tuples };
    case "change":
      return encodeEdit(verdict.edit);
    default:
      return CONTINUE;
  }
}

/** @throws ProtocolViolationError when it is none of the five. */
export function decodeVerdict(meta: Tuples, body: Tuples): Verdict | undefined {
  if (meta.length === 0) return undefined;
  const tuples = new ControlTuples(meta);
  switch (tuples.oneOf("verdict", WORDS)) {
    case "stop":
      return stop;
    case "reject":
      return reject(
        tuples.text("reason") ?? "no reason given",
        body.length > 0 ? decodeError(body) : undefined,
      );
    case "answer":
      return answer(Message.fromTuples(body));
    case "change":
      return change(decodeEdit(tuples, body));
    default:
      return undefined;
  }
}

function encodeEdit({ set, add, remove }: Edit): VerdictTuples {
  const body: (string | Value)[] = [];
  const setCount = pushFields(body, set);
  const addCount = pushFields(body, add);
  return {
    meta: ["verdict", "change", "set", setCount, "add", addCount, "remove", remove ?? []],
    body,
  };
}

function pushFields(body: (string | Value)[], fields: Fields | undefined): number {
  const before = body.length;
  for (const [tag, value] of Object.entries(fields ?? {})) if (value !== undefined) body.push(tag, value);
  return (body.length - before) / 2;
}

function decodeEdit(tuples: ControlTuples, body: Tuples): Edit {
  const setCount = required(tuples.count("set"), "set");
  const addCount = required(tuples.count("add"), "add");
  if (setCount + addCount !== body.length / 2) {
    throw new ProtocolViolationError(
      `Cannot read verdict: ${setCount} tuples to set and ${addCount} to add, but ${body.length / 2} in the body`,
    );
  }
  return {
    set: Object.fromEntries(Message.fromTuples(body.slice(0, setCount * 2))),
    add: Object.fromEntries(Message.fromTuples(body.slice(setCount * 2))),
    remove: tuples.texts("remove") ?? [],
  };
}
