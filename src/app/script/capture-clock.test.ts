import assert from "node:assert/strict";
import { it } from "node:test";
import { milliseconds } from "#base/time.ts";
import { CaptureClock } from "./capture-clock.ts";

it("CaptureClock wakes in the order of the times, at the times, and not whom was cancelled", () => {
  const clock = new CaptureClock();
  const woken: string[] = [];
  const say = (name: string) => () => void woken.push(`${name} ${clock.now()}`);
  clock.moveTo(100);
  clock.after(milliseconds(20), say("b"));
  clock.after(milliseconds(10), say("a"));
  clock.after(milliseconds(15), say("never")).cancel();
  clock.after(milliseconds(20), say("c"));
  clock.after(milliseconds(-5), say("at once"));
  while (clock.nextTime !== undefined) clock.next();
  assert.deepEqual(woken, ["at once 100", "a 110", "b 120", "c 120"]);
});

it("CaptureClock does not go back", () => {
  const clock = new CaptureClock();
  clock.moveTo(100);
  clock.moveTo(50);
  assert.equal(clock.now(), 100);
});
