/**
 * {@link KernelLink} on Linux: programs attached by BPF_LINK_CREATE, which stay as long as the link's descriptor or
 * its pin. TCX and XDP links exchange their program themselves (BPF_LINK_UPDATE). Netfilter's cannot: there a stub is
 * attached that jumps to whatever program its array of one holds, and that is exchanged.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { AttachPoint, KernelLink, KernelProgram, ProgramImage } from "#io/kernel-programs.ts";
import { encodeEbpf, Helper, InstructionClass, Jump, PseudoConstant } from "#wire/ebpf.ts";
import { AttachType, attribute, bpf, Descriptor, fieldOf, LinkType } from "./bpf-call.ts";
import { bpfError, type KernelNeed } from "./bpf-error.ts";
import { createKernelMap } from "./kernel-map.ts";
import { loadProgram } from "./load.ts";
import { openPinned, pinDescriptor, removePin } from "./pin-file.ts";

const LINK_CREATE_BYTES = 64;
const LINK_UPDATE_BYTES = 32;
const LINK_INFO_BYTES = 128;

/** Where the file of a stub's array stands, beside that of its link. */
export const ARRAY_SUFFIX = "-program";

const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;
const ATTACH_TYPES = {
  "tcx-ingress": AttachType.tcxIngress,
  "tcx-egress": AttachType.tcxEgress,
  xdp: AttachType.xdp,
} as const;

/** A program as links need it. */
export interface AttachableProgram extends KernelProgram {
  readonly descriptor: number;
}

/** @throws KernelPlaceTakenError, KernelProgramsUnsupportedError, SystemCallError, UnavailableError */
export function attachProgram(program: AttachableProgram, point: AttachPoint): LinuxKernelLink {
  const name = program.image.name;
  if (point.kind !== "netfilter") {
    const { kind, interfaceIndex } = point;
    const attributes = attribute(
      LINK_CREATE_BYTES,
      [0, program.descriptor],
      [4, interfaceIndex],
      [8, ATTACH_TYPES[kind]],
    );
    const doing = `attach ${name} to interface ${interfaceIndex}`;
    return new LinuxKernelLink(createLink(attributes, doing, kind === "xdp" ? "xdp" : "tcx"));
  }
  const array = new Descriptor(createArray());
  try {
    setProgram(array.number, program.descriptor);
    return new LinuxKernelLink(attachStub(array.number, name, point), array);
  } catch (error) {
    array.close();
    throw error;
  }
}

/** @returns `undefined` when nothing is pinned at this path */
export function takeOverLink(path: string): LinuxKernelLink | undefined {
  const link = openPinned(path);
  if (!link) return undefined;
  const info = new Uint8Array(LINK_INFO_BYTES);
  const answer = bpf("describe", attribute(16, [0, link.number], [4, info.length]), info);
  if (answer < 0) {
    link.close();
    throw bpfError(`look at ${path}`, answer, "other");
  }
  const array = fieldOf(info, 0) === LinkType.netfilter ? openPinned(`${path}${ARRAY_SUFFIX}`) : undefined;
  return new LinuxKernelLink(link, array, path);
}

export class LinuxKernelLink implements KernelLink {
  readonly #link: Descriptor;
  /** The array of a stub's program; none for links that exchange their program themselves. */
  readonly #array: Descriptor | undefined;
  #path: string | undefined;

  constructor(link: Descriptor, array?: Descriptor, path?: string) {
    this.#link = link;
    this.#array = array;
    this.#path = path;
  }

  replace(program: KernelProgram): void {
    const { descriptor } = attachable(program);
    if (this.#array) {
      setProgram(this.#array.number, descriptor);
      return;
    }
    const answer = bpf("updateLink", attribute(LINK_UPDATE_BYTES, [0, this.#link.number], [4, descriptor]));
    if (answer < 0) throw bpfError(`put ${program.image.name} in another's place`, answer, "other");
  }

  pin(path: string): void {
    // The kernel empties an array of programs that neither a descriptor nor a file holds, so it comes first.
    if (this.#array) pinDescriptor(this.#array.number, `${path}${ARRAY_SUFFIX}`);
    try {
      pinDescriptor(this.#link.number, path);
    } catch (error) {
      if (this.#array) removePin(`${path}${ARRAY_SUFFIX}`);
      throw error;
    }
    this.#path = path;
  }

  detach(): void {
    if (this.#link.number < 0) return;
    // It fails when the interface or the namespace has gone, and the program with it.
    bpf("detachLink", attribute(4, [0, this.#link.number]));
    if (this.#path !== undefined) {
      removePin(this.#path);
      removePin(`${this.#path}${ARRAY_SUFFIX}`);
    }
    this.#link.close();
    this.#array?.close();
  }
}

function attachable(program: KernelProgram): AttachableProgram {
  if ("descriptor" in program) return program as AttachableProgram;
  throw new InvariantError("The program was loaded by something else than LinuxKernelPrograms");
}

function createLink(attributes: Uint8Array, doing: string, need: KernelNeed): Descriptor {
  const answer = bpf("createLink", attributes);
  if (answer < 0) throw bpfError(doing, answer, need);
  return new Descriptor(answer);
}

function attachStub(
  array: number,
  name: string,
  { family, hook, priority }: AttachPoint & { kind: "netfilter" },
): Descriptor {
  const image = stubImage(array, name);
  const stub = loadProgram(image, image.instructions);
  try {
    const attributes = attribute(
      LINK_CREATE_BYTES,
      [0, stub.number],
      [8, AttachType.netfilter],
      [16, FAMILIES[family]],
      [20, HOOKS[hook]],
      [24, priority >>> 0],
    );
    const doing = `attach ${name} to ${family} ${hook} with priority ${priority}`;
    return createLink(attributes, doing, "netfilter");
  } finally {
    stub.close();
  }
}

function createArray(): number {
  const spec = { name: "program", kind: "programs", keyBytes: 4, valueBytes: 4, countMax: 1 } as const;
  return createKernelMap(spec).descriptor;
}

function setProgram(array: number, program: number): void {
  const value = attribute(4, [0, program]);
  const answer = bpf("update", attribute(32, [0, array]), new Uint8Array(4), value);
  if (answer < 0) throw bpfError("put a program into its place", answer, "netfilter");
}

/** Goes to the array's program, and lets the packet pass when there is none. The index must be a constant. */
function stubImage(array: number, name: string): ProgramImage {
  const plain = { destination: 0, source: 0, offset: 0, immediate: 0 };
  const move = InstructionClass.alu64 | 0xb0;
  const call = InstructionClass.jump | Jump.call;
  const instructions = encodeEbpf([
    { ...plain, code: 0x18, destination: 2, source: PseudoConstant.map, immediate: array },
    { ...plain, code: 0 },
    { ...plain, code: move, destination: 3 },
    { ...plain, code: call, immediate: Helper.tailCall },
    { ...plain, code: move, immediate: 1 },
    { ...plain, code: InstructionClass.jump | Jump.exit },
  ]);
  return { name, type: "netfilter", instructions, relocations: [], maps: [], lines: [] };
}
