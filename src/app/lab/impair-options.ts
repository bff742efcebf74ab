/**
 * The options of `metanet lab impair` that say what happens to packets, as an impairment of `src/script`, and back as
 * words for people.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { GilbertElliott } from "#script/impairment-chance.ts";
import { checkImpairment, IMPAIRMENT_LIMIT_MAX, type ImpairmentOptions } from "#script/impairment-options.ts";
import { readWhole, readWord } from "../cli/option.ts";
import { UsageError } from "../cli/typed-value.ts";
import { formatPercent, formatRate, readPercent, readRate, readShare, readTime } from "./impair-values.ts";

/** Texts of the command line, by their options. */
export interface ImpairWords {
  readonly delay?: string;
  readonly jitter?: string;
  readonly distribution?: string;
  readonly correlation?: string;
  readonly jitterReorders?: boolean;
  readonly loss?: string;
  readonly lossBursts?: string;
  readonly duplicate?: string;
  readonly reorder?: string;
  readonly gap?: string;
  readonly corrupt?: string;
  readonly rate?: string;
  readonly limit?: string;
  readonly seed?: string;
}

/** netem's own number, for a link with a rate: what waits in front of it is cut there. */
const LIMIT_WITH_RATE = 1000;
/** Without a rate nothing queues, packets are only in flight: 1.4 Gbit/s of full ones for a tenth of a second. */
const LIMIT_WITHOUT_RATE = 12_000;
const FULL_PACKET_BITS = 1514 * 8;
const SHARES = ["loss", "duplicate", "reorder", "corrupt"] as const;
type ShareName = (typeof SHARES)[number];
/** The seeds that the model tells apart. */
const SEED_VALUES = 2 ** 29;

/**
 * The impairment of a command line; a seed is drawn where none is told.
 * @throws UsageError that names the option.
 */
export function readImpairment(words: ImpairWords, drawSeed: () => number): ImpairmentOptions {
  const options: ImpairmentOptions = {
    seed: words.seed === undefined ? drawSeed() : readWhole(words.seed, "--seed", 0, SEED_VALUES - 1),
    ...readDelay(words),
    ...readShares(words),
    ...(words.rate !== undefined && { rate: readRate(words.rate, "--rate") }),
  };
  const limit =
    words.limit === undefined ? limitOf(options) : readWhole(words.limit, "--limit", 1, IMPAIRMENT_LIMIT_MAX);
  if (Object.keys(options).length === 1 && words.limit === undefined) {
    throw new UsageError("Cannot impair: nothing is asked for; add --delay 20ms, --loss 1% or --rate 20mbit");
  }
  try {
    checkImpairment({ ...options, limit });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
  return { ...options, limit };
}

/** A seed for a run without one. */
export function randomSeed(fraction: () => number): number {
  return Math.floor(fraction() * SEED_VALUES);
}

/** Twice what a rate brings into flight, and never fewer than netem's. */
function limitOf({ rate, delay, jitter }: ImpairmentOptions): number {
  if (rate === undefined) return LIMIT_WITHOUT_RATE;
  const flight = (rate * (((delay ?? 0) + 3 * (jitter ?? 0)) / 1000)) / FULL_PACKET_BITS;
  return Math.min(Math.max(LIMIT_WITH_RATE, Math.ceil(2 * flight)), IMPAIRMENT_LIMIT_MAX);
}

function readDelay(words: ImpairWords): Partial<ImpairmentOptions> {
  const { delay, jitter, distribution, correlation } = words;
  for (const [option, given] of [
    ["--distribution", distribution],
    ["--correlation", correlation],
    ["--jitter-reorders", words.jitterReorders],
  ] as const) {
    if (given !== undefined && jitter === undefined) {
      throw new UsageError(`Cannot use ${option}: it says how delays differ; add --jitter 5ms`);
    }
  }
  return {
    ...(delay !== undefined && { delay: readTime(delay, "--delay") }),
    ...(jitter !== undefined && { jitter: readTime(jitter, "--jitter") }),
    ...(distribution !== undefined && {
      distribution: readWord(distribution, "--distribution", ["uniform", "normal", "pareto"] as const),
    }),
    ...(correlation !== undefined && { delayCorrelation: readPercent(correlation, "--correlation") }),
    ...(words.jitterReorders && { jitterReorders: true }),
  };
}

function readShares(words: ImpairWords): Partial<ImpairmentOptions> {
  const options: Partial<Record<ShareName | `${ShareName}Correlation` | "reorderGap", number>> = {};
  for (const name of SHARES) {
    const text = words[name];
    if (text === undefined) continue;
    const { share, correlation } = readShare(text, `--${name}`);
    options[name] = share;
    if (correlation !== undefined) options[`${name}Correlation`] = correlation;
  }
  if (words.gap !== undefined) {
    if (words.reorder === undefined)
      throw new UsageError("Cannot use --gap: it belongs to --reorder; add it");
    options.reorderGap = readWhole(words.gap, "--gap", 1, IMPAIRMENT_LIMIT_MAX);
  }
  return {
    ...options,
    ...(words.lossBursts !== undefined && { burstLoss: readBursts(words.lossBursts) }),
  };
}

/** `P,R[,1-H[,1-K]]` as for tc's `loss gemodel`. */
function readBursts(text: string): GilbertElliott {
  const [toBad, toGood, lossInBad, lossInGood, ...more] = text
    .split(",")
    .map((part) => readPercent(part, "--loss-bursts"));
  if (toBad === undefined || toGood === undefined || more.length > 0) {
    throw new UsageError(`Cannot use --loss-bursts ${text}: it takes two to four shares, such as 1%,30%`);
  }
  return {
    toBad,
    toGood,
    ...(lossInBad !== undefined && { lossInBad }),
    ...(lossInGood !== undefined && { lossInGood }),
  };
}

/** One line of what a link does to packets: `delay 20ms ± 5ms, loss 1%, rate 20mbit, limit 1000, seed 7`. */
export function describeImpairment(options: ImpairmentOptions): string {
  const { delay, jitter, distribution = "uniform", delayCorrelation, burstLoss, rate } = options;
  const parts: string[] = [];
  if (delay !== undefined || jitter !== undefined) {
    const form = jitter === undefined ? "" : ` ± ${jitter}ms ${distribution}`;
    const like = delayCorrelation === undefined ? "" : `, alike by ${formatPercent(delayCorrelation)}`;
    parts.push(`delay ${delay ?? 0}ms${form}${like}${options.jitterReorders ? ", reordering" : ""}`);
  }
  if (burstLoss) {
    parts.push(
      `loss in bursts ${formatPercent(burstLoss.toBad)} to bad, ${formatPercent(burstLoss.toGood)} back`,
    );
  }
  for (const name of SHARES) {
    const [share, like] = [options[name], options[`${name}Correlation`]];
    if (share === undefined) continue;
    parts.push(
      `${name} ${formatPercent(share)}${like === undefined ? "" : ` (alike by ${formatPercent(like)})`}`,
    );
  }
  if (rate !== undefined) parts.push(`rate ${formatRate(rate)}`);
  return [...parts, `limit ${options.limit}`, `seed ${options.seed}`].join(", ");
}
