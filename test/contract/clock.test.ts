/**
 * What every Clock promises, run against the machine's clock and the simulated one.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "#base/clock.ts";
import { LimitExceededError } from "#base/errors.ts";
import { between, type Duration, hours, instant, milliseconds, seconds } from "#base/time.ts";
import { LinuxClock, SteadyClock } from "#linux/clock.ts";
import { INSTANT_RUN_COUNT_MAX, SimClock, TIMER_COUNT_MAX } from "#sim/clock.ts";

interface Subject {
  readonly clock: Clock;
  /** Lets at least this much time pass. */
  pass(duration: Duration): Promise<void>;
}

const subjects: Record<string, () => Subject> = {
  LinuxClock: () => ({
    clock: new LinuxClock(),
    pass: (duration) => new Promise((resolve) => setTimeout(resolve, duration + 5)),
  }),
  SteadyClock: () => ({
    clock: new SteadyClock(),
    pass: (duration) => new Promise((resolve) => setTimeout(resolve, duration + 5)),
  }),
  SimClock: () => {
    const clock = new SimClock();
    return { clock, pass: (duration) => clock.advance(duration) };
  },
};

for (const [name, make] of Object.entries(subjects)) {
  describe(`${name} as a Clock`, () => {
    it("after() calls the action once, when the delay is over and not before", async () => {
      const { clock, pass } = make();
      const started = clock.now();
      const ran: number[] = [];
      clock.after(milliseconds(20), () => ran.push(between(started, clock.now())));
      assert.deepEqual(ran, []);
      await pass(milliseconds(60));
      assert.equal(ran.length, 1);
      // The wall clock and the timers of the machine are two clocks, up to a millisecond apart.
      assert.ok((ran[0] ?? 0) >= 19, `ran after ${ran[0]} ms`);
    });

    it("after() runs shorter delays first and equal ones in the order they were asked for", async () => {
      const { clock, pass } = make();
      const ran: string[] = [];
      clock.after(milliseconds(30), () => ran.push("late"));
      clock.after(milliseconds(10), () => ran.push("first"));
      clock.after(milliseconds(10), () => ran.push("second"));
      await pass(milliseconds(60));
      assert.deepEqual(ran, ["first", "second", "late"]);
    });

    for (const delay of [0, -5]) {
      it(`after() with ${delay} ms never runs before it returned`, async () => {
        const { clock, pass } = make();
        let returned = false;
        let seen: boolean | undefined;
        clock.after(milliseconds(delay), () => {
          seen = returned;
        });
        returned = true;
        assert.equal(seen, undefined);
        await pass(milliseconds(10));
        assert.equal(seen, true);
      });
    }

    it("cancel() forgets the action, and is harmless twice and afterwards", async () => {
      const { clock, pass } = make();
      const ran: string[] = [];
      const cancelled = clock.after(milliseconds(10), () => ran.push("cancelled"));
      const kept = clock.after(milliseconds(10), () => ran.push("kept"));
      cancelled.cancel();
      cancelled.cancel();
      await pass(milliseconds(30));
      kept.cancel();
      assert.deepEqual(ran, ["kept"]);
    });

    it("cancel() by an earlier action stops one that is due at the same time", async () => {
      const { clock, pass } = make();
      const ran: string[] = [];
      clock.after(milliseconds(10), () => {
        ran.push("first");
        second.cancel();
      });
      const second = clock.after(milliseconds(10), () => ran.push("second"));
      await pass(milliseconds(30));
      assert.deepEqual(ran, ["first"]);
    });

    it("after() inside an action sets a further timer", async () => {
      const { clock, pass } = make();
      const ran: string[] = [];
      clock.after(milliseconds(5), () => {
        ran.push("outer");
        clock.after(milliseconds(5), () => ran.push("inner"));
      });
      await pass(milliseconds(40));
      assert.deepEqual(ran, ["outer", "inner"]);
    });
  });
}

describe("LinuxClock", () => {
  it("after() takes delays longer than the event loop's 24.8 days and does not run at once", async () => {
    let ran = false;
    const timer = new LinuxClock().after(hours(24 * 60), () => {
      ran = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    timer.cancel();
    assert.equal(ran, false);
  });
});

describe("SimClock", () => {
  it("advance() gives each action its own time and ends exactly at the end", async () => {
    const clock = new SimClock(instant(1000));
    const seen: number[] = [];
    for (const at of [300, 100, 200]) clock.after(milliseconds(at), () => seen.push(clock.now()));
    await clock.advance(milliseconds(250));
    assert.deepEqual(seen, [1100, 1200]);
    assert.equal(clock.now(), 1250);
    assert.equal(clock.timerCount, 1);
  });

  it("advance() lets promises settle between two timers", async () => {
    const clock = new SimClock();
    const ran: string[] = [];
    clock.after(seconds(1), async () => {
      for (let step = 0; step < 20; step++) await Promise.resolve();
      ran.push("promise of the first");
    });
    clock.after(seconds(1), () => ran.push("second"));
    await clock.advance(seconds(1));
    assert.deepEqual(ran, ["promise of the first", "second"]);
  });

  it("advance() runs a timer set by promise code on the way", async () => {
    const clock = new SimClock();
    const ticks: number[] = [];
    const sleep = (): Promise<void> => new Promise((resolve) => clock.after(seconds(1), resolve));
    const loop = (async () => {
      for (let round = 0; round < 3; round++) {
        await sleep();
        ticks.push(clock.now());
      }
    })();
    const start = clock.now();
    await clock.advance(seconds(3));
    await loop;
    assert.deepEqual(
      ticks.map((tick) => tick - start),
      [1000, 2000, 3000],
    );
  });

  it("advance() rejects with the error an action throws", async () => {
    const clock = new SimClock();
    clock.after(seconds(1), () => {
      throw new RangeError("from the action");
    });
    await assert.rejects(clock.advance(seconds(2)), RangeError);
  });

  it(`advance() gives up on a program that sets timer after timer without time passing`, async () => {
    const clock = new SimClock();
    let runCount = 0;
    const again = (): void => {
      runCount++;
      clock.after(milliseconds(0), again);
    };
    again();
    await assert.rejects(clock.advance(seconds(1)), LimitExceededError);
    assert.equal(runCount, INSTANT_RUN_COUNT_MAX + 1);
  });

  it(`after() refuses timer ${TIMER_COUNT_MAX + 1}`, () => {
    const clock = new SimClock();
    for (let count = 0; count < TIMER_COUNT_MAX; count++)
      clock.after(milliseconds(TIMER_COUNT_MAX - count), () => {});
    assert.throws(() => clock.after(seconds(1), () => {}), LimitExceededError);
  });
});

describe("SteadyClock", () => {
  it("now() stands near the wall clock and tells parts of a millisecond", () => {
    const clock = new SteadyClock();
    assert.ok(Math.abs(between(new LinuxClock().now(), clock.now())) < 60_000);
    const readings = Array.from({ length: 200 }, () => clock.now());
    assert.ok(readings.some((reading) => !Number.isInteger(reading)));
    assert.ok(readings.every((reading, index) => index === 0 || reading >= (readings[index - 1] ?? 0)));
  });
});
