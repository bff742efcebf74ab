import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { type Duration, instant, milliseconds } from "#base/time.ts";
import { type Departure, Impairment } from "./impairment.ts";
import { normalQuantile, normalShare } from "./impairment-chance.ts";
import type { ImpairmentOptions } from "./impairment-options.ts";

const LENGTH_BYTES = 1000;
/** Packets of a run that counts what is rare. */
const COUNT = 300_000;
/** An epoch like the clock's, where a millisecond has 4096 steps. */
const START = 1_795_000_000_000;

interface Fate {
  readonly sent: number;
  readonly departures: Departure[];
}

/** The fates of `count` packets that come every `gap` milliseconds. */
function run(options: ImpairmentOptions, count: number, gap = 100) {
  const link = new Impairment(options);
  const fates: Fate[] = [];
  for (let index = 0; index < count; index++) {
    const sent = START + index * gap;
    fates.push({ sent, departures: link.pass(instant(sent), LENGTH_BYTES) });
  }
  return {
    link,
    fates,
    delays: fates.flatMap(({ sent, departures }) => departures.map(({ at }) => at - sent)),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

function near(actual: number, expected: number, bound: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= bound, `${what}: ${actual}, not ${expected} by ${bound}`);
}

/** Four standard errors of a share among `count`: a right generator fails one seed in 16,000. */
function shareBound(share: number, count: number): number {
  return 4 * Math.sqrt((share * (1 - share)) / count);
}

/** How often the values resemble the next: the autocorrelation at a distance of one. */
function resemblance(values: readonly number[]): number {
  const middle = mean(values);
  const products = values.slice(1).map((value, index) => (value - middle) * (values[index]! - middle));
  return mean(products) / deviation(values) ** 2;
}

describe("normalQuantile()", () => {
  it("agrees with the tables, and normalShare() leads back", () => {
    for (const [share, value] of [
      [0.5, 0],
      [0.841_344_746_068_543, 1],
      [0.977_249_868_051_821, 2],
      [0.001, -3.090_232_306_167_81],
      [0.999_999, 4.753_424_308_822_899],
    ] as const) {
      near(normalQuantile(share), value, 1e-7, `quantile of ${share}`);
      near(normalShare(value), share, 2e-7, `share of ${value}`);
    }
  });
});

describe("Impairment", () => {
  it("pass() without any option lets each packet leave at once, intact", () => {
    const { fates, link } = run({ seed: 1 }, 1000);
    for (const { sent, departures } of fates) {
      assert.deepEqual(departures, [{ at: sent, corruptBit: undefined }]);
    }
    assert.deepEqual(link.counts, {
      packets: 1000,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      corrupted: 0,
      overflowed: 0,
    });
  });

  const forms = [
    // The deviation of a uniform distribution is its half width by the root of 3. Errors of the mean and the
    // deviation over 100,000 delays are 4 jitters / 316 and, by the kurtosis, half or three times that.
    { distribution: "uniform", mean: 50, deviation: 8 / Math.sqrt(3), error: 0.02, least: 42, most: 58 },
    { distribution: "normal", mean: 50, deviation: 8, error: 0.074, least: 0, most: 100 },
    {
      distribution: "pareto",
      mean: 50,
      deviation: 8,
      error: 0.05,
      least: 44,
      most: 147.1,
      deviationError: 0.22,
    },
  ] as const;
  for (const form of forms) {
    for (const delayCorrelation of [0, 0.5]) {
      const { distribution } = form;
      it(`a ${distribution} delay has the asked mean and deviation, correlated by ${delayCorrelation}`, () => {
        const options = { seed: 7, delay: milliseconds(50), jitter: milliseconds(8), distribution };
        const { delays } = run({ ...options, delayCorrelation }, 100_000, 200);
        // Correlated numbers tell less: (1 + c) / (1 - c) of them are worth one.
        const loss = Math.sqrt((1 + delayCorrelation) / (1 - delayCorrelation));
        near(mean(delays), form.mean, 1.3 * form.error * loss + 0.0003, "mean");
        const { deviationError = form.error } = form as { deviationError?: number };
        near(deviation(delays), form.deviation, deviationError * loss, "deviation");
        const [least, most] = [Math.min(...delays.slice(0, 1e5)), Math.max(...delays.slice(0, 1e5))];
        assert.ok(least >= form.least && most <= form.most, `${least}..${most}`);
        // Of normal numbers correlated by 0.5; between uniform ones that is 6 / pi * asin(1 / 4).
        const expected = { uniform: 0.4826, normal: 0.5, pareto: 0.392 }[distribution];
        near(resemblance(delays), delayCorrelation === 0 ? 0 : expected, 0.013, "resemblance");
      });
    }
  }

  it("a uniform delay fills its width evenly", () => {
    const { delays } = run({ seed: 9, delay: milliseconds(20), jitter: milliseconds(5) }, 200_000);
    const counts = new Array<number>(10).fill(0);
    for (const delay of delays) counts[Math.min(9, Math.floor(delay - 15))]!++;
    for (const count of counts) near(count / 200_000, 0.1, shareBound(0.1, 200_000), "tenth");
  });

  it("a normal delay has 68.27 and 95.45 % within one and two jitters", () => {
    const options = {
      seed: 9,
      delay: milliseconds(50),
      jitter: milliseconds(5),
      distribution: "normal",
    } as const;
    const { delays } = run(options, 200_000);
    for (const [jitters, share] of [
      [1, 0.682_689],
      [2, 0.9545],
    ] as const) {
      const within = delays.filter((delay) => Math.abs(delay - 50) <= jitters * 5).length / delays.length;
      near(within, share, shareBound(share, 200_000) + 1e-4, `${jitters} jitters`);
    }
  });

  it("a pareto delay has its quantiles where shape 3 puts them", () => {
    const options = {
      seed: 3,
      delay: milliseconds(50),
      jitter: milliseconds(8),
      distribution: "pareto",
    } as const;
    const { delays } = run(options, 200_000, 200);
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      const quantile = 50 + 8 * (((1 - share * 0.999) ** (-1 / 3) - 1.486_486) / 0.702_304);
      const below = delays.filter((delay) => delay <= quantile).length / delays.length;
      near(below, share, shareBound(share, 200_000) + 3e-4, `quantile ${share}`);
    }
  });

  it("a delay that would be below 0 is 0", () => {
    const { delays } = run({ seed: 1, delay: milliseconds(1), jitter: milliseconds(10) }, 100_000);
    const atOnce = delays.filter((delay) => delay === 0).length / delays.length;
    assert.equal(Math.min(...delays.slice(0, 1e5)), 0);
    near(atOnce, 9 / 20, shareBound(9 / 20, 100_000), "at once");
  });

  for (const lossCorrelation of [0, 0.25]) {
    it(`loses the asked share, correlated by ${lossCorrelation}`, () => {
      const { link, fates } = run({ seed: 5, loss: 0.01, lossCorrelation }, COUNT);
      const lost = fates.map(({ departures }) => (departures.length === 0 ? 1 : 0));
      const share = mean(lost);
      near(share, 0.01, 1.2 * shareBound(0.01, COUNT), "lost");
      assert.equal(link.counts.lost, Math.round(share * COUNT));
      const afterLoss = lost.filter((_, index) => index > 0 && lost[index - 1] === 1);
      if (lossCorrelation === 0)
        near(mean(afterLoss), 0.01, shareBound(0.01, COUNT / 100), "lost after a loss");
      // Bivariate normal with 0.25: P(both below the 1 % quantile) is 4.5e-4, so 4.5 % of losses have a second.
      else near(mean(afterLoss), 0.045, shareBound(0.045, COUNT / 100), "lost after a loss");
    });
  }

  it("loses all with a share of 1, none with 0", () => {
    assert.equal(run({ seed: 1, loss: 1 }, 10_000).delays.length, 0);
    assert.equal(run({ seed: 1, loss: 0, lossCorrelation: 0.9 }, 10_000).delays.length, 10_000);
  });

  it("burst loss has the share p/(p+r) and bursts of 1/r", () => {
    const { fates } = run({ seed: 4, burstLoss: { toBad: 0.01, toGood: 0.25 } }, COUNT);
    const lost = fates.map(({ departures }) => departures.length === 0);
    const lostCount = lost.filter(Boolean).length;
    const burstCount = lost.filter((isLost, index) => isLost && !lost[index - 1]).length;
    // Packets of one burst stand together: the share is as uncertain as that of a seventh of the packets.
    near(lostCount / COUNT, 0.01 / 0.26, shareBound(0.01 / 0.26, COUNT / 7), "lost");
    near(lostCount / burstCount, 4, 4 * Math.sqrt(12 / burstCount), "burst length");
  });

  it("burst loss loses in the good and the bad state by their own shares", () => {
    const burstLoss = { toBad: 0.02, toGood: 0.02, lossInBad: 0.3, lossInGood: 0.1 };
    const { delays } = run({ seed: 4, burstLoss }, COUNT);
    near(1 - delays.length / COUNT, 0.2, 0.007, "lost");
  });

  it("duplicates the asked share; the copy has a delay of its own and is not duplicated again", () => {
    const options = { seed: 2, duplicate: 0.001, delay: milliseconds(20), jitter: milliseconds(5) };
    const { fates, link } = run({ ...options, jitterReorders: true }, COUNT);
    const twice = fates.filter(({ departures }) => departures.length === 2);
    near(twice.length / COUNT, 0.001, shareBound(0.001, COUNT), "duplicated");
    assert.equal(link.counts.duplicated, twice.length);
    assert.ok(twice.every(({ departures }) => departures[0]!.at !== departures[1]!.at));
    assert.ok(fates.every(({ departures }) => departures.length >= 1 && departures.length <= 2));
  });

  it("a duplicate may be lost for itself, and all counts add up", () => {
    const { fates, link, delays } = run(
      { seed: 2, duplicate: 0.5, loss: 0.2, limit: 3, rate: 8e5 },
      200_000,
      11,
    );
    const { packets, duplicated, lost, overflowed } = link.counts;
    assert.equal(packets + duplicated - lost - overflowed, delays.length);
    assert.ok(overflowed > 0);
    // None: lost and not duplicated. Two: duplicated, neither lost (before what overflows).
    const without = run({ seed: 2, duplicate: 0.5, loss: 0.2 }, 200_000).fates;
    for (const [copies, share] of [
      [0, 0.1],
      [1, 0.4 + 0.1 + 0.5 * 0.8 * 0.2],
      [2, 0.5 * 0.8 * 0.8],
    ] as const) {
      const seen = without.filter(({ departures }) => departures.length === copies).length / fates.length;
      near(seen, share, shareBound(share, 200_000), `${copies} copies`);
    }
  });

  it("reorders the asked share: these leave at once, past those that wait", () => {
    const { fates, link } = run({ seed: 8, delay: milliseconds(20), reorder: 0.02 }, COUNT, 1);
    const atOnce = fates.filter(({ sent, departures }) => departures[0]!.at === sent).length;
    near(atOnce / COUNT, 0.02, shareBound(0.02, COUNT), "reordered");
    assert.equal(link.counts.reordered, atOnce);
    assert.ok(fates.every(({ sent, departures }) => [0, 20].includes(departures[0]!.at - sent)));
  });

  it("reorders each fifth packet with a share of 1 and a gap of 5", () => {
    const { delays } = run({ seed: 8, delay: milliseconds(10), reorder: 1, reorderGap: 5 }, 1000);
    assert.ok(delays.every((delay, index) => delay === (index % 5 === 4 ? 0 : 10)));
  });

  it("jitter alone changes no order; with jitterReorders it does, and each delay has its distribution", () => {
    const options = { seed: 6, delay: milliseconds(20), jitter: milliseconds(5) };
    const ordered = run(options, 100_000, 1).fates.map(({ departures }) => departures[0]!.at as number);
    assert.ok(ordered.every((at, index) => index === 0 || at >= ordered[index - 1]!));
    const free = run({ ...options, jitterReorders: true }, 100_000, 1);
    near(mean(free.delays), 20, (4 * 5) / Math.sqrt(3 * 100_000), "mean");
    const passed = free.fates.filter(
      ({ departures }, index) => index > 0 && departures[0]!.at < free.fates[index - 1]!.departures[0]!.at,
    ).length;
    // One of two uniform delays is smaller by more than a tenth of their width: 0.9 * 0.9 / 2.
    near(passed / 100_000, 0.405, shareBound(0.405, 100_000) * 1.2, "passed");
  });

  it("corrupts one bit, anywhere, of the asked share", () => {
    const { fates, link } = run({ seed: 3, corrupt: 0.1 }, 200_000);
    const bits = fates.flatMap(({ departures }) => departures[0]!.corruptBit ?? []);
    near(bits.length / 200_000, 0.1, shareBound(0.1, 200_000), "corrupt");
    assert.equal(link.counts.corrupted, bits.length);
    assert.ok(bits.every((bit) => Number.isInteger(bit) && bit >= 0 && bit < 8 * LENGTH_BYTES));
    near(mean(bits), 4000, (4 * 8000) / Math.sqrt(12 * bits.length), "mean of the bits");
  });

  it("sends at the rate when more comes, in every second, and never faster", () => {
    // 20 Mbit/s are 2,500 packets of 1,000 bytes a second; 4,000 come.
    const { fates, link } = run({ seed: 1, rate: 20e6, delay: milliseconds(20), limit: 500 }, 40_000, 0.25);
    const left = fates.flatMap(({ departures }) => departures.map(({ at }) => at - START));
    near(left[0]!, 20.4, 0.001, "first");
    for (let second = 1; second < 9; second++) {
      const inside = left.filter((at) => at >= second * 1000 && at < second * 1000 + 1000).length;
      near(inside, 2500, 1, `second ${second}`);
    }
    const gaps = left.slice(1).map((at, index) => at - left[index]!);
    assert.ok(Math.min(...gaps) >= 0.4 - 0.001, `${Math.min(...gaps)}`);
    assert.ok(link.counts.overflowed > 10_000);
    assert.equal(left.length + link.counts.overflowed, 40_000);
  });

  it("takes a packet's transmission time for each byte, beside the delay when the link is idle", () => {
    const link = new Impairment({ seed: 1, rate: 8000, delay: milliseconds(20) });
    assert.equal(link.pass(instant(0), 100)[0]?.at, 120);
    assert.equal(link.pass(instant(1), 50)[0]?.at, 170);
    assert.equal(link.pass(instant(1000), 1)[0]?.at, 1021);
  });

  it("holds as many packets as the limit, and loses the next until one has left", () => {
    const link = new Impairment({ seed: 1, delay: milliseconds(10), limit: 3 });
    const pass = (now: number): number | undefined => link.pass(instant(now), 100)[0]?.at;
    assert.deepEqual([0, 1, 2, 3, 9, 10, 10.5].map(pass), [10, 11, 12, undefined, undefined, 20, undefined]);
    assert.deepEqual([link.counts.overflowed, link.heldCount(instant(10.5))], [3, 3]);
    assert.equal(link.heldCount(instant(20)), 0);
  });

  it("is the same for the same seed, and changing the loss changes no delay", () => {
    const options = { seed: 7, delay: milliseconds(20), jitter: milliseconds(5), jitterReorders: true };
    const without = run(options, 1000);
    assert.deepEqual(run(options, 1000).delays, without.delays);
    assert.notDeepEqual(run({ ...options, seed: 8 }, 1000).delays, without.delays);
    assert.deepEqual(run({ ...options, corrupt: 0.5 }, 1000).delays, without.delays);
  });

  const impossible: [string, Partial<ImpairmentOptions>][] = [
    ["a share above 1", { loss: 1.1 }],
    ["a share below 0", { duplicate: -0.1 }],
    ["a share that is no number", { corrupt: Number.NaN }],
    ["a correlation of 1", { loss: 0.1, lossCorrelation: 1 }],
    ["a negative delay", { delay: -1 as Duration }],
    ["no rate at all", { rate: 0 }],
    ["a limit of none", { limit: 0 }],
    ["a distribution that is none", { distribution: "cauchy" as never }],
    ["reordering without a delay", { reorder: 0.1 }],
    ["two kinds of loss", { loss: 0.1, burstLoss: { toBad: 0.1, toGood: 0.5 } }],
    ["bursts outside 0 to 1", { burstLoss: { toBad: 2, toGood: 0.5 } }],
    ["a seed with a fraction", { seed: 0.5 }],
  ];
  for (const [what, options] of impossible) {
    it(`refuses ${what}`, () => {
      assert.throws(() => new Impairment({ seed: 1, ...options }), ConfigurationError);
    });
  }
});
