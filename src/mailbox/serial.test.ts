import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import { RejectedError, TimedOutError } from "./errors.ts";
import { answer, reject } from "./verdict.ts";

function fresh(): { bus: Bus; clock: SimClock } {
  const clock = new SimClock();
  const bus = new Bus({ name: "me", clock });
  bus.open("/x", { serial: "key" });
  return { bus, clock };
}

describe("a serial mailbox", () => {
  const ends: [string, () => Promise<never> | Promise<ReturnType<typeof reject>>][] = [
    ["is rejected", async () => reject("no")],
    [
      "meets an exception of the owner's",
      async () => {
        throw new Error("bug");
      },
    ],
  ];
  for (const [what, end] of ends) {
    it(`goes on with the next message after one that ${what}`, async () => {
      const { bus } = fresh();
      let isFirst = true;
      bus.provide("/x", () => {
        if (!isFirst) return answer({ fine: true });
        isFirst = false;
        return end();
      });
      const first = bus.call("/x", { key: 1 });
      const second = bus.call("/x", { key: 1 });
      await assert.rejects(first, RejectedError);
      assert.equal((await second).get("fine"), true);
      assert.equal(bus.table.mailboxes.get("/x")?.turns.size, 0);
    });
  }

  it("does not let a message wait for its turn longer than its budget, and forgets it then", async () => {
    const { bus, clock } = fresh();
    const asked: unknown[] = [];
    bus.append("/x", "slow", (given) => {
      asked.push(given.get("n"));
      return given.get("n") === 1 ? new Promise(() => {}) : undefined;
    });
    bus.provide("/x", () => answer());
    const first = bus.call("/x", { n: 1 }, { timeout: seconds(1) });
    const second = bus.call("/x", { n: 2 }, { timeout: milliseconds(300) });
    const third = bus.call("/x", { n: 3 });
    const late = assert.rejects(second, (error: Error) => {
      assert.ok(error instanceof TimedOutError);
      assert.match(error.message, /\/x: its turn did not come within 300 ms/);
      return true;
    });
    await clock.advance(milliseconds(300));
    await late;
    await clock.advance(seconds(1));
    await Promise.all([first, third]);
    assert.deepEqual(asked, [1, 3]);
    assert.equal(clock.timerCount, 0);
  });

  it("gives a message that nobody gave a time the bus's budget, in all", async () => {
    const { bus, clock } = fresh();
    bus.append("/x", "slow", () => new Promise(() => {}));
    const started = clock.now();
    const ended: number[] = [];
    const note = (): unknown => ended.push(clock.now() - started);
    for (let n = 0; n < 3; n++) Promise.resolve(bus.send("/x", { n })).then(note, note);
    await clock.advance(seconds(10));
    assert.deepEqual(ended, [2000, 2000, 2000]);
  });
});
