/**
 * Runs the compiler's intermediate form, as the front end made it or as the passes left it: tells which stage is wrong.
 * @module
 */
import type { EmittedEvent, FunctionFacts, UsedMap } from "#script/compiler/compiled.ts";
import { interpretFunction } from "#script/compiler/ir/interpret.ts";
import { PlainMap, PlainWorld } from "#script/compiler/ir/interpreted-world.ts";
import { type IrFunction, VerdictCode } from "#script/compiler/ir/ir.ts";
import { decodeKernelKey } from "#script/kernel-map-key.ts";
import { type KernelMapLayout, kernelMapLayout } from "#script/kernel-map-layout.ts";
import { eventOf } from "./compiled-run.ts";
import type { TestFrame } from "./frames.ts";
import { countersOf, entriesOf, left, type Outcome, type ScriptRun, type SeenVerdict } from "./outcome.ts";
import { START } from "./plain-run.ts";

const VERDICTS: Readonly<Record<number, SeenVerdict>> = {
  [VerdictCode.drop]: "drop",
  [VerdictCode.accept]: "accept",
  [VerdictCode.continue]: "continue",
  [VerdictCode.redirect]: "redirect",
};

interface OpenMap {
  readonly used: UsedMap;
  readonly layout: KernelMapLayout;
  readonly map: PlainMap;
}

export class InterpretedRun implements ScriptRun {
  readonly #function: IrFunction;
  readonly #maps: readonly OpenMap[];
  readonly #counters = new Map<string, bigint>();
  readonly #events: readonly EmittedEvent[];
  #now = START;

  constructor(fn: IrFunction, { maps, events }: Pick<FunctionFacts, "maps" | "events">) {
    this.#function = fn;
    this.#events = events;
    this.#maps = maps.map((used) => {
      const layout = kernelMapLayout(used.shape);
      const { countMax, kind } = used.shape;
      // Scripts put whole keys into maps of prefixes, and those are found as they are.
      const map = new PlainMap({ keyBytes: layout.keyBytes, valueBytes: layout.valueBytes, countMax });
      for (let index = 0; kind === "array" && index < countMax; index++) {
        const key = Uint8Array.from(new Uint8Array(Uint32Array.of(index).buffer));
        map.update(key, new Uint8Array(layout.valueBytes), "any");
      }
      return { used, layout, map };
    });
  }

  step(frame: TestFrame): Outcome {
    this.#now += frame.delay;
    const world = new PlainWorld({
      packet: frame.bytes,
      facts: {
        mark: BigInt(frame.mark),
        etherType: BigInt(etherTypeOf(frame.bytes)),
        segmentBytes: BigInt(frame.segmentBytes),
      },
      random: () => BigInt(frame.chance),
      maps: new Map(this.#maps.map(({ used, map }) => [used.name, map])),
    });
    world.nanoseconds = BigInt(this.#now) * 1_000_000n;
    const outcome = interpretFunction(this.#function, world);
    for (const [name, count] of world.counters)
      this.#counters.set(name, BigInt.asIntN(64, (this.#counters.get(name) ?? 0n) + count));
    const verdict = outcome.kind === "verdict" ? (VERDICTS[Number(outcome.verdict)] ?? "fault") : "fault";
    const parts = { hidden: new Uint8Array(0), bytes: world.packet.bytes, mark: Number(world.mark) };
    const events = world.events.map((bytes) => eventOf(bytes, this.#events));
    return { ...left(verdict, parts), counters: this.#named(), maps: this.#read(), events };
  }

  #named(): Record<string, number> {
    const own = [...this.#counters].flatMap(([name, count]): [string, number][] =>
      name.startsWith("counter ") ? [[name.slice("counter ".length), Number(count)]] : [],
    );
    return countersOf(own);
  }

  #read(): Record<string, readonly string[]> {
    return Object.fromEntries(
      this.#maps.map(({ used, layout, map }) => [
        used.name,
        entriesOf(used.shape, this.#live(used, layout, map)),
      ]),
    );
  }

  *#live(
    { shape }: UsedMap,
    { expiresAt }: KernelMapLayout,
    map: PlainMap,
  ): Iterable<readonly [unknown, number]> {
    for (const { key, value } of map.entries()) {
      const data = new DataView(value.buffer, value.byteOffset, value.byteLength);
      if (expiresAt !== undefined && Number(data.getBigInt64(expiresAt, true)) <= this.#now) continue;
      yield [decodeKernelKey(shape, key), Number(data.getBigInt64(0, true))];
    }
  }

  close(): void {
    this.#counters.clear();
  }
}

function etherTypeOf(bytes: Uint8Array): number {
  return bytes.length < 14 ? 0 : ((bytes[12] as number) << 8) | (bytes[13] as number);
}
