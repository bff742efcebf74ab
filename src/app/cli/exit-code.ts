/**
 * What the `metanet` command exits with, by what went wrong (`docs/command-line.md`, "Exit codes"). These numbers
 * are a promise to scripts.
 * @module
 */
import { MetanetError } from "#base/errors.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** No such process, mailbox or flow, or nobody listens: also what `status` says when nothing runs. */
  absent: 3,
  rejected: 4,
  timedOut: 5,
  denied: 6,
  /** The message does not fit the mailbox's contract. */
  contract: 7,
  loop: 8,
  overflow: 9,
  /** The configuration file cannot be used (sysexits.h, EX_CONFIG). */
  configuration: 78,
} as const;

const BY_CODE: Readonly<Record<string, number>> = {
  usage: EXIT.usage,
  "no-such-mailbox": EXIT.absent,
  "nobody-listening": EXIT.absent,
  "peer-gone": EXIT.absent,
  "no-such-script": EXIT.absent,
  "no-such-map": EXIT.absent,
  "no-such-flow": EXIT.absent,
  rejected: EXIT.rejected,
  "timed-out": EXIT.timedOut,
  denied: EXIT.denied,
  "capture-forbidden": EXIT.denied,
  contract: EXIT.contract,
  loop: EXIT.loop,
  overflow: EXIT.overflow,
  "bad-configuration": EXIT.configuration,
};

export function exitCodeOf(error: unknown): number {
  return error instanceof MetanetError ? (BY_CODE[error.code] ?? EXIT.failed) : EXIT.failed;
}
