import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../cli/typed-value.ts";
import { formatPercent, formatRate, readPercent, readRate, readShare, readTime } from "./impair-values.ts";

describe("readTime()", () => {
  for (const [text, milliseconds] of [
    ["20ms", 20],
    ["1.5s", 1500],
    ["250us", 0.25],
    ["0ms", 0],
    [".5MS", 0.5],
    ["3sec", 3000],
    ["7usecs", 0.007],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(readTime(text, "--delay"), milliseconds));
  }
  for (const [text, seen] of [
    ["20", /--delay 20: it has no unit; write 20ms/],
    ["-1ms", /it is not a time such as 20ms/],
    ["20 ms", /it is not a time/],
    ["1h", /it is not a time/],
    ["", /it is not a time/],
    ["1e3ms", /it is not a time/],
    ["constructor", /it is not a time/],
    ["1constructor", /it is not a time/],
  ] as const) {
    it(`refuses '${text}'`, () => assert.throws(() => readTime(text, "--delay"), refusal(seen)));
  }
});

describe("readShare()", () => {
  for (const [text, share, correlation] of [
    ["1%", 0.01, undefined],
    ["0.1%", 0.001, undefined],
    ["100%", 1, undefined],
    ["0%,25%", 0, 0.25],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(readShare(text, "--loss"), { share, correlation }));
  }
  for (const [text, seen] of [
    ["1", /--loss 1: it has no unit; write 1%/],
    ["101%", /it is not a share from 0% to 100%/],
    ["-1%", /it is not a share/],
    ["1%,2%,3%", /takes a share and a correlation/],
    ["1%,", /it is not a share/],
    ["one%", /it is not a share/],
  ] as const) {
    it(`refuses '${text}'`, () => assert.throws(() => readShare(text, "--loss"), refusal(seen)));
  }
});

describe("readRate()", () => {
  for (const [text, bits] of [
    ["20mbit", 20e6],
    ["500kbit", 500e3],
    ["1.5Gbit", 1.5e9],
    ["64bit", 64],
    ["10kbps", 80e3],
    ["2kibit", 2048],
    ["1bps", 8],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(readRate(text, "--rate"), bits));
  }
  for (const [text, seen] of [
    ["20", /--rate 20: it has no unit; write 20bit, 20kbit or 20mbit/],
    ["0mbit", /it is not a rate/],
    ["20mb", /it is not a rate such as 20mbit/],
    ["20xbit", /it is not a rate/],
    ["-1kbit", /it is not a rate/],
  ] as const) {
    it(`refuses '${text}'`, () => assert.throws(() => readRate(text, "--rate"), refusal(seen)));
  }
});

describe("formatRate() and formatPercent()", () => {
  it("give what the readers take", () => {
    for (const rate of [20e6, 500e3, 80e3, 64, 1.5e9, 2e12])
      assert.equal(readRate(formatRate(rate), "--rate"), rate);
    for (const share of [0, 0.001, 0.01, 1]) assert.equal(readPercent(formatPercent(share), "--loss"), share);
  });
});

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof UsageError && message.test(error.message);
}
