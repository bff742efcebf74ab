/**
 * Options and their values, read with errors that name the option.
 * @module
 */

import { MalformedMessageError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { parseDuration } from "../duration.ts";
import { UsageError } from "./typed-value.ts";

/** @throws UsageError that names the option. */
export function readDuration(text: string, option: string): Duration {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw new UsageError(`Cannot use ${option} ${text}: it is not a duration such as 250ms, 10s or 5m`);
  }
}

/**
 * A whole number.
 * @throws UsageError that names the option and the bounds.
 */
export function readWhole(text: string, option: string, least: number, most: number): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`Cannot use ${option} ${text}: it is not a whole number from ${least} to ${most}`);
}

/**
 * One of a closed list of words.
 * @throws UsageError that names the option and the words.
 */
export function readWord<Word extends string>(text: string, option: string, words: readonly Word[]): Word {
  const word = words.find((known) => known === text);
  if (word === undefined)
    throw new UsageError(`Cannot use ${option} ${text}: it takes ${words.join(" or ")}`);
  return word;
}
