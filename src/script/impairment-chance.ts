/**
 * Chance on an impaired link: numbers that may resemble the one before, shares of packets, and losses in bursts.
 *
 * netem mixes a correlated number from the last and a new one, which narrows its distribution: a loss of 1 % that
 * correlates by 25 % loses far less than 1 % (tc-netem(8) calls it deprecated for that). Here a normal number follows
 * the last (an autoregressive process of order 1) and is made uniform again, so that the share stays what was asked.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";

/** Uniform numbers above 0 and below 1, each resembling the one before by the correlation, 0 to below 1. */
export class CorrelatedChance {
  readonly random: SeededRandom;
  readonly #correlation: number;
  readonly #innovation: number;
  #last: number | undefined;

  constructor(seed: number, correlation: number) {
    this.random = new SeededRandom(seed);
    this.#correlation = correlation;
    this.#innovation = Math.sqrt(1 - correlation * correlation);
  }

  next(): number {
    // 0 has no normal number.
    const fresh = Math.max(this.random.fraction(), 2 ** -54);
    if (this.#correlation === 0) return fresh;
    const normal = normalQuantile(fresh);
    this.#last =
      this.#last === undefined ? normal : this.#correlation * this.#last + this.#innovation * normal;
    return normalShare(this.#last);
  }
}

/** What decides, packet by packet, whether something happens to it. */
export interface Happening {
  happens(): boolean;
}

/** Happens to a share of all packets. */
export class ShareOfPackets implements Happening {
  readonly #share: number;
  readonly #chance: CorrelatedChance;

  constructor(share: number, seed: number, correlation: number) {
    this.#share = share;
    this.#chance = new CorrelatedChance(seed, correlation);
  }

  happens(): boolean {
    return this.#share > 0 && this.#chance.next() < this.#share;
  }
}

/** Gilbert and Elliott's model, with the letters of tc-netem(8): probabilities from 0 to 1. */
export interface GilbertElliott {
  /** `p`: that the good state ends with this packet. */
  readonly toBad: number;
  /** `r`: that the bad state ends with this packet. */
  readonly toGood: number;
  /** `1-h`: that a packet is lost in the bad state; 1 unless told. */
  readonly lossInBad?: number;
  /** `1-k`: that a packet is lost in the good state; 0 unless told. */
  readonly lossInGood?: number;
}

/** Losses in bursts of 1/r packets on average, p/(p + r) of the time, where each packet of a burst is lost. */
export class BurstLoss implements Happening {
  readonly #model: Required<GilbertElliott>;
  readonly #random: SeededRandom;
  #isBad = false;

  constructor(model: GilbertElliott, seed: number) {
    this.#model = { lossInBad: 1, lossInGood: 0, ...model };
    this.#random = new SeededRandom(seed);
  }

  happens(): boolean {
    const { toBad, toGood, lossInBad, lossInGood } = this.#model;
    // The packet belongs to the state before the change, as in netem.
    const loss = this.#isBad ? lossInBad : lossInGood;
    if (this.#random.fraction() < (this.#isBad ? toGood : toBad)) this.#isBad = !this.#isBad;
    return this.#random.fraction() < loss;
  }
}

/** The share of a standard normal distribution below `value`, to 1.2e-7 (Press et al., erfc by Chebyshev fitting). */
export function normalShare(value: number): number {
  const z = Math.abs(value) / Math.SQRT2;
  const t = 1 / (1 + 0.5 * z);
  const beyond = (t * Math.exp(polynomial(ERFC, t) - z * z)) / 2;
  return value < 0 ? beyond : 1 - beyond;
}

/** The value below which `share`, above 0 and below 1, of a standard normal distribution lies, to 1.2e-9 (Acklam). */
export function normalQuantile(share: number): number {
  const low = 0.02425;
  if (share > 1 - low) return -normalQuantile(1 - share);
  if (share < low) {
    const q = Math.sqrt(-2 * Math.log(share));
    return polynomial(TAIL_ABOVE, q) / polynomial(TAIL_BELOW, q);
  }
  const q = share - 0.5;
  return (q * polynomial(CENTRE_ABOVE, q * q)) / polynomial(CENTRE_BELOW, q * q);
}

function polynomial(coefficients: readonly number[], at: number): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * at + coefficient;
  return sum;
}

// The highest power first.
const ERFC = [
  0.170_872_77, -0.822_152_23, 1.488_515_87, -1.135_203_98, 0.278_868_07, -0.186_288_06, 0.096_784_18,
  0.374_091_96, 1.000_023_68, -1.265_512_23,
];
const CENTRE_ABOVE = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const CENTRE_BELOW = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
  1,
];
const TAIL_ABOVE = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_BELOW = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1];
