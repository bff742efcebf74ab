/**
 * {@link KernelPrograms} without a kernel: programs are interpreted, and nothing is verified beforehand.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import {
  type AttachPoint,
  type KernelLink,
  type KernelMap,
  type KernelMapSpec,
  KernelPlaceTakenError,
  type KernelProgram,
  type KernelPrograms,
  type KernelRing,
  type ProgramImage,
  type Relocation,
  type TestOptions,
  type TestRun,
} from "#io/kernel-programs.ts";
import { decodeEbpf, type EbpfInstruction, PseudoCall, PseudoConstant } from "#wire/ebpf.ts";
import { SIM_KERNEL_FIELDS, simContext } from "./context.ts";
import { addressesOf, helper, kernelFunction, type RunState } from "./kernel-calls.ts";
import { Machine } from "./machine.ts";
import { keyOf, SimKernelMap } from "./maps.ts";
import { MachineMemory } from "./memory.ts";

/** What the simulated kernel is told of the world. */
export interface SimKernelOptions {
  /** Nanoseconds since 1970. */
  readonly nanoseconds?: () => bigint;
  /** 0 to 2^32 - 1. */
  readonly random?: () => number;
  /** The index of an interface by its name; 0 for none. */
  readonly interfaceIndex?: (name: string) => number;
}

export class SimKernelPrograms implements KernelPrograms {
  readonly options: SimKernelOptions;
  /** What is attached, by its place. */
  readonly links: Map<string, SimKernelLink> = new Map();
  readonly #pinned = new Map<string, SimKernelLink>();
  readonly #pinnedMaps = new Map<string, KernelMap>();

  constructor(options: SimKernelOptions = {}) {
    this.options = options;
  }

  createMap(spec: KernelMapSpec): SimKernelMap {
    return new SimKernelMap(spec);
  }

  load(image: ProgramImage, maps: Map<string, KernelMap>): SimKernelProgram {
    for (const spec of image.maps) {
      const known = maps.get(spec.name);
      if (known === undefined) maps.set(spec.name, this.createMap(spec));
      else if (shapeOf(known.spec) !== shapeOf(spec))
        throw new ConfigurationError(
          `Cannot load ${image.name}: map ${spec.name} is ${shapeOf(known.spec)}, wanted ${shapeOf(spec)}`,
        );
    }
    return new SimKernelProgram(this, image, new Map(maps));
  }

  listen(ring: KernelMap, event: (bytes: Uint8Array) => void): KernelRing {
    if (!(ring instanceof SimKernelMap) || ring.spec.kind !== "ring")
      throw new ConfigurationError(`Cannot listen to map ${ring.spec.name}: it is no ring`);
    const stop = ring.listen(event);
    return { close: stop };
  }

  pinned(path: string): KernelLink | undefined {
    return this.#pinned.get(path);
  }

