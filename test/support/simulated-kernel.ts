/**
 * A kernel engine for tests: programs are run by the simulated machine, and a compiler that compiles nothing answers what
 * it was told to.
 * @module
 */
import type { KernelMapSpec } from "#io/kernel-programs.ts";
import {
  type CompiledScript,
  type CompileResult,
  EVENTS_MAP,
  type FunctionFacts,
  STATISTICS_MAP,
} from "#script/compiler/compiled.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  type EbpfInstruction,
  encodeEbpf,
  InstructionClass,
  Jump,
} from "#wire/ebpf.ts";
import type { KernelCompiler } from "../../src/app/script/kernel-choice.ts";

/** What a function does, as far as a test cares. */
export interface SimulatedFunction extends Partial<FunctionFacts> {
  /** What its program answers; 1 when absent. */
  readonly verdict?: number;
  readonly counters?: readonly string[];
  readonly maps?: FunctionFacts["maps"];
  readonly mapSpecs?: readonly KernelMapSpec[];
  /** Attach points that refuse it, with why. */
  readonly refusals?: Readonly<Partial<Record<CompileTarget["attach"], string>>>;
}

const FACTS: FunctionFacts = {
  writes: false,
  marks: false,
  redirects: false,
  accepts: false,
  maps: [],
  events: [],
  handsOverTo: undefined,
  notes: [],
};

/** The counters of a function that names no others. */
export const COUNTERS = [
  "bytes",
  "drop",
  "accept",
  "continue",
  "mark",
  "redirect",
  "handed",
  "errors",
  "lost",
];

export class SimulatedCompiler implements KernelCompiler {
  readonly functions: Map<string, SimulatedFunction> = new Map();
  readonly asked: CompileTarget[][] = [];
  isClosed = false;

  async compile(
    file: string,
    functionName: string,
    targets: readonly CompileTarget[],
  ): Promise<readonly CompileResult[]> {
    this.asked.push([...targets]);
    return targets.map((target) =>
      compile(file, functionName, target, this.functions.get(functionName) ?? {}),
    );
  }

  close(): void {
    this.isClosed = true;
  }
}

function compile(
  file: string,
  name: string,
  target: CompileTarget,
  described: SimulatedFunction,
): CompileResult {
  const why = described.refusals?.[target.attach];
  if (why !== undefined) {
    const place = { file, line: 3, column: 5 };
    const problem = { code: "kernel-test", place, length: 1, construct: "x", why, instead: "write y" };
    return { script: undefined, problems: [problem] };
  }
  const { verdict = 1, counters = COUNTERS, refusals: _, mapSpecs = [], ...facts } = described;
  const maps: KernelMapSpec[] = [
    {
      name: STATISTICS_MAP,
      kind: "per-cpu-array",
      keyBytes: 4,
      valueBytes: 8 * counters.length,
      countMax: 1,
    },
    ...mapSpecs,
  ];
  if (facts.events && facts.events.length > 0) {
    maps.push({ name: EVENTS_MAP, kind: "ring", keyBytes: 0, valueBytes: 0, countMax: 4096 });
  }
  const script: CompiledScript = {
    target,
    image: {
      name,
      type: target.attach,
      instructions: encodeEbpf(countAndAnswer(verdict)),
      relocations: [{ kind: "map", at: 0, map: STATISTICS_MAP, isValue: false, offset: 0 }],
      maps,
      lines: [{ at: 0, file, line: 3, column: 1, text: "return accept;" }],
    },
    facts: { ...FACTS, ...facts },
    counters,
  };
  return { script, problems: [] };
}

/** Adds 1 to the counter of accepted packets, and answers. */
function countAndAnswer(verdict: number): EbpfInstruction[] {
  const plain = { destination: 0, source: 0, offset: 0, immediate: 0 };
  const store = InstructionClass.store | AccessMode.memory | AccessSize[4];
  const move = InstructionClass.alu64 | Arithmetic.move;
  return [
    { ...plain, code: 0x18, destination: 1, source: 1 },
    { ...plain, code: 0 },
    { ...plain, code: store, destination: 10, offset: -4 },
    { ...plain, code: move | 0x08, destination: 2, source: 10 },
    { ...plain, code: InstructionClass.alu64, destination: 2, immediate: -4 },
    { ...plain, code: InstructionClass.jump | Jump.call, immediate: 1 },
    { ...plain, code: InstructionClass.jump | Jump.equal, offset: 2 },
    { ...plain, code: move, destination: 1, immediate: 1 },
    {
      ...plain,
      code: InstructionClass.storeX | AccessMode.atomic | AccessSize[8],
      destination: 0,
      source: 1,
      offset: 16,
    },
    { ...plain, code: move, immediate: verdict },
    { ...plain, code: InstructionClass.jump | Jump.exit },
  ];
}
