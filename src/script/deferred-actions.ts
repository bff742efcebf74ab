/**
 * Work that scripts put off until the packets that are here have their verdicts, or for a while.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { Packet } from "#packet/packet.ts";
import type { Context, DeferOptions, Deferred } from "./context.ts";
import type { ScriptHost } from "./host.ts";

/** Actions of one script that wait at most; one more is an `overflow` and does not run. */
export const DEFERRED_COUNT_MAX = 10_000;

export type DeferredAction = (context: Context, packet: Packet | undefined) => void | PromiseLike<void>;

interface Waiting {
  readonly action: DeferredAction;
  readonly packet: Packet | undefined;
  timer: Timer | undefined;
}

export class DeferredActions {
  readonly #host: ScriptHost;
  readonly #run: (action: DeferredAction, packet: Packet | undefined) => void;
  readonly #waiting = new Set<Waiting>();
  readonly #due: Waiting[] = [];
  #isPlanned = false;

  /** @param run runs an action and counts what it throws */
  constructor(host: ScriptHost, run: (action: DeferredAction, packet: Packet | undefined) => void) {
    this.#host = host;
    this.#run = run;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** `undefined` when too much waits already. */
  add(action: DeferredAction, { delay, packet }: DeferOptions): Deferred | undefined {
    if (this.#waiting.size >= DEFERRED_COUNT_MAX) return undefined;
    const waiting: Waiting = { action, packet: packet && copyOf(packet), timer: undefined };
    this.#waiting.add(waiting);
    if (delay !== undefined && delay > 0) {
      waiting.timer = this.#host.clock.after(delay, () => {
        this.#due.push(waiting);
        this.#runDue();
      });
    } else {
      this.#due.push(waiting);
      this.#plan();
    }
    return {
      cancel: () => {
        waiting.timer?.cancel();
        this.#waiting.delete(waiting);
      },
    };
  }

  /** Forgets everything that waits. */
  cancelAll(): void {
    for (const { timer } of this.#waiting) timer?.cancel();
    this.#waiting.clear();
    this.#due.length = 0;
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#host.soon(() => {
      this.#isPlanned = false;
      this.#runDue();
    });
  }

  /** What an action puts off runs in the next turn, so that a script which always puts off stops nobody. */
  #runDue(): void {
    for (const waiting of this.#due.splice(0)) {
      if (this.#waiting.delete(waiting)) this.#run(waiting.action, waiting.packet);
    }
  }
}

/** @internal a packet of its own with a copy of the bytes, for what happens after the verdict */
export function copyOf(packet: Packet): Packet {
  const bytes = packet.copy();
  const copy = new Packet();
  copy.aim(new DataView(bytes.buffer), 0, bytes.length, packet.$etherType);
  copy.$marked(packet.mark);
  copy.fullLengthBytes = packet.fullLengthBytes;
  copy.time = packet.time;
  copy.hook = packet.hook;
  copy.inInterface = packet.inInterface;
  copy.outInterface = packet.outInterface;
  copy.isAggregate = packet.isAggregate;
  return copy;
}
