/**
 * Asks one script about one packet after the other: takes its answer apart, counts, holds packets whose verdict comes
 * later, and turns everything that goes wrong into the rule's `--on-error`. Nothing here throws.
 *
 * A packet that is to `repeat` is asked about again at once, here and not through the kernel: so that the bound holds
 * for this packet without a mark, and what stands between the hook and the script is passed once.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { Packet } from "#packet/packet.ts";
import type { PacketScript, ScriptIdentity } from "./context.ts";
import { type CounterName, ScriptCounters } from "./counters.ts";
import { DeferredActions } from "./deferred-actions.ts";
import type { OnError } from "./engine.ts";
import { describeValue, type FaultKind, FaultTable, type IsOwnFile, messageOf, placeOf } from "./faults.ts";
import { type Held, HeldPackets } from "./held.ts";
import type { ReadConnection, ScriptHost } from "./host.ts";
import { Outbox } from "./outbox.ts";
import { ScriptContext } from "./script-context.ts";
import {
  drop,
  kindOf,
  type Later,
  markOf,
  proceed,
  REPEAT_COUNT_MAX,
  repeat,
  type Verdict,
} from "./verdict.ts";

/** Instead of a verdict: the packet is held, and the Packet object with it. Take another one for the next packet. */
export const HELD = -1;
/** Instead of a verdict: the script failed, and the packet goes on as it came in. */
export const UNCHANGED = -2;

/** One of this many packets is timed. */
const SAMPLE_EVERY = 16;
/** In case a script has none: the rule's deadline. */
export const DEADLINE_DEFAULT: Duration = 2000 as Duration;

/** Kinds of faults that are counted by themselves as well. */
const FAULT_COUNTERS: Partial<Record<FaultKind, CounterName>> = {
  "timed-out": "timeouts",
  overflow: "overflows",
};

/** Two words: the first grows with everything the script is asked to do, the second says which script it is. */
export interface Beat {
  readonly words: Int32Array;
  readonly key: number;
}

export interface JudgeOptions {
  readonly script: PacketScript;
  readonly functionName: string;
  readonly identity: ScriptIdentity;
  readonly host: ScriptHost;
  readonly onError: OnError;
  readonly deadline?: Duration;
  /** For `context.random`. */
  readonly seed: number;
  readonly isOwnFile: IsOwnFile;
  /** Where it counts; in memory of its own when absent. */
  readonly counters?: ScriptCounters;
  /** Kept when a script is loaded again. */
  readonly faults?: FaultTable;
  /** Why packets must not be written to; empty when they may. */
  readonly readOnly?: string;
  /** Whether `find` looks into tunnels; it does when absent. */
  readonly tunnels?: boolean;
  readonly heldCountMax?: number;
  /** Memory by which others see that the script still moves. */
  readonly beat?: Beat;
  /** The connection of the packet that is asked about. */
  readonly connection?: () => ReadConnection | undefined;
}

export class ScriptJudge {
  readonly context: ScriptContext;
  readonly counters: ScriptCounters;
  readonly faults: FaultTable;
  readonly #options: JudgeOptions;
  readonly #script: PacketScript;
  readonly #host: ScriptHost;
  readonly #held: HeldPackets;
  readonly #deferred: DeferredActions;
  readonly #deadline: Duration;
  readonly #beats: Int32Array;
  readonly #beatKey: number;
  #sequence = 0;
  #isRetired = false;

  constructor(options: JudgeOptions) {
    const { host, identity, seed } = options;
    this.#options = options;
    this.#script = options.script;
    this.#host = host;
    this.#deadline = options.deadline ?? DEADLINE_DEFAULT;
    this.counters = options.counters ?? new ScriptCounters();
    this.faults = options.faults ?? new FaultTable();
    this.#beats = options.beat?.words ?? new Int32Array(2);
    this.#beatKey = options.beat?.key ?? 0;
    this.#held = new HeldPackets(options);
    this.#deferred = new DeferredActions(host, (action, packet) => this.#runDeferred(action, packet));
    this.context = new ScriptContext({
      host,
      script: identity,
      seed,
      deferred: this.#deferred,
      counters: this.counters,
      outbox: new Outbox(host, (count) => this.counters.add("sent", count)),
      onOverflow: (what) => this.#note("overflow", options.functionName, what),
      onDeferred: () => this.counters.add("deferred"),
    });
  }

