/**
 * Runs a compiled script in a kernel, real or simulated, without any network: one test run for each frame, and what
 * its maps and counters hold afterwards.
 * @module
 */
import { instant } from "#base/time.ts";
import type { KernelMap, KernelProgram, KernelPrograms } from "#io/kernel-programs.ts";
import { type CompiledScript, STATISTICS_MAP } from "#script/compiler/compiled.ts";
import type { AttachType } from "#script/compiler/target.ts";
import { kernelMapLayout } from "#script/kernel-map-layout.ts";
import { KernelMapView } from "#script/kernel-map-view.ts";
import { packetOf, type TestFrame } from "./frames.ts";
import { countersOf, left, mapsOf, type Outcome, type ScriptRun, type SeenVerdict } from "./outcome.ts";

/** What programs return, by where they run. */
const VERDICTS: Readonly<Record<AttachType, Readonly<Record<number, SeenVerdict>>>> = {
  netfilter: { 0: "drop", 1: "continue" },
  "tcx-ingress": { [-1]: "continue", 0: "accept", 2: "drop" },
  "tcx-egress": { [-1]: "continue", 0: "accept", 2: "drop" },
  xdp: { 1: "drop", 2: "continue" },
};

const NOTHING = new Uint8Array(0);

/** Maps are looked at here, and written to by scripts alone. */
function readOnly(): never {
  throw new Error("a test of scripts writes to no map");
}

export interface CompiledRunOptions {
  readonly kernel: KernelPrograms;
  readonly script: CompiledScript;
  /** Milliseconds since 1970, as the kernel's programs see it. */
  readonly now: () => number;
}

export class CompiledRun implements ScriptRun {
  readonly #options: CompiledRunOptions;
  readonly #maps = new Map<string, KernelMap>();
  readonly #program: KernelProgram;
  readonly #views: readonly KernelMapView[];

  /** @throws ProgramRefusedError when the verifier finds something, which is a fault of the compiler */
  constructor(options: CompiledRunOptions) {
    this.#options = options;
    const { kernel, script, now } = options;
    this.#program = kernel.load(script.image, this.#maps);
    const time = {
      get now() {
        return instant(now());
      },
    };
    // A map that is opened and not used is not in the program.
    this.#views = script.facts.maps.flatMap(({ name, shape }) => {
      const map = this.#maps.get(name);
      return map === undefined ? [] : [new KernelMapView(name, shape, map, { time, run: readOnly })];
    });
  }

  step(frame: TestFrame): Outcome {
    this.#age(frame.delay);
    const { attach } = this.#options.script.target;
    const seen = attach === "netfilter" ? packetOf(frame.bytes, "network") : undefined;
    const shown = seen?.bytes ?? frame.bytes;
    const { verdict, bytes, mark } = this.#program.test(shown, { mark: frame.mark });
    const { counters, errors } = this.#counters();
    const known = VERDICTS[attach][verdict];
    const told = known === undefined || errors > 0 ? "fault" : known;
    const parts = { hidden: seen?.hidden ?? NOTHING, bytes, mark: attach === "xdp" ? frame.mark : mark };
    return { ...left(told, parts), counters, maps: mapsOf(this.#views) };
  }

  /** Lets time pass for the entries of maps, as the kernel's clock cannot be moved. */
  #age(delay: number): void {
    if (delay === 0) return;
    for (const { name, shape } of this.#options.script.facts.maps) {
      const { expiresAt } = kernelMapLayout(shape);
      const map = this.#maps.get(name);
      if (expiresAt === undefined || map === undefined) continue;
      for (const [key, value] of [...map.entries()]) {
        const older = value.slice();
        const data = new DataView(older.buffer);
        data.setBigInt64(expiresAt, data.getBigInt64(expiresAt, true) - BigInt(delay), true);
        map.set(key.slice(), older);
      }
    }
  }

  /** The sums over all processors. */
  #counters(): { readonly counters: Record<string, number>; readonly errors: number } {
    const { counters: names } = this.#options.script;
    const lanes = this.#maps.get(STATISTICS_MAP)?.get(new Uint8Array(4)) ?? NOTHING;
    const data = new DataView(lanes.buffer, lanes.byteOffset, lanes.byteLength);
    const sums = names.map((_, index) => {
      let sum = 0n;
      for (let at = index * 8; at + 8 <= lanes.length; at += names.length * 8)
        sum += data.getBigInt64(at, true);
      return Number(sum);
    });
    const own = names.flatMap((name, index): [string, number][] =>
      name.startsWith("counter ") ? [[name.slice("counter ".length), sums[index] ?? 0]] : [],
    );
    const errors = sums[names.indexOf("errors")] ?? 0;
    return { counters: countersOf(own), errors };
  }

  close(): void {
    this.#program.close();
    for (const map of this.#maps.values()) map.close();
  }
}
