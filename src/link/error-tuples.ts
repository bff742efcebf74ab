/**
 * Errors on a link: the stable code for programs, the text for people, and what some classes carry besides.
 * @module
 */
import { MetanetError } from "#base/errors.ts";
import type { Tuples, Value } from "#base/value.ts";
import { errorFromCode, LoopError, RejectedError } from "#mailbox/errors.ts";
import { ControlTuples } from "./tuples.ts";

/** Characters of an error's text that travel. */
const TEXT_CHARACTERS_MAX = 2000;

export function encodeError(error: unknown): Tuples {
  const text = (error instanceof Error ? error.message : String(error)).slice(0, TEXT_CHARACTERS_MAX);
  const code = error instanceof MetanetError ? error.code : "internal";
  const tuples: (string | Value)[] = ["code", code, "text", text.toWellFormed()];
  if (error instanceof RejectedError) tuples.push("reason", error.reason.toWellFormed());
  if (error instanceof LoopError && error.path.length > 0) tuples.push("path", error.path);
  return tuples;
}

/** The same class again where this process has it, otherwise a RemoteError with the code. */
export function decodeError(tuples: Tuples): MetanetError {
  const read = new ControlTuples(tuples);
  const code = read.text("code") ?? "internal";
  const text = read.text("text") ?? "Cannot tell what went wrong: the peer gave no text";
  if (code === "rejected") return new RejectedError(text, read.text("reason") ?? text);
  if (code === "loop") return new LoopError(text, read.texts("path") ?? []);
  return errorFromCode(code, text);
}