  get heldCount(): number {
    return this.#held.count;
  }

  /** A Packet object to aim at the next packet. */
  freshPacket(): Packet {
    return this.#held.freshPacket();
  }

  /**
   * What the script says about a packet: accept, drop, proceed, one of kind queue, {@link HELD} or {@link UNCHANGED}.
   * A mark has been set on the packet. @param token names the packet when its verdict comes later.
   */
  judge(packet: Packet, token: number): number {
    this.counters.add("packets");
    this.counters.add("bytes", packet.fullLengthBytes);
    if (++this.#sequence % SAMPLE_EVERY !== 0) return this.#ask(packet, token, 0);
    const start = this.#host.steady();
    const verdict = this.#ask(packet, token, 0);
    this.#host.sample((this.#host.steady() - start) * 1_000_000);
    return verdict;
  }

  /** Something about the answer cannot be done: counts it, and answers what becomes of the packet. */
  fail(kind: FaultKind, message: string): number {
    this.#note(kind, this.#options.functionName, message);
    return this.#failed();
  }

  /** Counts an error that was seen from outside: a promise that nobody awaited, a timer that threw. */
  notice(thrown: unknown): void {
    this.#noteThrown(thrown);
  }

  /** A new version has taken over: deferred work runs as long as packets wait for their verdicts, and no longer. */
  retire(): void {
    this.#isRetired = true;
    if (this.#held.count === 0) this.#deferred.cancelAll();
  }

  /** Everything that is held gets the rule's `--on-error`, and nothing that was deferred runs. */
  giveUp(): void {
    this.#deferred.cancelAll();
    for (const held of this.#held.all()) {
      this.counters.add("bypassed");
      this.#settle(held, this.#failed(), false);
    }
  }

  #ask(packet: Packet, token: number, repeatCount: number): number {
    let answer: unknown;
    this.#move();
    try {
      answer = this.#script(packet, this.context);
    } catch (error) {
      this.#noteThrown(error);
      return this.#failed();
    }
    switch (answer) {
      case undefined:
      case 2:
        this.counters.add("continue");
        return proceed;
      case 1:
        this.counters.add("accept");
        return 1;
      case 0:
        this.counters.add("drop");
        return drop;
      default:
        if (typeof answer === "number") return this.#special(answer, packet, token, repeatCount);
        return this.#hold(answer, packet, token, repeatCount);
    }
  }

  /** The verdicts with a number in them, and those that are none. */
  #special(answer: number, packet: Packet, token: number, repeatCount: number): number {
    const kind = kindOf(answer);
    if (kind === undefined) return this.#nonsense(answer);
    this.counters.add(kind);
    if (kind === "repeat") {
      if (repeatCount < REPEAT_COUNT_MAX) return this.#ask(packet, token, repeatCount + 1);
      return this.fail("nonsense", `repeat, ${REPEAT_COUNT_MAX} times in a row`);
    }
    if (kind === "mark") {
      packet.mark = markOf(answer as Verdict);
      return proceed;
    }
    return answer;
  }

