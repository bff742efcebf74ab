import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import { UsageError } from "../cli/typed-value.ts";
import { describeImpairment, type ImpairWords, randomSeed, readImpairment } from "./impair-options.ts";

const read = (words: ImpairWords): ImpairmentOptions => readImpairment(words, () => 99);

describe("readImpairment()", () => {
  const fine: [string, ImpairWords, object][] = [
    [
      "all of the issue's example",
      {
        delay: "20ms",
        jitter: "5ms",
        loss: "1%",
        duplicate: "0.1%",
        reorder: "2%",
        rate: "20mbit",
        seed: "7",
      },
      {
        seed: 7,
        delay: 20,
        jitter: 5,
        loss: 0.01,
        duplicate: 0.001,
        reorder: 0.02,
        rate: 20e6,
        limit: 1000,
      },
    ],
    [
      "correlations and forms",
      {
        delay: "1s",
        jitter: "1ms",
        distribution: "pareto",
        correlation: "25%",
        jitterReorders: true,
        loss: "1%,50%",
        corrupt: "2%",
      },
      {
        seed: 99,
        delay: 1000,
        jitter: 1,
        distribution: "pareto",
        delayCorrelation: 0.25,
        jitterReorders: true,
        loss: 0.01,
        lossCorrelation: 0.5,
        corrupt: 0.02,
        limit: 12_000,
      },
    ],
    [
      "bursts and a gap",
      { lossBursts: "1%,30%,90%,0.1%", delay: "5ms", reorder: "10%", gap: "5", limit: "10" },
      {
        seed: 99,
        delay: 5,
        reorder: 0.1,
        reorderGap: 5,
        burstLoss: { toBad: 0.01, toGood: 0.3, lossInBad: 0.9, lossInGood: 0.001 },
        limit: 10,
      },
    ],
    // 1 Gbit/s for a tenth of a second are 8257 full packets.
    [
      "a rate that needs more room",
      { rate: "1gbit", delay: "100ms" },
      { seed: 99, rate: 1e9, delay: 100, limit: 16_513 },
    ],
  ];
  for (const [what, words, expected] of fine) {
    it(`reads ${what}`, () => assert.deepEqual(read(words), expected));
  }

  const wrong: [ImpairWords, RegExp][] = [
    [{}, /nothing is asked for; add --delay 20ms/],
    [{ seed: "7" }, /nothing is asked for/],
    [{ loss: "1%", seed: "-1" }, /--seed -1: it is not a whole number/],
    [{ loss: "1%", limit: "0" }, /--limit 0/],
    [{ reorder: "1%" }, /reorder needs a delay/],
    [{ loss: "1%", lossBursts: "1%,2%" }, /choose one/],
    [{ lossBursts: "1%" }, /--loss-bursts 1%: it takes two to four shares/],
    [{ delay: "1ms", distribution: "normal" }, /--distribution: it says how delays differ; add --jitter/],
    [{ delay: "1ms", jitter: "1ms", distribution: "cauchy" }, /it takes uniform or normal or pareto/],
    [{ delay: "1ms", gap: "3" }, /--gap: it belongs to --reorder/],
    [{ delay: "2000000s" }, /delay is 2000000000, wanted 0 to 3600000/],
    [{ loss: "1%,100%" }, /lossCorrelation is 1/],
  ];
  for (const [words, message] of wrong) {
    it(`refuses ${JSON.stringify(words)}`, () => {
      assert.throws(
        () => read(words),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

describe("describeImpairment()", () => {
  it("says everything with its unit", () => {
    assert.equal(
      describeImpairment(read({ delay: "20ms", jitter: "5ms", loss: "1%,25%", rate: "500kbit" })),
      "delay 20ms ± 5ms uniform, loss 1% (alike by 25%), rate 500kbit, limit 1000, seed 99",
    );
    assert.equal(
      describeImpairment(read({ lossBursts: "1%,30%" })),
      "loss in bursts 1% to bad, 30% back, limit 12000, seed 99",
    );
  });
});

describe("randomSeed()", () => {
  it("is one that --seed takes", () => {
    assert.equal(
      randomSeed(() => 0),
      0,
    );
    assert.equal(read({ loss: "1%", seed: String(randomSeed(() => 0.999_999_999_9)) }).seed, 2 ** 29 - 1);
  });
});
