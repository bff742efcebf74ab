/**
 * What a listener answers. Returning nothing continues; a promise parks the message, not the process.
 * @module
 */
import type { MetanetError } from "#base/errors.ts";
import { type Edit, type Fields, Message } from "./message.ts";

/** Handled: nobody after me. */
export interface Stop {
  readonly verdict: "stop";
}

/** Refused: nobody after me, and the sender learns why. */
export interface Reject {
  readonly verdict: "reject";
  readonly reason: string;
  /** The error the sender gets; a RejectedError with the reason when there is none. */
  readonly error: MetanetError | undefined;
}

/** Go on with an edited message. */
export interface Change {
  readonly verdict: "change";
  readonly edit: Edit;
}

/** Handled, and this is the reply to a call. */
export interface Answer {
  readonly verdict: "answer";
  // biome-ignore lint/suspicious/noExplicitAny: an answer of any shape fits; the contract checks it.
  readonly message: Message<any>;
}

/** Go on to the next listener; the same as returning nothing. */
export interface Continue {
  readonly verdict: "continue";
}

export type Verdict = Continue | Stop | Reject | Change | Answer;

// biome-ignore lint/suspicious/noConfusingVoidType: a listener without a return statement continues.
export type VerdictOrLater = Verdict | undefined | void | PromiseLike<Verdict | undefined | void>;

export const stop: Stop = { verdict: "stop" };

export function reject(reason: string, error?: MetanetError): Reject {
  return { verdict: "reject", reason, error };
}

export function change(edit: Edit): Change {
  return { verdict: "change", edit };
}

// biome-ignore lint/suspicious/noExplicitAny: see Answer.
export function answer(body: Message<any> | Fields = {}): Answer {
  return { verdict: "answer", message: body instanceof Message ? body : Message.fromFields(body) };
}

const VERDICTS: readonly string[] = ["continue", "stop", "reject", "change", "answer"];

/** Whether a listener's return value is one of the closed set of verdicts. */
export function isVerdict(value: unknown): value is Verdict {
  return (
    typeof value === "object" &&
    value !== null &&
    "verdict" in value &&
    VERDICTS.includes(value.verdict as string) &&
    // What carries something must have it: a listener written in JavaScript may have forgotten.
    (value.verdict !== "change" || isEdit((value as Partial<Change>).edit)) &&
    (value.verdict !== "answer" || (value as Partial<Answer>).message instanceof Message)
  );
}

function isEdit(edit: unknown): edit is Edit {
  if (typeof edit !== "object" || edit === null) return false;
  const { remove = [] } = edit as Edit;
  return Array.isArray(remove);
}
