/**
 * Whether the other side of a link is alive: silence is answered with PING, and too much of it ends the link. A
 * stopped process (SIGSTOP) keeps its sockets open, so that nothing else would tell.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import type { Duration } from "#base/time.ts";
import { IDLE, MISSED_MAX } from "./limits.ts";

export interface LivenessActions {
  ping(): void;
  dead(why: string): void;
}

export class Liveness {
  readonly #clock: Clock;
  readonly #actions: LivenessActions;
  #timer: Timer | undefined;
  #heard = false;
  #missed = 0;

  constructor(clock: Clock, actions: LivenessActions) {
    this.#clock = clock;
    this.#actions = actions;
  }

  /** Something came. */
  heard(): void {
    this.#heard = true;
  }

  /** Gives up unless {@link start} is called within `timeout`. */
  expectWithin(timeout: Duration, why: string): void {
    this.#timer = this.#clock.after(timeout, () => this.#actions.dead(why));
  }

  /** Listens for silence from now on. */
  start(): void {
    this.stop();
    this.#timer = this.#clock.after(IDLE, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    if (this.#heard) this.#missed = 0;
    else if (++this.#missed > MISSED_MAX) {
      this.#actions.dead(`it did not answer ${MISSED_MAX} PINGs`);
      return;
    } else this.#actions.ping();
    this.#heard = false;
    this.start();
  }
}