  #hold(answer: unknown, packet: Packet, token: number, repeatCount: number): number {
    const later = laterOf(answer);
    if (later === undefined) return this.#nonsense(answer);
    if (!this.#held.hasRoomFor(packet)) {
      return this.fail("overflow", "too many packets wait for a later verdict");
    }
    this.counters.add("later");
    const held = this.#held.add(token, packet, this.#options.connection?.(), repeatCount);
    this.counters.add("held");
    const { clock } = this.#host;
    if (typeof later.verdict === "number") {
      const known = later.verdict;
      held.timer = clock.after(later.delay ?? (0 as Duration), () => this.#told(held, known));
      return HELD;
    }
    held.timer = clock.after(later.deadline ?? this.#deadline, () => this.#isLate(held));
    // Not its own `then`, which may be the script's, and throw.
    Promise.resolve(later.verdict).then(
      (value: unknown) => this.#told(held, value),
      (error: unknown) => {
        if (held.isSettled) return;
        this.#noteThrown(error);
        this.#settle(held, this.#failed(), true);
      },
    );
    return HELD;
  }

  /** The later verdict is there. */
  #told(held: Held, value: unknown): void {
    if (held.isSettled) return;
    this.#move();
    const { packet, token } = held;
    if (value === repeat) {
      this.counters.add("repeat");
      this.#held.remove(held, false);
      this.counters.add("held", -1);
      const verdict =
        held.repeatCount < REPEAT_COUNT_MAX
          ? this.#ask(packet, token, held.repeatCount + 1)
          : this.#nonsense(value);
      if (verdict !== HELD) this.#tell(held, verdict);
      return;
    }
    const answer = value === undefined ? proceed : value;
    const kind = typeof answer === "number" ? kindOf(answer) : undefined;
    if (kind === undefined) {
      this.#settle(held, this.#nonsense(answer), true);
      return;
    }
    this.counters.add(kind);
    if (kind === "mark") packet.mark = markOf(answer as Verdict);
    this.#settle(held, kind === "mark" ? proceed : (answer as number), true);
  }

  #isLate(held: Held): void {
    if (held.isSettled) return;
    this.#note("timed-out", this.#options.functionName, "no verdict before the deadline");
    this.#settle(held, this.#failed(), false);
  }

  #settle(held: Held, verdict: number, isFree: boolean): void {
    held.isSettled = true;
    this.#tell(held, verdict);
    this.#held.remove(held, isFree);
    this.counters.add("held", -1);
    if (this.#isRetired && this.#held.count === 0) this.#deferred.cancelAll();
  }

  #tell({ token, packet, connection }: Held, verdict: number): void {
    this.#host.settle({
      token,
      packet,
      verdict: (verdict === UNCHANGED ? proceed : verdict) as Verdict,
      isFault: verdict === UNCHANGED,
      connectionMark: connection?.isMarkChanged ? connection.mark : undefined,
    });
  }

  #move(): void {
    this.#beats[0] = ((this.#beats[0] ?? 0) + 1) | 0;
    this.#beats[1] = this.#beatKey;
  }

  #runDeferred(
    action: (context: ScriptContext, packet: Packet | undefined) => unknown,
    packet?: Packet,
  ): void {
    try {
      const result = action(this.context, packet);
      if (isPromiseLike(result)) {
        Promise.resolve(result).then(undefined, (error: unknown) => this.#noteThrown(error));
      }
    } catch (error) {
      this.#noteThrown(error);
    }
  }

  #nonsense(answer: unknown): number {
    return this.fail("nonsense", `answered ${describeValue(answer)}, which is no verdict`);
  }

  #failed(): number {
    if (this.#options.onError === "drop") {
      this.counters.add("drop");
      return drop;
    }
    this.counters.add("continue");
    return UNCHANGED;
  }

  #noteThrown(error: unknown): void {
    const { isOwnFile, functionName } = this.#options;
    this.#note("threw", placeOf(error, isOwnFile) ?? functionName, messageOf(error));
  }

  #note(kind: FaultKind, place: string, message: string): void {
    this.counters.add("errors");
    const kindCounter = FAULT_COUNTERS[kind];
    if (kindCounter) this.counters.add(kindCounter);
    this.faults.add(kind, place, message);
  }
}

/** What an answer that is no number says about later; `undefined` when it is nonsense. Getters may throw. */
function laterOf(answer: unknown): Later | undefined {
  try {
    if (isPromiseLike(answer)) return { verdict: answer as PromiseLike<Verdict> };
    if (typeof answer !== "object" || answer === null) return undefined;
    const { verdict, deadline, delay } = answer as Later;
    if (!isTime(deadline) || !isTime(delay)) return undefined;
    if (isPromiseLike(verdict)) {
      return deadline === undefined ? { verdict } : { verdict, deadline };
    }
    if (typeof verdict !== "number" || kindOf(verdict) === undefined) return undefined;
    return delay === undefined ? { verdict } : { verdict, delay };
  } catch {
    return undefined;
  }
}

function isTime(value: unknown): boolean {
  return value === undefined || (typeof value === "number" && value >= 0 && Number.isFinite(value));
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
