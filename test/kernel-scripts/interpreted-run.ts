/**
 * Runs the compiler's intermediate form, as the front end made it or as the passes left it: tells which stage is wrong.
 * @module
 */
import type { UsedMap } from "#script/compiler/compiled.ts";
import { interpretFunction } from "#script/compiler/ir/interpret.ts";
import { PlainMap, PlainWorld } from "#script/compiler/ir/interpreted-world.ts";
import { type IrFunction, VerdictCode } from "#script/compiler/ir/ir.ts";
import { decodeKernelKey } from "#script/kernel-map-key.ts";
import { type KernelMapLayout, kernelMapLayout } from "#script/kernel-map-layout.ts";
import type { TestFrame } from "./frames.ts";
import { countersOf, entriesOf, left, type Outcome, type ScriptRun, type SeenVerdict } from "./outcome.ts";
import { START } from "./plain-run.ts";

const VERDICTS: Readonly<Record<number, SeenVerdict>> = {
  [VerdictCode.drop]: "drop",
  [VerdictCode.accept]: "accept",
  [VerdictCode.continue]: "continue",
};

interface OpenMap {
  readonly used: UsedMap;
  readonly layout: KernelMapLayout;
  readonly map: PlainMap;
}

/** Keys begin with their length in bits, 32 bits in the machine's order. */
class PrefixMap extends PlainMap {
  override find(wanted: Uint8Array): Uint8Array | undefined {
    let best: { readonly bits: number; readonly value: Uint8Array } | undefined;
    for (const { key, value } of this.entries()) {
      const bits = prefixBits(key);
      if (bits > prefixBits(wanted) || bits < (best?.bits ?? 0)) continue;
      if (haveSameStart(key, wanted, bits)) best = { bits, value };
    }
    return best?.value;
  }
}

function prefixBits(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
}

function haveSameStart(one: Uint8Array, other: Uint8Array, bits: number): boolean {
  const bitAt = (key: Uint8Array, index: number): number => ((key[4 + (index >> 3)] ?? 0) >> (7 - (index & 7))) & 1;
  for (let index = 0; index < bits; index++) if (bitAt(one, index) !== bitAt(other, index)) return false;
  return true;
}

export class InterpretedRun implements ScriptRun {
  readonly #function: IrFunction;
  readonly #maps: readonly OpenMap[];
  readonly #counters = new Map<string, bigint>();
  #now = START;

  constructor(fn: IrFunction, maps: readonly UsedMap[]) {
    this.#function = fn;
    this.#maps = maps.map((used) => {
      const layout = kernelMapLayout(used.shape);
      const { countMax, kind } = used.shape;
      const sizes = { keyBytes: layout.keyBytes, valueBytes: layout.valueBytes, countMax };
      const map = kind === "prefix" ? new PrefixMap(sizes) : new PlainMap(sizes);
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
      facts: { mark: BigInt(frame.mark), etherType: BigInt(etherTypeOf(frame.bytes)) },
      maps: new Map(this.#maps.map(({ used, map }) => [used.name, map])),
    });
    world.nanoseconds = BigInt(this.#now) * 1_000_000n;
    const outcome = interpretFunction(this.#function, world);
    for (const [name, count] of world.counters)
      this.#counters.set(name, BigInt.asIntN(64, (this.#counters.get(name) ?? 0n) + count));
    const verdict = outcome.kind === "verdict" ? (VERDICTS[Number(outcome.verdict)] ?? "fault") : "fault";
    const parts = { hidden: new Uint8Array(0), bytes: world.packet.bytes, mark: Number(world.mark) };
    return { ...left(verdict, parts), counters: this.#named(), maps: this.#read() };
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
