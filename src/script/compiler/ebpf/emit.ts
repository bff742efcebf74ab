/**
 * The back end: from a function of the intermediate form, legalised, to a program for the kernel.
 * @module
 */
import type { KernelMapKind, KernelMapSpec, ProgramImage } from "#io/kernel-programs.ts";
import { STACK_BYTES_MAX } from "#wire/ebpf.ts";
import { kernelMapLayout } from "../../kernel-map-layout.ts";
import { EVENTS_MAP, type UsedMap } from "../compiled.ts";
import type { IrFunction } from "../ir/ir.ts";
import type { Place } from "../place.ts";
import { CompileError } from "../problem.ts";
import type { CompileTarget } from "../target.ts";
import { allocateRegisters } from "./allocate.ts";
import { assemble } from "./assemble.ts";
import { removeDeadCode } from "./dead-code.ts";
import { layOutFrame } from "./frame-layout.ts";
import { orderBlocks } from "./layout.ts";
import type { MachineBlock, MachineFunction } from "./machine.ts";
import type { RangeOf } from "./ranges.ts";
import { Selection } from "./select.ts";
import { cleanSpills } from "./spill-cleanup.ts";

export interface EmitOptions {
  readonly target: CompileTarget;
  /** What has been proved of the function's values; without it only what the instructions show is known. */
  readonly rangeOf?: RangeOf;
  /** The maps that the function uses, by the names in its instructions. */
  readonly maps: readonly UsedMap[];
  /**
   * Bytes of the ring of events, a power of two; 256 KiB unless told. It is made when something is
   * emitted.
   */
  readonly ringBytes?: number;
  /** The text of a line of the script, for listings; empty unless told. */
  readonly lineText?: (place: Place) => string;
}

export interface EmittedProgram {
  readonly image: ProgramImage;
  /** What is counted, by place, in the map of statistics. */
  readonly counters: readonly string[];
}

const RING_BYTES = 262_144;

/**
 * Makes the program; the same function gives the same bytes always.
 * @throws CompileError when the function needs more stack than there is
 */
export function emitProgram(fn: IrFunction, options: EmitOptions): EmittedProgram {
  const { target, rangeOf = () => undefined, maps, ringBytes = RING_BYTES, lineText = () => "" } = options;
  const selection = new Selection(fn, { target, rangeOf });
  selection.run();
  const machine = selection.machine.function;
  keepReachable(machine);
  removeDeadCode(machine);
  layOutFrame(machine);
  const objectBytes = machine.frame.bytes;
  allocateRegisters(machine);
  cleanSpills(machine, objectBytes);
  checkFrame(fn, machine);
  const blocks = orderBlocks(machine.blocks[0] as MachineBlock);
  const { instructions, relocations, lines } = assemble(blocks, lineText);
  const named = new Set(relocations.flatMap((one) => (one.kind === "map" ? [one.map] : [])));
  const own: readonly (KernelMapSpec | undefined)[] = [
    ...maps.map(specOf),
    selection.statistics.map(),
    selection.tables.map(),
    { name: EVENTS_MAP, kind: "ring", keyBytes: 0, valueBytes: 0, countMax: ringBytes },
  ];
  const specs = own.filter((spec) => spec !== undefined).filter(({ name }) => named.has(name));
  const { attach: type } = target;
  const image = { name: fn.name, type, instructions, relocations, maps: specs, lines };
  return { image, counters: selection.statistics.counters };
}

const PER_PROCESSOR: Readonly<Record<"hash" | "lru" | "array", KernelMapKind>> = {
  hash: "per-cpu-hash",
  lru: "per-cpu-lru",
  array: "per-cpu-array",
};

/** How one of a script's maps is made in the kernel. */
export function specOf({ name, shape }: UsedMap): KernelMapSpec {
  const { keyBytes, valueBytes } = kernelMapLayout(shape);
  const { kind: plain, perProcessor, countMax } = shape;
  const kind = perProcessor && plain !== "prefix" ? PER_PROCESSOR[plain] : plain;
  return { name, kind, keyBytes, valueBytes, countMax };
}

/** Takes out what nothing leads to. */
function keepReachable(machine: MachineFunction): void {
  const [entry] = machine.blocks;
  if (entry === undefined) return;
  const reached = new Set<MachineBlock>([entry]);
  for (const block of reached) {
    const { end } = block;
    if (end.kind === "jump") reached.add(end.to);
    else if (end.kind !== "exit") reached.add(end.ifTrue).add(end.ifFalse);
  }
  machine.blocks.splice(0, machine.blocks.length, ...reached);
}

/** Bytes of the stack in which the kernel counts the rounds of loops, and since when. */
const COUNT_BYTES = 16;

function checkFrame(fn: IrFunction, { frame, blocks }: MachineFunction): void {
  const isCounted = blocks.some(({ end }) => end.kind === "guard");
  const bytesMax = STACK_BYTES_MAX - (isCounted ? COUNT_BYTES : 0);
  if (frame.bytes <= bytesMax) return;
  const { place } = fn.entry.instructions[0] ?? fn.entry.terminator;
  throw new CompileError({
    code: "kernel-stack",
    place,
    length: 1,
    construct: fn.name,
    why: `it needs ${frame.bytes} bytes of stack, and there are ${bytesMax}`,
    instead: "use smaller arrays, or fewer values at once",
  });
}
