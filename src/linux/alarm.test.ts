import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "#base/time.ts";
import { Alarm } from "./alarm.ts";
import { nativeProblem } from "./native.ts";

describe("Alarm", { skip: nativeProblem() ?? false }, () => {
  it("ringAt() rings once, at its time and never before", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    let rings = 0;
    const alarm = new Alarm(() => {
      rings++;
      resolve(alarm.now());
    });
    const due = instant(alarm.now() + 12.3);
    alarm.ringAt(due);
    assert.ok((await promise) >= due);
    await new Promise((over) => setTimeout(over, 20));
    assert.equal(rings, 1);
    alarm.close();
    alarm.close();
  });

  it("ringAt() takes the place of what was asked for before, also with a time that is over", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const alarm = new Alarm(() => resolve(alarm.now()));
    const far = instant(alarm.now() + 3_600_000);
    alarm.ringAt(far);
    alarm.ringAt(instant(0));
    assert.ok((await promise) < far);
    alarm.close();
  });

  it("ringAt() of undefined rings no more", async () => {
    let rings = 0;
    const alarm = new Alarm(() => rings++);
    alarm.ringAt(instant(alarm.now() + 5));
    alarm.ringAt(undefined);
    await new Promise((over) => setTimeout(over, 25));
    assert.equal(rings, 0);
    alarm.close();
  });
});
