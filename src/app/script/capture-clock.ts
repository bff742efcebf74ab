/**
 * The clock of a capture's replay: it stands still but for {@link CaptureClock.next} and {@link CaptureClock.moveTo},
 * and wakes whoever asked in the order of the times.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { Heap } from "#base/heap.ts";
import { type Duration, type Instant, instant } from "#base/time.ts";

interface WakeUp {
  action: (() => void) | undefined;
}

export class CaptureClock implements Clock {
  readonly #waiting = new Heap<WakeUp>();
  #now = 0;

  now(): Instant {
    return instant(this.#now);
  }

  after(delay: Duration, action: () => void): Timer {
    const wakeUp: WakeUp = { action };
    this.#waiting.add(this.#now + Math.max(0, delay || 0), wakeUp);
    return {
      cancel: () => {
        wakeUp.action = undefined;
      },
    };
  }

  /** When somebody wants to be woken next; `undefined` when nobody does. */
  get nextTime(): number | undefined {
    while (this.#waiting.first !== undefined && this.#waiting.first.action === undefined)
      this.#waiting.take();
    return this.#waiting.firstKey;
  }

  /** Wakes the first, at its time. */
  next(): void {
    const time = this.nextTime;
    const wakeUp = this.#waiting.take();
    if (time === undefined || wakeUp === undefined) return;
    this.moveTo(time);
    const { action } = wakeUp;
    wakeUp.action = undefined;
    action?.();
  }

  /** Time does not go back: a packet that is earlier than one before it is seen at that one's time. */
  moveTo(time: number): void {
    if (time > this.#now) this.#now = time;
  }
}
