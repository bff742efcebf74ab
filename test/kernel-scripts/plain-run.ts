/**
 * Runs a script as plain TypeScript: the function, a packet aimed at the bytes, and a context with real maps. This is
 * what all engines have to agree with.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { instant } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { Packet } from "#packet/packet.ts";
import type { Context, PacketScript } from "#script/context.ts";
import { ScriptCounters } from "#script/counters.ts";
import { MapDirectory, type MapOptions } from "#script/map-directory.ts";
import type { SharedMap } from "#script/shared-map.ts";
import { kindOf, markOf, proceed, type Verdict } from "#script/verdict.ts";
import { HAND_OVER_MARK } from "./compiler.ts";
import { packetOf, type TestFrame } from "./frames.ts";
import type { HandingOver } from "./module.ts";
import {
  countersOf,
  eventText,
  left,
  mapsOf,
  type Outcome,
  type OutcomeState,
  type ScriptRun,
  type SeenVerdict,
  unseen,
} from "./outcome.ts";

/** 2026-01-01T00:00Z. */
export const START = 1_767_225_600_000;

/** Maps on a clock that a run moves. */
export class TestMaps {
  readonly time: { now: ReturnType<typeof instant> } = { now: instant(START) };
  readonly #directory = new MapDirectory({ random: new SeededRandom(1), owner: 1, time: this.time });
  readonly #opened = new Map<string, SharedMap>();

  readonly open = (name: string, options?: MapOptions): SharedMap => {
    const map = this.#directory.open(name, options);
    this.#opened.set(name, map);
    return map;
  };

  move(delay: number): void {
    this.time.now = instant(this.time.now + delay);
  }

  read(): Record<string, readonly string[]> {
    return mapsOf(this.#opened.values());
  }
}

export interface RunOptions {
  readonly script: PacketScript;
  readonly first: "ethernet" | "network";
  /** Chance is that of user space, and what is handed over is decided there; as in the kernel when absent. */
  readonly isUserSpace?: boolean;
  /** Whether the place knows of aggregates. */
  readonly hasAggregates?: boolean;
}

export class PlainRun implements ScriptRun {
  readonly #options: RunOptions;
  readonly #maps = new TestMaps();
  readonly #counters = new ScriptCounters();
  readonly #packet = new Packet();
  readonly #context: Context;
  readonly #events: string[] = [];
  #frame: TestFrame | undefined;
  #isRedirected = false;
  /** What the script threw last. */
  thrown: unknown;

  constructor(options: RunOptions) {
    this.#options = options;
    const { time, open } = this.#maps;
    const context = {
      get now() {
        return time.now;
      },
      ...(options.isUserSpace === true ? chanceOfUserSpace() : this.#chanceOfKernel()),
      counter: (name: string) => this.#counters.named(name),
      map: open,
      bus: {
        post: (address: string, fields?: Readonly<Record<string, Value>>) =>
          this.#events.push(eventText(address, fields)),
      },
      send: () => {
        this.#isRedirected = true;
        return true;
      },
    };
    this.#context = context as unknown as Context;
  }

  /** Of the frame's 32 bits, as the kernel's programs make it; a packet that is handed over gets its mark. */
  #chanceOfKernel(): Pick<Context, "random" | "randomInteger"> & HandingOver {
    const word = (): number => this.#frame?.chance ?? 0;
    return {
      random: () => word() / 2 ** 32,
      randomInteger: (limit) => Number((BigInt(word()) * BigInt(limit)) >> 32n),
      $handsOver: (packet) => {
        packet.mark = (packet.mark | HAND_OVER_MARK) >>> 0;
        return proceed;
      },
    };
  }

  step(frame: TestFrame): Outcome {
    this.#frame = frame;
    this.#events.length = 0;
    this.#isRedirected = false;
    this.#maps.move(frame.delay);
    const seen = packetOf(frame.bytes, this.#options.first);
    if (seen === undefined) return unseen(frame, this.#state());
    const bytes = Uint8Array.from(seen.bytes);
    const packet = this.#packet.aim(new DataView(bytes.buffer), 0, bytes.length, seen.etherType);
    packet.$marked(frame.mark);
    // As the modules' options say.
    packet.$looksIntoTunnels = false;
    packet.isAggregate = this.#options.hasAggregates === true && frame.segmentBytes > 0;
    const verdict = this.#ask(packet);
    const isFault = verdict === "fault";
    const parts = {
      hidden: seen.hidden,
      bytes: isFault ? seen.bytes : packet.bytes(),
      mark: isFault ? frame.mark : packet.mark,
    };
    return { ...left(verdict, parts), ...this.#state() };
  }

  #ask(packet: Packet): SeenVerdict {
    try {
      const answer = this.#options.script(packet, this.#context);
      if (answer === undefined) return "continue";
      const kind = typeof answer === "number" ? kindOf(answer) : undefined;
      if (kind === "mark") packet.mark = markOf(answer as Verdict);
      if (kind === "mark" || kind === "continue") return "continue";
      if (kind === "drop" && this.#isRedirected) return "redirect";
      if (kind === "drop" || kind === "accept") return kind;
      throw new TypeError(`the script answered ${String(answer)}`);
    } catch (error) {
      this.thrown = error;
      return "fault";
    }
  }

  #state(): OutcomeState {
    const counters = countersOf(this.#counters.read().named);
    return { counters, maps: this.#maps.read(), events: [...this.#events] };
  }

  close(): void {
    this.thrown = undefined;
  }
}

/** As user space's engine has it with the same seed. */
function chanceOfUserSpace(): Pick<Context, "random" | "randomInteger"> {
  const random = new SeededRandom(1);
  return { random: () => random.fraction(), randomInteger: (limit) => random.below(limit) };
}
