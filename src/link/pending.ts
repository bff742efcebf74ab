/**
 * Requests that wait for their answer, each with a deadline; one timer serves them all.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import type { MetanetError } from "#base/errors.ts";
import { after, between, type Duration, type Instant } from "#base/time.ts";
import { OverflowError } from "#mailbox/errors.ts";
import { PENDING_COUNT_MAX } from "./limits.ts";

/** What becomes of a request; exactly one is called, once. */
export interface Settle<T> {
  answer(value: T): void;
  fail(error: MetanetError): void;
  /** The deadline has passed. */
  expire(): void;
}

interface Waiting<T> {
  readonly settle: Settle<T>;
  readonly deadline: Instant;
}

export class Pending<T> {
  readonly #clock: Clock;
  readonly #waiting: Map<number, Waiting<T>> = new Map();
  #timer: Timer | undefined;
  #wakesAt: Instant | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** @throws OverflowError beyond {@link PENDING_COUNT_MAX}. */
  add(seq: number, timeout: Duration, settle: Settle<T>): void {
    if (this.#waiting.size >= PENDING_COUNT_MAX) {
      throw new OverflowError(`Cannot send: ${PENDING_COUNT_MAX} requests wait for an answer already`);
    }
    const deadline = after(this.#clock.now(), timeout);
    this.#waiting.set(seq, { settle, deadline });
    if (this.#wakesAt === undefined || deadline < this.#wakesAt) this.#wake(deadline);
  }

  /** Takes a request out; `undefined` when it has expired, or never was. */
  take(seq: number): Settle<T> | undefined {
    const waiting = this.#waiting.get(seq);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(seq);
    return waiting.settle;
  }

  /** Ends all of them. */
  failAll(error: MetanetError): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#wakesAt = undefined;
    for (const { settle } of waiting) settle.fail(error);
  }

  #wake(at: Instant): void {
    this.#timer?.cancel();
    this.#wakesAt = at;
    const delay = Math.max(0, between(this.#clock.now(), at)) as Duration;
    this.#timer = this.#clock.after(delay, () => this.#expire());
  }

  /** The timer is left alone while requests come and go, and looks at what is left when it rings. */
  #expire(): void {
    this.#wakesAt = undefined;
    const now = this.#clock.now();
    let next: Instant | undefined;
    for (const [seq, { settle, deadline }] of [...this.#waiting]) {
      if (deadline <= now) {
        this.#waiting.delete(seq);
        settle.expire();
      } else if (next === undefined || deadline < next) next = deadline;
    }
    if (next !== undefined && this.#wakesAt === undefined) this.#wake(next);
  }
}
