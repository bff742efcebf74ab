/**
 * What bpf(2) refuses, as errors that say what is missing: a capability, a kernel, a place that is taken.
 * @module
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { UnavailableError } from "#base/errors.ts";
import {
  KernelPlaceTakenError,
  KernelProgramsForbiddenError,
  KernelProgramsUnsupportedError,
} from "#io/kernel-programs.ts";
import { SystemCallError } from "../system-error.ts";
import { errnoName } from "./bpf-call.ts";

/** What a kernel must be and have for each thing that is done here. */
export const KernelNeeds = {
  netfilter: { version: "6.4", option: "CONFIG_NETFILTER_BPF_LINK" },
  tcx: { version: "6.6", option: "CONFIG_NET_XGRESS" },
  xdp: { version: "5.9", option: "CONFIG_BPF_SYSCALL" },
  ring: { version: "5.8", option: "CONFIG_BPF_SYSCALL" },
  other: { version: "5.15", option: "CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF" },
} as const;

export type KernelNeed = keyof typeof KernelNeeds;

const NO_INTERFACE = "there is no such interface; see `ip link`";

/** Bits of capability sets (linux/capability.h). */
const CAPABILITIES = { CAP_BPF: 39n, CAP_NET_ADMIN: 12n, CAP_PERFMON: 38n } as const;
/** CAP_SYS_ADMIN, which stands for the two that were part of it once. */
const ADMINISTRATOR = 21n;

/** What an errno means for what was tried; `doing` completes "Cannot …". */
export function bpfError(doing: string, answer: number, need: KernelNeed): Error {
  const errno = errnoName(answer);
  switch (errno) {
    case "EPERM":
    case "EACCES":
      return new KernelProgramsForbiddenError(`Cannot ${doing}: ${whyForbidden()}`);
    case "EBUSY":
    case "EEXIST": {
      const fix = "see `bpftool net` and `bpftool link`, and choose another one or detach what is there";
      return new KernelPlaceTakenError(`Cannot ${doing}: another program has this place; ${fix}`);
    }
    case "ERANGE":
      return new SystemCallError(`${doing}: the kernel does not take this priority`, errno);
    case "EINVAL":
      // An XDP link's answer to an interface that is not there, as well.
      if (need === "xdp") return new UnavailableError(`Cannot ${doing}: ${NO_INTERFACE}`);
      return unsupported(doing, errno, need);
    case "ENOSYS":
    case "EAFNOSUPPORT":
    case "EOPNOTSUPP":
      return unsupported(doing, errno, need);
    case "ENODEV":
      return new UnavailableError(`Cannot ${doing}: ${NO_INTERFACE}`);
    default:
      return new SystemCallError(doing, errno);
  }
}

function unsupported(doing: string, errno: string, need: KernelNeed): KernelProgramsUnsupportedError {
  const { version, option } = KernelNeeds[need];
  const seen = `this is Linux ${release()}, which answers ${errno}`;
  const wanted = `it takes Linux ${version} or newer with ${option}, see \`metanet doctor\``;
  return new KernelProgramsUnsupportedError(`Cannot ${doing}: ${seen}; ${wanted}`);
}

function whyForbidden(): string {
  const missing = missingCapabilities();
  if (missing.length > 0) return `this process lacks ${missing.join(", ")}; run it as root, or give it these`;
  return "the kernel does not permit it, although nothing is missing; is this a container, or the kernel locked down?";
}

/** Which of the capabilities that programs in the kernel take this process has not. */
export function missingCapabilities(): string[] {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1];
  const bits = BigInt(`0x${effective ?? "0"}`);
  const has = (bit: bigint): boolean => ((bits >> bit) & 1n) === 1n;
  return Object.entries(CAPABILITIES)
    .filter(([name, bit]) => !has(bit) && (name === "CAP_NET_ADMIN" || !has(ADMINISTRATOR)))
    .map(([name]) => name);
}
