/**
 * The {@link Context} of one loaded script: the same object for every packet.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { type Instant, instant } from "#base/time.ts";
import type { BuiltPacket } from "#packet/build.ts";
import type { Packet } from "#packet/packet.ts";
import type {
  Context,
  DeferOptions,
  Deferred,
  ScriptBus,
  ScriptCounter,
  ScriptIdentity,
  SendOptions,
} from "./context.ts";
import type { ScriptCounters } from "./counters.ts";
import type { DeferredAction, DeferredActions } from "./deferred-actions.ts";
import type { ScriptHost } from "./host.ts";
import type { MapOptions } from "./map-directory.ts";
import type { Outbox } from "./outbox.ts";
import type { SharedMap } from "./shared-map.ts";

/** Lines one script logs in a second at most; those left out are counted in the next line. */
export const LOG_COUNT_PER_SECOND_MAX = 10;
/** Characters of one line. */
export const LOG_LENGTH_MAX = 1000;

export interface ContextParts {
  readonly host: ScriptHost;
  readonly script: ScriptIdentity;
  readonly seed: number;
  readonly deferred: DeferredActions;
  readonly outbox: Outbox;
  readonly counters: ScriptCounters;
  /** What could not be put off, for the count. */
  readonly onOverflow: (what: string) => void;
  readonly onDeferred: () => void;
}

const NEVER: Deferred = { cancel: () => undefined };

/** Functions are fields, so that a script may take the context apart: `(packet, { send }) => …`. */
export class ScriptContext implements Context {
  readonly script: ScriptIdentity;
  readonly bus: ScriptBus;
  readonly #parts: ContextParts;
  readonly #random: SeededRandom;
  /** The time of the packets that are here; `undefined` between them. */
  #packetTime: number | undefined;
  #last = 0;
  #logSecond = 0;
  #logCount = 0;

  constructor(parts: ContextParts) {
    this.#parts = parts;
    this.script = parts.script;
    this.bus = parts.host.bus;
    this.#random = new SeededRandom(parts.seed);
  }

  get now(): Instant {
    const time = this.#packetTime ?? this.#parts.host.clock.now();
    if (time > this.#last) this.#last = time;
    return instant(this.#last);
  }

  /** Sets the time that {@link now} tells, while packets are here. */
  $at(time: number | undefined): void {
    this.#packetTime = time;
  }

  readonly random = (): number => this.#random.fraction();

  readonly randomInteger = (limit: number): number => {
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 32) {
      throw new RangeError(`Cannot choose below ${limit}: not an integer from 1 to 2^32`);
    }
    return this.#random.below(limit);
  };

  readonly defer = (action: DeferredAction, options: DeferOptions = {}): Deferred => {
    if (typeof action !== "function") throw new TypeError("Cannot defer: what shall run is not a function");
    const deferred = this.#parts.deferred.add(action, options);
    if (deferred === undefined) this.#parts.onOverflow("too much deferred work waits; the rest does not run");
    else this.#parts.onDeferred();
    return deferred ?? NEVER;
  };

  readonly send = (packet: BuiltPacket | Packet | Uint8Array, options?: SendOptions): boolean =>
    this.#parts.outbox.add(packet, options);

  readonly counter = (name: string): ScriptCounter => this.#parts.counters.named(name);

  readonly map = (name: string, options?: MapOptions): SharedMap => this.#parts.host.map(name, options);

  readonly log = (text: string): void => {
    const { host } = this.#parts;
    const second = Math.floor(host.clock.now() / 1000);
    const left = Math.max(0, this.#logCount - LOG_COUNT_PER_SECOND_MAX);
    if (second !== this.#logSecond) {
      this.#logSecond = second;
      this.#logCount = 0;
      if (left > 0) host.log(`${left} lines were left out, at most ${LOG_COUNT_PER_SECOND_MAX} a second`);
    }
    this.#logCount++;
    if (this.#logCount <= LOG_COUNT_PER_SECOND_MAX) host.log(String(text).slice(0, LOG_LENGTH_MAX));
  };
}
