/**
 * A program that attaches one kind of program to the loopback and says why not: started by `kernel-features.ts` in a
 * network namespace of its own, which is gone afterwards.
 *
 *     node probe.ts netfilter|tcx|xdp
 *
 * @module
 */
import type { AttachPoint, ProgramImage } from "#io/kernel-programs.ts";
import { encodeEbpf, InstructionClass, Jump } from "#wire/ebpf.ts";
import { LinuxKernelPrograms } from "./programs.ts";

/** The first interface of every namespace. */
const LOOPBACK = 1;

/** Lets packets pass: all it does is to return. */
export function probeImage(type: ProgramImage["type"]): ProgramImage {
  const plain = { destination: 0, source: 0, offset: 0 };
  const instructions = encodeEbpf([
    { ...plain, code: InstructionClass.alu64 | 0xb0, immediate: 1 },
    { ...plain, code: InstructionClass.jump | Jump.exit, immediate: 0 },
  ]);
  return { name: "probe", type, instructions, relocations: [], maps: [], lines: [] };
}

const PLACES: Readonly<Record<string, AttachPoint>> = {
  netfilter: { kind: "netfilter", family: "ipv4", hook: "forward", priority: 0 },
  tcx: { kind: "tcx-ingress", interfaceIndex: LOOPBACK },
  xdp: { kind: "xdp", interfaceIndex: LOOPBACK },
};

if (import.meta.main) {
  const point = PLACES[process.argv[2] ?? ""];
  try {
    if (!point) throw new Error(`Cannot try '${process.argv[2]}': wanted netfilter, tcx or xdp`);
    const program = new LinuxKernelPrograms().load(probeImage(point.kind), new Map());
    const link = program.attach(point);
    link.replace(program);
    link.detach();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
