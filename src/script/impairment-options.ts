/**
 * How a link may be impaired; the words and most defaults are those of tc-netem(8).
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { GilbertElliott } from "./impairment-chance.ts";

/** The form of the delay around its mean. */
export type DelayDistribution = "uniform" | "normal" | "pareto";

/** Shares and correlations are numbers from 0 to 1; what is absent does not happen. */
export interface ImpairmentOptions {
  /** An integer, of which 29 bits count; the same seed, times and lengths give the same fates. */
  readonly seed: number;
  readonly delay?: Duration;
  /**
   * For `uniform` the delay is at most this off (netem's table-less default); for `normal` and `pareto` this is the
   * standard deviation. A delay that would be below 0 is 0.
   */
  readonly jitter?: Duration;
  /**
   * `uniform` unless told. `pareto` has the shape 3 of netem's table, cut where its tail is a thousandth, so that the
   * delay lies between 0.69 jitters below and 12.1 above the mean, most of it below.
   */
  readonly distribution?: DelayDistribution;
  /** How much a delay resembles the one before; below 1. Exact for `normal`, a little less for the others. */
  readonly delayCorrelation?: number;
  /**
   * Whether a packet with a small delay may leave before an earlier one with a great delay, as in netem without a
   * rate. Unless told it waits for it: the delays then have the asked distribution only where packets are farther
   * apart than the jitter. With a rate it always waits, also in netem.
   */
  readonly jitterReorders?: boolean;
  readonly loss?: number;
  readonly lossCorrelation?: number;
  /** Losses in bursts, in place of `loss`. */
  readonly burstLoss?: GilbertElliott;
  /** The share of packets that come twice; the second copy has a delay, and may have a loss, of its own. */
  readonly duplicate?: number;
  readonly duplicateCorrelation?: number;
  /** The share of packets that leave at once, past all that wait; there has to be a delay for them to pass by. */
  readonly reorder?: number;
  readonly reorderCorrelation?: number;
  /** After one that left at once, this many less one are delayed for certain; 1 unless told. */
  readonly reorderGap?: number;
  /** The share of packets of which one bit is turned. */
  readonly corrupt?: number;
  readonly corruptCorrelation?: number;
  /** Bits per second; each packet takes its time behind the one before. */
  readonly rate?: number;
  /** How many packets the link holds, waiting or in flight; the next are lost (`overflowed`). 1000 unless told. */
  readonly limit?: number;
}

/** The most packets a link may be told to hold. */
export const IMPAIRMENT_LIMIT_MAX = 1_000_000;
/** The longest delay or jitter: an hour, in milliseconds. */
export const IMPAIRMENT_DELAY_MAX = 3_600_000;

/** @throws ConfigurationError when there is no such link. */
export function checkImpairment(options: ImpairmentOptions): void {
  const within = (name: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (value >= least && value <= most)) return;
    refuse(`${name} is ${value}, wanted ${least} to ${most}`);
  };
  for (const name of ["loss", "duplicate", "reorder", "corrupt"] as const) {
    within(name, options[name], 0, 1);
    // With 1 a number would never change.
    within(`${name}Correlation`, options[`${name}Correlation`], 0, 0.999);
  }
  within("delayCorrelation", options.delayCorrelation, 0, 0.999);
  within("delay", options.delay, 0, IMPAIRMENT_DELAY_MAX);
  within("jitter", options.jitter, 0, IMPAIRMENT_DELAY_MAX);
  within("rate", options.rate, 1, 1e12);
  within("limit", options.limit, 1, IMPAIRMENT_LIMIT_MAX);
  within("reorderGap", options.reorderGap, 1, IMPAIRMENT_LIMIT_MAX);
  for (const [name, value] of Object.entries(options.burstLoss ?? {}))
    within(`burstLoss.${name}`, value, 0, 1);
  if (!["uniform", "normal", "pareto"].includes(options.distribution ?? "uniform")) {
    refuse(`distribution is '${options.distribution}', wanted uniform, normal or pareto`);
  }
  if (!Number.isSafeInteger(options.seed)) refuse(`seed is ${options.seed}, wanted an integer`);
  if (options.burstLoss && options.loss) refuse("loss and burstLoss are both told; choose one");
  if ((options.reorder ?? 0) > 0 && (options.delay ?? 0) === 0) {
    refuse("reorder needs a delay, for packets to pass others that are delayed; add one");
  }
}

function refuse(what: string): never {
  throw new ConfigurationError(`Cannot impair a link: ${what}`);
}
