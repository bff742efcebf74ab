/**
 * An impaired link as a machine: told the time and the length of a packet, it answers when the packet and its
 * duplicate leave, or that it is lost. The semantics are netem's (tc-netem(8)) but where
 * {@link ImpairmentOptions} or the module of chance says otherwise.
 * @module
 */
import { Heap } from "#base/heap.ts";
import type { Instant } from "#base/time.ts";
import {
  BurstLoss,
  CorrelatedChance,
  type Happening,
  normalQuantile,
  ShareOfPackets,
} from "./impairment-chance.ts";
import { checkImpairment, type DelayDistribution, type ImpairmentOptions } from "./impairment-options.ts";

/** One copy of a packet on its way out. */
export interface Departure {
  /** When it leaves: at once or later. */
  readonly at: Instant;
  /** The bit that is to be turned, counted from the first byte's highest; `undefined` when it is intact. */
  readonly corruptBit: number | undefined;
}

/** What has become of all packets: `packets + duplicated - lost - overflowed` copies have left or will. */
export interface ImpairmentCounts {
  packets: number;
  /** Copies lost by chance. */
  lost: number;
  duplicated: number;
  /** Copies that left at once, past others. */
  reordered: number;
  corrupted: number;
  /** Copies lost because the link held as many as it may. */
  overflowed: number;
}

/** How many packets a link holds unless told otherwise; netem's own number. */
export const IMPAIRMENT_LIMIT = 1000;

/** Draws of chance, each with a generator of its own: changing the loss changes no delay. */
const DRAWS = { delay: 0, loss: 1, duplicate: 2, reorder: 3, corrupt: 4, count: 8 } as const;

export class Impairment {
  readonly #counts: ImpairmentCounts = {
    packets: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    overflowed: 0,
  };
  readonly #limit: number;
  readonly #delay: () => number;
  readonly #loss: Happening;
  readonly #duplicate: Happening;
  readonly #reorder: Happening;
  readonly #corrupt: Happening;
  readonly #corruptChance: CorrelatedChance;
  /** Delayed packets before the next may pass by. */
  readonly #gap: number;
  /** Milliseconds for each byte; 0 is no time. */
  readonly #byteTime: number;
  readonly #keepsOrder: boolean;
  /** When the packets that are held leave. */
  readonly #held = new Heap<undefined>();
  /** The time of the first packet. Times are kept from here, as those since 1970 are too coarse for a byte's. */
  #origin: number | undefined;
  #last = 0;
  #sinceReordered = 0;

  /** @throws ConfigurationError when there is no such link. */
  constructor(options: ImpairmentOptions) {
    checkImpairment(options);
    const seedOf = (draw: number): number => Math.imul(options.seed, DRAWS.count) + draw;
    const share = (name: "loss" | "duplicate" | "reorder" | "corrupt"): Happening =>
      new ShareOfPackets(options[name] ?? 0, seedOf(DRAWS[name]), options[`${name}Correlation`] ?? 0);
    this.#limit = options.limit ?? IMPAIRMENT_LIMIT;
    this.#delay = delaysOf(options, seedOf(DRAWS.delay));
    this.#loss = options.burstLoss ? new BurstLoss(options.burstLoss, seedOf(DRAWS.loss)) : share("loss");
    this.#duplicate = share("duplicate");
    this.#reorder = share("reorder");
    this.#corrupt = share("corrupt");
    this.#corruptChance = new CorrelatedChance(seedOf(DRAWS.corrupt) ^ 0x5bd1_e995, 0);
    this.#gap = (options.reorderGap ?? 1) - 1;
    this.#byteTime = options.rate === undefined ? 0 : 8000 / options.rate;
    this.#keepsOrder = options.rate !== undefined || !options.jitterReorders;
  }

  get counts(): Readonly<ImpairmentCounts> {
    return this.#counts;
  }

  /** How many packets the link holds at `now`. */
  heldCount(now: Instant): number {
    if (this.#origin !== undefined) this.#release(now - this.#origin);
    return this.#held.size;
  }

  /**
   * The fate of a packet that comes at `now`: no copy when it is lost, one, or two when it is duplicated.
   * @param now not earlier than that of the packet before.
   */
  pass(now: Instant, lengthBytes: number): Departure[] {
    this.#origin ??= now;
    this.#counts.packets++;
    const departures: Departure[] = [];
    // As in netem, a packet that is both lost and duplicated leaves once.
    const isDuplicated = this.#duplicate.happens();
    if (isDuplicated) this.#counts.duplicated++;
    const isLost = this.#loss.happens();
    if (isLost) this.#counts.lost++;
    if (!isLost || isDuplicated) this.#hold(now - this.#origin, lengthBytes, departures);
    if (isDuplicated && !isLost) {
      if (this.#loss.happens()) this.#counts.lost++;
      else this.#hold(now - this.#origin, lengthBytes, departures);
    }
    return departures;
  }

  #hold(now: number, lengthBytes: number, departures: Departure[]): void {
    this.#release(now);
    if (this.#held.size >= this.#limit) {
      this.#counts.overflowed++;
      return;
    }
    const corruptBit = this.#corrupt.happens()
      ? this.#corruptChance.random.below(lengthBytes * 8)
      : undefined;
    if (corruptBit !== undefined) this.#counts.corrupted++;
    departures.push({ at: ((this.#origin ?? 0) + this.#leaves(now, lengthBytes)) as Instant, corruptBit });
  }

  /** When a copy leaves, after the first packet's time. */
  #leaves(now: number, lengthBytes: number): number {
    if (this.#sinceReordered >= this.#gap && this.#reorder.happens()) {
      this.#sinceReordered = 0;
      this.#counts.reordered++;
      return now;
    }
    this.#sinceReordered++;
    let at = now + Math.max(0, this.#delay());
    if (this.#keepsOrder) at = Math.max(at, this.#last) + lengthBytes * this.#byteTime;
    this.#last = at;
    if (at > now) this.#held.add(at, undefined);
    return at;
  }

  #release(now: number): void {
    for (let first = this.#held.firstKey; first !== undefined && first <= now; first = this.#held.firstKey) {
      this.#held.take();
    }
  }
}

/** A Pareto distribution of shape 3 from 1 to 10, as numbers with the mean 0 and the deviation 1. */
const PARETO = ((): { kept: number; mean: number; deviation: number } => {
  const kept = 1 - 10 ** -3;
  const mean = (3 / 2) * ((1 - 10 ** -2) / kept);
  const square = 3 * ((1 - 10 ** -1) / kept);
  return { kept, mean, deviation: Math.sqrt(square - mean * mean) };
})();

/** Each distribution from a uniform number: by how many jitters a delay is off. */
const FORMS: Readonly<Record<DelayDistribution, (uniform: number) => number>> = {
  uniform: (uniform) => 2 * uniform - 1,
  normal: normalQuantile,
  pareto: (uniform) => ((1 - uniform * PARETO.kept) ** (-1 / 3) - PARETO.mean) / PARETO.deviation,
};

/** What gives one delay after the other, in milliseconds. */
function delaysOf(options: ImpairmentOptions, seed: number): () => number {
  const { delay = 0, jitter = 0, distribution = "uniform", delayCorrelation = 0 } = options;
  if (jitter === 0) return () => delay;
  const chance = new CorrelatedChance(seed, delayCorrelation);
  const form = FORMS[distribution];
  return () => delay + jitter * form(chance.next());
}
