/**
 * Instructions in front of a compiled function that let packets of other interfaces, or of another family, pass before
 * it sees or counts them: what nft's rules do in front of a queue.
 * @module
 */
import type { ProgramImage, Relocation } from "#io/kernel-programs.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { isInterfaceHook } from "#service/packetd/config.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  type EbpfInstruction,
  encodeEbpf,
  InstructionClass,
  Jump,
} from "#wire/ebpf.ts";

/** Where `struct bpf_nf_ctx` has the state of the hook and the packet, and `struct __sk_buff` its fields (linux/bpf.h). */
const STATE_AT = 0;
const PACKET_AT = 8;
const MARK_AT = 8;
const PROTOCOL_AT = 16;
/** Verdicts of packets that are not this script's: NF_ACCEPT, TCX_NEXT, XDP_PASS. */
const PASSES = { netfilter: 1, "tcx-ingress": -1, "tcx-egress": -1, xdp: 2 } as const;
/** EtherTypes as `__sk_buff` has them: in network order, read by a little-endian machine. */
const PROTOCOLS = { ip: 0x0008, ip6: 0xdd86 } as const;

const LOAD = InstructionClass.loadX | AccessMode.memory;
const LOAD64: number = LOAD | AccessSize[8];
const LOAD32: number = LOAD | AccessSize[4];
/** Instructions of a refusal: the verdict, and the end. */
const REFUSAL_COUNT = 2;

/**
 * The image with what the script's specification chooses in front; the same image when that is everything.
 * @param skipMarks bits of the mark: a packet with any of them is none for scripts of netfilter's hooks
 */
export function filterImage(image: ProgramImage, spec: ScriptSpec, skipMarks: number): ProgramImage {
  const front = new Front(PASSES[image.type]);
  const isAtHook = !isInterfaceHook(spec.hook);
  if (isAtHook && skipMarks !== 0) front.requireNoMark(image.type === "netfilter", skipMarks);
  if (image.type === "netfilter") {
    if (spec.inInterface !== undefined) front.requireInterface("in", spec.inInterface);
    if (spec.outInterface !== undefined) front.requireInterface("out", spec.outInterface);
  } else if (image.type !== "xdp" && (spec.family === "ip" || spec.family === "ip6")) {
    front.requireProtocol(PROTOCOLS[spec.family]);
  }
  return front.before(image);
}

class Front {
  readonly #pass: number;
  readonly #instructions: EbpfInstruction[] = [];
  readonly #relocations: Relocation[] = [];

  constructor(pass: number) {
    this.#pass = pass;
  }

  /** Register 1 is the program's, and stays as it is. */
  requireInterface(field: "in" | "out", name: string): void {
    this.#add({ code: LOAD64, destination: 2, source: 1, offset: STATE_AT });
    this.#relocate({ kind: "kernel-field", at: this.#next, structure: "nf_hook_state", field });
    this.#add({ code: LOAD64, destination: 2, source: 2 });
    this.#relocate({ kind: "kernel-field", at: this.#next, structure: "net_device", field: "ifindex" });
    // Where there is no such interface this reads 0, which is no index.
    this.#add({ code: LOAD32, destination: 2, source: 2 });
    this.#relocate({ kind: "interface", at: this.#next, name });
    this.#passUnless(0);
  }

  requireNoMark(isNetfilter: boolean, bits: number): void {
    if (isNetfilter) {
      this.#add({ code: LOAD64, destination: 2, source: 1, offset: PACKET_AT });
      this.#relocate({ kind: "kernel-field", at: this.#next, structure: "sk_buff", field: "mark" });
      this.#add({ code: LOAD32, destination: 2, source: 2 });
    } else this.#add({ code: LOAD32, destination: 2, source: 1, offset: MARK_AT });
    const and = InstructionClass.alu | Arithmetic.and;
    this.#add({ code: and, destination: 2, immediate: bits | 0 });
    this.#passUnless(0);
  }

  requireProtocol(protocol: number): void {
    this.#add({ code: LOAD32, destination: 2, source: 1, offset: PROTOCOL_AT });
    this.#passUnless(protocol);
  }

  before(image: ProgramImage): ProgramImage {
    const count = this.#instructions.length;
    if (count === 0) return image;
    const front = encodeEbpf(this.#instructions);
    const instructions = new Uint8Array(front.length + image.instructions.length);
    instructions.set(front);
    instructions.set(image.instructions, front.length);
    const [first, ...lines] = image.lines.map((line) => ({ ...line, at: line.at + count }));
    return {
      ...image,
      instructions,
      relocations: [
        ...this.#relocations,
        ...image.relocations.map((relocation) => ({ ...relocation, at: relocation.at + count })),
      ],
      // The kernel wants the first instruction to have a line.
      lines: first === undefined ? [] : [{ ...first, at: 0 }, ...lines],
    };
  }

  get #next(): number {
    return this.#instructions.length;
  }

  #add(instruction: Partial<EbpfInstruction> & Pick<EbpfInstruction, "code">): void {
    this.#instructions.push({ destination: 0, source: 0, offset: 0, immediate: 0, ...instruction });
  }

  #relocate(relocation: Relocation): void {
    this.#relocations.push(relocation);
  }

  #passUnless(value: number): void {
    this.#add({
      code: InstructionClass.jump | Jump.equal,
      destination: 2,
      offset: REFUSAL_COUNT,
      immediate: value,
    });
    this.#add({ code: InstructionClass.alu64 | Arithmetic.move, destination: 0, immediate: this.#pass });
    this.#add({ code: InstructionClass.jump | Jump.exit });
  }
}
