/**
 * What a packet script answers. A verdict is a number, so that answering allocates nothing.
 * @module
 */
import type { Duration } from "#base/time.ts";

declare const verdictBrand: unique symbol;

/** One of the values below, or what {@link queue} and {@link mark} make. */
export type Verdict = number & { readonly [verdictBrand]: true };

/** The packet goes on, past the scripts that are left at this hook. */
export const accept: Verdict = verdict(1);
/** The packet is gone. */
export const drop: Verdict = verdict(0);
/** The packet goes on to the next script of this hook; what a function that returns nothing means as well. */
export const proceed: Verdict = verdict(2);
/** The packet goes through this hook's script once more, at most {@link REPEAT_COUNT_MAX} times. */
export const repeat: Verdict = verdict(4);

/** Times a packet may be sent round again; once more is an error of the script. */
export const REPEAT_COUNT_MAX = 8;

/** What a verdict does with the packet. */
export type VerdictKind = "accept" | "drop" | "continue" | "repeat" | "queue" | "mark" | "later";

export const VERDICT_KINDS: readonly VerdictKind[] = [
  "accept",
  "drop",
  "continue",
  "repeat",
  "queue",
  "mark",
  "later",
];

const QUEUE = 3;
/** Marks stand above 32 bits, so that they meet no other verdict. */
const MARK_BASE = 2 ** 33;

/**
 * Another program decides: the reader of another queue.
 * @param queueNumber 0 to 65535
 * @throws RangeError
 */
export function queue(queueNumber: number): Verdict {
  if (!Number.isInteger(queueNumber) || queueNumber < 0 || queueNumber > 65_535) {
    throw new RangeError(`Cannot hand a packet to queue ${queueNumber}: not 0 to 65535`);
  }
  return verdict(queueNumber * 0x1_0000 + QUEUE);
}

/** The packet gets this netfilter mark, 0 to 2^32 - 1, and goes on to the next script. */
export function mark(value: number): Verdict {
  return verdict(MARK_BASE + (value >>> 0));
}

/** A verdict that comes later; nothing means `continue`. */
// biome-ignore lint/suspicious/noConfusingVoidType: an asynchronous function without a return statement is a script too
export type VerdictPromise = PromiseLike<Verdict | undefined | void>;

/** The verdict comes later: the packet is held until then. */
export interface Later {
  readonly verdict: Verdict | VerdictPromise;
  /** How long the verdict is waited for; then the rule's `--on-error` decides. 2 s unless the rule says otherwise. */
  readonly deadline?: Duration;
  /** How long the packet is held before a verdict that is known already. */
  readonly delay?: Duration;
}

/**
 * Holds the packet until the promise tells; other packets go on meanwhile. Returning the promise itself does the
 * same, with the rule's deadline.
 */
export function later(promise: VerdictPromise, deadline?: Duration): Later {
  return deadline === undefined ? { verdict: promise } : { verdict: promise, deadline };
}

/** Holds the packet for a while, without a promise. */
export function delayed(delay: Duration, then: Verdict = proceed): Later {
  return { verdict: then, delay };
}

/** What a verdict means; `undefined` for a number that is none. */
export function kindOf(value: number): VerdictKind | undefined {
  if (value === 2) return "continue";
  if (value === 1) return "accept";
  if (value === 0) return "drop";
  if (value === 4) return "repeat";
  if (value >= MARK_BASE && value < MARK_BASE + 2 ** 32 && Number.isInteger(value)) return "mark";
  if (value > 0 && value < 2 ** 32 && value % 0x1_0000 === QUEUE) return "queue";
  return undefined;
}

/** The queue of a verdict of kind "queue". */
export function queueOf(value: Verdict): number {
  return Math.floor(value / 0x1_0000);
}

/** The mark of a verdict of kind "mark". */
export function markOf(value: Verdict): number {
  return value - MARK_BASE;
}

/** `queue 3`, `mark 0x7`, `accept`. */
export function formatVerdict(value: Verdict): string {
  const kind = kindOf(value);
  if (kind === "queue") return `queue ${queueOf(value)}`;
  if (kind === "mark") return `mark 0x${markOf(value).toString(16)}`;
  return kind ?? String(value);
}

/**
 * The verdict that {@link formatVerdict} wrote, as listeners in other languages answer it: `drop`, `mark 7`.
 * `undefined` for a text that is none, and for `later`.
 */
export function parseVerdict(text: string): Verdict | undefined {
  const plain = PLAIN[text];
  if (plain !== undefined) return plain;
  const [, kind, digits = ""] = /^(queue|mark) (\d{1,10}|0x[0-9a-f]{1,8})$/.exec(text) ?? [];
  const number = Number(digits);
  if (kind === "queue" && number <= 65_535) return queue(number);
  if (kind === "mark" && number < 2 ** 32) return mark(number);
  return undefined;
}

const PLAIN: Readonly<Record<string, Verdict | undefined>> = Object.assign(Object.create(null), {
  accept,
  drop,
  continue: proceed,
  repeat,
});

function verdict(value: number): Verdict {
  return value as Verdict;
}
