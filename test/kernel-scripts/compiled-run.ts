/**
 * Runs a compiled script in a kernel, real or simulated, without any network: one test run for each frame, and what
 * its maps and counters hold afterwards.
 * @module
 */
import { decodeKernelEvent } from "#app/script/kernel-events.ts";
import { instant } from "#base/time.ts";
import type { KernelMap, KernelProgram, KernelPrograms } from "#io/kernel-programs.ts";
import {
  type CompiledScript,
  type EmittedEvent,
  EVENTS_MAP,
  STATISTICS_MAP,
} from "#script/compiler/compiled.ts";
import type { AttachType } from "#script/compiler/target.ts";
import { KernelMapView } from "#script/kernel-map-view.ts";
import { asksOutside, fixedImage } from "./fixed-image.ts";
import { packetOf, type TestFrame } from "./frames.ts";
import {
  countersOf,
  eventText,
  hex,
  left,
  mapsOf,
  type Outcome,
  type ScriptRun,
  type SeenVerdict,
} from "./outcome.ts";
import { START } from "./plain-run.ts";

/** An event as programs put it into the ring. */
export function eventOf(bytes: Uint8Array, events: readonly EmittedEvent[]): string {
  const event = decodeKernelEvent(bytes, events);
  return event === undefined ? `not an event: ${hex(bytes)}` : eventText(event.address, event.fields);
}

/** What programs return, by where they run. */
const VERDICTS: Readonly<Record<AttachType, Readonly<Record<number, SeenVerdict>>>> = {
  netfilter: { 0: "drop", 1: "continue" },
  "tcx-ingress": { [-1]: "continue", 0: "accept", 2: "drop", 7: "redirect" },
  "tcx-egress": { [-1]: "continue", 0: "accept", 2: "drop", 7: "redirect" },
  xdp: { 1: "drop", 2: "continue", 4: "redirect" },
};

const NOTHING = new Uint8Array(0);

/** Maps are looked at here, and written to by scripts alone. */
function readOnly(): never {
  throw new Error("a test of scripts writes to no map");
}

export interface CompiledRunOptions {
  readonly kernel: KernelPrograms;
  readonly script: CompiledScript;
  /** Reads a ring: tells of the events that came since it was asked last. */
  readonly openRing: (ring: KernelMap) => OpenRing;
  /** Shows it a frame; a test run of the kernel's when absent. */
  readonly show?: (program: KernelProgram, frame: TestFrame) => ShownPacket;
}

/** What became of a frame that a program was shown. */
export interface ShownPacket {
  readonly verdict: SeenVerdict;
  readonly bytes: Uint8Array;
  readonly mark: number;
}

/** A ring that is read when it is asked to be. */
export interface OpenRing {
  read(event: (bytes: Uint8Array) => void): void;
  close(): void;
}

/** A test run, as its place has packets. */
function showInTest(program: KernelProgram, frame: TestFrame): ShownPacket {
  const { type } = program.image;
  const seen = type === "netfilter" ? packetOf(frame.bytes, "network") : undefined;
  const segmentBytes = type.startsWith("tcx") ? frame.segmentBytes : 0;
  const { verdict, bytes, mark } = program.test(seen?.bytes ?? frame.bytes, {
    mark: frame.mark,
    segmentBytes,
  });
  return {
    verdict: VERDICTS[type][verdict] ?? "fault",
    bytes: Uint8Array.from([...(seen?.hidden ?? NOTHING), ...bytes]),
    mark: type === "xdp" ? frame.mark : mark,
  };
}

export class CompiledRun implements ScriptRun {
  readonly #options: CompiledRunOptions;
  readonly #maps = new Map<string, KernelMap>();
  readonly #views: readonly KernelMapView[];
  readonly #ring: OpenRing | undefined;
  readonly #time = { now: instant(START) };
  readonly #isFixed: boolean;
  #program: KernelProgram;
  /** For which time and chance the program was loaded. */
  #loadedFor = "";

  /** @throws ProgramRefusedError when the verifier finds something, which is a fault of the compiler */
  constructor(options: CompiledRunOptions) {
    this.#options = options;
    const { kernel, script } = options;
    this.#program = kernel.load(script.image, this.#maps);
    this.#isFixed = asksOutside(script.image);
    // A map that is opened and not used is not in the program.
    this.#views = script.facts.maps.flatMap(({ name, shape }) => {
      const map = this.#maps.get(name);
      return map === undefined
        ? []
        : [new KernelMapView(name, shape, map, { time: this.#time, run: readOnly })];
    });
    const ring = this.#maps.get(EVENTS_MAP);
    this.#ring = ring && options.openRing(ring);
  }

  step(frame: TestFrame): Outcome {
    this.#time.now = instant(this.#time.now + frame.delay);
    this.#fix(frame);
    const { show = showInTest, script } = this.#options;
    const { verdict, bytes, mark } = show(this.#program, frame);
    const { counters, errors } = this.#counters();
    const told = errors > 0 ? "fault" : verdict;
    const events: string[] = [];
    this.#ring?.read((event) => events.push(eventOf(event, script.facts.events)));
    return { ...left(told, { hidden: NOTHING, bytes, mark }), counters, maps: mapsOf(this.#views), events };
  }

  /** The kernel's clock and its chance are nobody's to set: a program that asks for them is loaded with the answers. */
  #fix({ chance }: TestFrame): void {
    const { now } = this.#time;
    const wanted = `${now} ${chance}`;
    if (!this.#isFixed || this.#loadedFor === wanted) return;
    const { kernel, script } = this.#options;
    const program = kernel.load(fixedImage(script.image, { now, chance }), this.#maps);
    this.#program.close();
    this.#program = program;
    this.#loadedFor = wanted;
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
    this.#ring?.close();
    this.#program.close();
    for (const map of this.#maps.values()) map.close();
  }
}
