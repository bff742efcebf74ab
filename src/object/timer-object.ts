/**
 * Timers as mailboxes: NAME/tick when it is time, NAME/cancel to end it.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { ProtocolViolationError } from "#base/errors.ts";
import { after, between, type Duration, type Instant } from "#base/time.ts";
import { stop } from "#mailbox/verdict.ts";
import type { ObjectTable } from "./object-table.ts";

export interface TimerRequest {
  readonly name: string;
  /** 1 ms or more. */
  readonly interval: Duration;
  readonly repeat: boolean;
}

/**
 * Makes the timer and its mailboxes. A repeating one keeps its pace: ticks are counted from the start, and those
 * that were missed are left out, not made up for.
 * @throws ProtocolViolationError when the interval is under a millisecond.
 */
export function makeTimer(table: ObjectTable, wanted: TimerRequest): void {
  const { bus } = table;
  const { interval } = wanted;
  if (!(interval >= 1)) {
    throw new ProtocolViolationError(`Cannot make timer ${wanted.name}: interval ${interval} is under 1 ms`);
  }
  const object = table.make(wanted.name);
  const tick = object.sends("tick", "event", "It is time; `count` says for which time.");
  let timer: Timer | undefined;
  let count = 0;
  let dueAt: Instant = after(bus.steady.now(), interval);
  const arm = (): void => {
    timer = bus.steady.after(Math.max(0, between(bus.steady.now(), dueAt)) as Duration, () => {
      const late = between(dueAt, bus.steady.now());
      const missed = Math.floor(Math.max(0, late) / interval);
      dueAt = after(dueAt, (interval * (missed + 1)) as Duration);
      count++;
      if (wanted.repeat) arm();
      bus.post(tick, { name: object.name, count, missed });
      if (!wanted.repeat) void Promise.resolve().then(() => object.close());
    });
  };
  object.holds(() => timer?.cancel());
  object.takes("cancel", "No more ticks.", () => {
    object.close();
    return stop;
  });
  arm();
}
