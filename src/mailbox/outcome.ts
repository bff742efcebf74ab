/**
 * How a chain ended.
 * @module
 */

import type { MetanetError } from "#base/errors.ts";
import { RejectedError } from "./errors.ts";
import type { Loose, Message } from "./message.ts";

export interface Outcome<Shape extends object = Loose> {
  readonly verdict: "continue" | "stop" | "reject" | "answer";
  /** The message as the last listener saw it, every change applied. */
  readonly message: Message<Shape>;
  /** The reply, when the verdict is `answer`. */
  readonly answer: Message | undefined;
  /** Why, when the verdict is `reject`. */
  readonly reason: string | undefined;
  /** The error a rejecting listener threw, or that stands for it. */
  readonly error: MetanetError | undefined;
  /** Some listener gave no verdict in time, and was passed over. */
  readonly timedOut: boolean;
  /** The identity of the listener that ended the chain. */
  readonly by: string | undefined;
  /** How many listeners were asked. */
  readonly asked: number;
}

/** The error a sender gets for a rejected message. */
export function rejection(outcome: Outcome, address: string): MetanetError {
  const reason = outcome.reason ?? "no reason given";
  return outcome.error ?? new RejectedError(`Cannot deliver to ${address}: ${reason}`, reason);
}
