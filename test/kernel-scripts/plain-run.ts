/**
 * Runs a script as plain TypeScript: the function, a packet aimed at the bytes, and a context with real maps. This is
 * what all engines have to agree with.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { instant } from "#base/time.ts";
import { Packet } from "#packet/packet.ts";
import type { Context, PacketScript } from "#script/context.ts";
import { ScriptCounters } from "#script/counters.ts";
import { MapDirectory, type MapOptions } from "#script/map-directory.ts";
import type { SharedMap } from "#script/shared-map.ts";
import { kindOf, markOf, type Verdict } from "#script/verdict.ts";
import { packetOf, type TestFrame } from "./frames.ts";
import {
  countersOf,
  left,
  mapsOf,
  type Outcome,
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
}

export class PlainRun implements ScriptRun {
  readonly #options: RunOptions;
  readonly #maps = new TestMaps();
  readonly #counters = new ScriptCounters();
  readonly #packet = new Packet();
  readonly #context: Context;
  /** What the script threw last. */
  thrown: unknown;

  constructor(options: RunOptions) {
    this.#options = options;
    const { time, open } = this.#maps;
    const random = new SeededRandom(1);
    const context = {
      get now() {
        return time.now;
      },
      random: () => random.fraction(),
      randomInteger: (limit: number) => random.below(limit),
      counter: (name: string) => this.#counters.named(name),
      map: open,
      bus: { post: () => undefined },
    };
    this.#context = context as unknown as Context;
  }

  step(frame: TestFrame): Outcome {
    this.#maps.move(frame.delay);
    const seen = packetOf(frame.bytes, this.#options.first);
    if (seen === undefined) return unseen(frame, this.#state());
    const bytes = Uint8Array.from(seen.bytes);
    const packet = this.#packet.aim(new DataView(bytes.buffer), 0, bytes.length, seen.etherType);
    packet.$marked(frame.mark);
    // As the modules' options say.
    packet.$looksIntoTunnels = false;
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
      if (kind === "drop" || kind === "accept") return kind;
      throw new TypeError(`the script answered ${String(answer)}`);
    } catch (error) {
      this.thrown = error;
      return "fault";
    }
  }

  #state(): Pick<Outcome, "counters" | "maps"> {
    return { counters: countersOf(this.#counters.read().named), maps: this.#maps.read() };
  }

  close(): void {
    this.thrown = undefined;
  }
}
