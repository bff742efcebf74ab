/**
 * Loads a program: its types first, then the instructions without a log, and once more with one when the kernel
 * refuses them, because a log costs more than the check itself.
 * @module
 */
import type { KernelProgramType, ProgramImage } from "#io/kernel-programs.ts";
import { FUNCTION_RECORD_BYTES, LINE_RECORD_BYTES, type ProgramBtf } from "#wire/btf.ts";
import { INSTRUCTION_BYTES } from "#wire/ebpf.ts";
import {
  AttachType,
  attribute,
  bpf,
  Descriptor,
  errnoName,
  fieldOf,
  kernelName,
  kernelText,
  ProgramType,
} from "./bpf-call.ts";
import { bpfError, type KernelNeed } from "./bpf-error.ts";
import { programTypes } from "./program-types.ts";
import { programRefused } from "./verifier-log.ts";

const LOAD_BYTES = 152;
const NAME_AT = 48;
const LOG_SIZE_AT = 28;
/** How long the log would have been (Linux 6.4 and newer). */
const LOG_TRUE_SIZE_AT = 140;
const LOG_BYTES = 1 << 20;
const LOG_BYTES_MAX = 32 << 20;
/** `BPF_LOG_LEVEL1`: each instruction and the reason. */
const LOG_LEVEL = 1;
/** The kernel lets only such programs call its functions; what is loaded is made by us for the user's machine. */
const LICENCE = "GPL";

/** How often a load is tried again that was interrupted. */
const INTERRUPTED_COUNT_MAX = 100;

const TYPES: Readonly<Record<KernelProgramType, readonly [type: number, attach: number]>> = {
  netfilter: [ProgramType.netfilter, AttachType.netfilter],
  "tcx-ingress": [ProgramType.trafficControl, AttachType.tcxIngress],
  "tcx-egress": [ProgramType.trafficControl, AttachType.tcxEgress],
  xdp: [ProgramType.xdp, AttachType.xdp],
};

/** What a kernel must be for programs of a type. */
export function needOf(type: KernelProgramType): KernelNeed {
  return type === "tcx-ingress" || type === "tcx-egress" ? "tcx" : type;
}

/**
 * The loaded program's descriptor.
 * @throws ProgramRefusedError, KernelProgramsForbiddenError, KernelProgramsUnsupportedError, SystemCallError
 */
export function loadProgram(image: ProgramImage, instructions: Uint8Array): Descriptor {
  const types = programTypes(image);
  const typesDescriptor = types === undefined ? undefined : loadTypes(types.types);
  try {
    return loadWith(image, instructions, types, typesDescriptor?.number ?? 0);
  } finally {
    typesDescriptor?.close();
  }
}

function loadTypes(types: Uint8Array): Descriptor {
  const attributes = attribute(32, [16, types.length]);
  const answer = bpf("loadTypes", attributes, types);
  if (answer < 0) throw bpfError("tell the kernel of a program's lines", answer, "other");
  return new Descriptor(answer);
}

function loadWith(
  image: ProgramImage,
  instructions: Uint8Array,
  types: ProgramBtf | undefined,
  typesDescriptor: number,
): Descriptor {
  const [type, attach] = TYPES[image.type];
  const attempt = (log?: Uint8Array): { answer: number; attributes: Uint8Array } => {
    const attributes = attribute(
      LOAD_BYTES,
      [0, type],
      [4, instructions.length / INSTRUCTION_BYTES],
      [24, log ? LOG_LEVEL : 0],
      [LOG_SIZE_AT, log?.length ?? 0],
      [68, attach],
      [72, typesDescriptor],
      [76, types ? FUNCTION_RECORD_BYTES : 0],
      [88, types ? types.functions.length / FUNCTION_RECORD_BYTES : 0],
      [92, types ? LINE_RECORD_BYTES : 0],
      [104, types ? types.lines.length / LINE_RECORD_BYTES : 0],
    );
    attributes.set(kernelName(image.name), NAME_AT);
    const parts = [instructions, kernelText(LICENCE), log, types?.functions, types?.lines] as const;
    let answer = bpf("load", attributes, ...parts);
    // A signal for this thread, of which V8 has some, makes the verifier stop in the middle without a reason.
    for (let count = 0; count < INTERRUPTED_COUNT_MAX && errnoName(answer) === "EAGAIN"; count++) {
      answer = bpf("load", attributes, ...parts);
    }
    return { answer, attributes };
  };
  const { answer } = attempt();
  if (answer >= 0) return new Descriptor(answer);
  let log = new Uint8Array(LOG_BYTES);
  let again = attempt(log);
  const wanted = fieldOf(again.attributes, LOG_TRUE_SIZE_AT);
  if (errnoName(again.answer) === "ENOSPC" && wanted > log.length) {
    log = new Uint8Array(Math.min(wanted, LOG_BYTES_MAX));
    again = attempt(log);
  }
  if (again.answer >= 0) return new Descriptor(again.answer);
  const text = new TextDecoder().decode(log.subarray(0, log.indexOf(0)));
  if (text.trim() !== "") throw programRefused(image, text);
  throw bpfError(`load ${image.name}`, answer, needOf(image.type));
}