  pinMap(map: KernelMap, path: string): void {
    if (this.#pinnedMaps.has(path))
      throw new KernelPlaceTakenError(`Cannot pin at ${path}: something is there`);
    this.#pinnedMaps.set(path, map);
  }

  pinnedMap(path: string, spec: KernelMapSpec): KernelMap | undefined {
    const map = this.#pinnedMaps.get(path);
    return map && JSON.stringify(map.spec) === JSON.stringify(spec) ? map : undefined;
  }

  /** Keeps a link by a path until it is detached. @throws KernelPlaceTakenError */
  $pin(path: string, link: SimKernelLink): void {
    if (this.#pinned.has(path)) throw new KernelPlaceTakenError(`Cannot pin at ${path}: something is there`);
    this.#pinned.set(path, link);
  }

  /** Takes a link from its place and from its paths. */
  $detached(link: SimKernelLink): void {
    this.links.delete(placeOf(link.point));
    for (const [path, pinned] of this.#pinned) if (pinned === link) this.#pinned.delete(path);
  }
}

export class SimKernelLink implements KernelLink {
  readonly point: AttachPoint;
  readonly #kernel: SimKernelPrograms;
  #program: SimKernelProgram;

  constructor(kernel: SimKernelPrograms, point: AttachPoint, program: SimKernelProgram) {
    this.#kernel = kernel;
    this.point = point;
    this.#program = program;
  }

  /** What runs there now. */
  get program(): SimKernelProgram {
    return this.#program;
  }

  replace(program: KernelProgram): void {
    if (!(program instanceof SimKernelProgram))
      throw new ConfigurationError("Cannot replace by a program of another kernel");
    this.#program = program;
  }

  pin(path: string): void {
    this.#kernel.$pin(path, this);
  }

  detach(): void {
    this.#kernel.$detached(this);
  }
}

export class SimKernelProgram implements KernelProgram {
  readonly image: ProgramImage;
  readonly verifiedCount: number = 0;
  readonly machineBytes: number = 0;
  readonly #kernel: SimKernelPrograms;
  readonly #maps: ReadonlyMap<string, KernelMap>;
  readonly #instructions: readonly EbpfInstruction[];
  readonly #relocations: ReadonlyMap<number, Relocation>;

  constructor(kernel: SimKernelPrograms, image: ProgramImage, maps: ReadonlyMap<string, KernelMap>) {
    this.#kernel = kernel;
    this.image = image;
    this.#maps = maps;
    this.#relocations = new Map(image.relocations.map((relocation) => [relocation.at, relocation]));
    this.#instructions = decodeEbpf(image.instructions).map((instruction, at) =>
      relocated(instruction, this.#relocations.get(at), kernel.options),
    );
  }

  test(packet: Uint8Array, { repeat = 1, mark = 0, segmentBytes = 0 }: TestOptions = {}): TestRun {
    const least = this.image.type === "netfilter" ? 20 : 14;
    if (packet.length < least)
      throw new ConfigurationError(
        `Cannot run ${this.image.name} over a packet of ${packet.length} bytes: wanted ${least} or more`,
      );
    let run = this.#run(packet, mark, segmentBytes);
    for (let count = 1; count < repeat; count++) run = this.#run(run.bytes, run.mark, segmentBytes);
    return run;
  }

  #run(packet: Uint8Array, mark: number, segmentBytes: number): TestRun {
    const { nanoseconds = () => 0n, random = () => 0 } = this.#kernel.options;
    const memory = new MachineMemory();
    const state: RunState = {
      memory,
      packet: Uint8Array.from(packet),
      mark,
      segmentBytes,
      maps: addressesOf(this.#maps, memory),
      nanoseconds,
      random,
      redirectedTo: undefined,
    };
    const context = simContext(this.image.type, state);
    const machine = new Machine(
      {
        instructions: this.#instructions,
        callee: (instruction, at) => this.#callee(instruction, at, state),
        constant: (instruction, upper, at) => this.#constant(instruction, upper, at, memory),
        contextField: (address, bytes) => context.field(address, bytes),
      },
      memory,
    );
    const verdict = Number(BigInt.asIntN(32, machine.run(context.address)));
    return { verdict, bytes: state.packet, nanoseconds: 0, mark: context.mark() };
  }

  /** @throws KernelPlaceTakenError */
  attach(point: AttachPoint): SimKernelLink {
    const place = placeOf(point);
    const isShared = point.kind === "tcx-ingress" || point.kind === "tcx-egress";
    const before = this.#kernel.links.get(place);
    if (before !== undefined && !isShared)
      throw new KernelPlaceTakenError(`Cannot attach ${this.image.name}: another program has this place`);
    const link = new SimKernelLink(this.#kernel, point, this);
    this.#kernel.links.set(place, link);
    return link;
  }

  close(): void {}

  #callee(instruction: EbpfInstruction, at: number, state: RunState): ReturnType<typeof helper> {
    const relocation = this.#relocations.get(at);
    if (relocation?.kind === "kernel-function") return kernelFunction(relocation.name, state);
    if (instruction.source !== PseudoCall.helper)
      throw new ConfigurationError(`Cannot run instruction ${at}: nobody says what it calls`);
    return helper(instruction.immediate, state, this.image.type === "xdp");
  }

  #constant(low: EbpfInstruction, high: EbpfInstruction, at: number, memory: MachineMemory): bigint {
    const relocation = this.#relocations.get(at);
    // The simulated clock is the wall clock already.
    if (relocation?.kind === "clock") return 0n;
    if (relocation?.kind === "map") {
      const map = this.#maps.get(relocation.map);
      if (!(map instanceof SimKernelMap))
        throw new ConfigurationError(`Cannot run instruction ${at}: there is no map ${relocation.map}`);
      if (!relocation.isValue) return memory.map(map.identity);
      const value = map.find(keyOf(0)) ?? new Uint8Array(0);
      return memory.map(value, map.spec.frozen === undefined) + BigInt(relocation.offset);
    }
    if (low.source !== PseudoConstant.plain)
      throw new ConfigurationError(`Cannot run instruction ${at}: nobody says which map it means`);
    return BigInt(low.immediate >>> 0) | (BigInt(high.immediate >>> 0) << 32n);
  }
}

/** Kernel fields and interfaces, which are known before the program runs. */
function relocated(
  instruction: EbpfInstruction,
  relocation: Relocation | undefined,
  { interfaceIndex = () => 0 }: SimKernelOptions,
): EbpfInstruction {
  if (relocation?.kind === "interface") return { ...instruction, immediate: interfaceIndex(relocation.name) };
  if (relocation?.kind !== "kernel-field") return instruction;
  const name = `${relocation.structure}.${relocation.field}`;
  const offset = SIM_KERNEL_FIELDS[name];
  if (offset === undefined)
    throw new ConfigurationError(`Cannot load the program: there is no field ${name} here`);
  return { ...instruction, offset };
}

function shapeOf({ kind, keyBytes, valueBytes, countMax }: KernelMapSpec): string {
  return `${kind} of ${countMax} times ${keyBytes} + ${valueBytes} bytes`;
}

function placeOf(point: AttachPoint): string {
  return JSON.stringify(point, Object.keys(point).sort());
}
