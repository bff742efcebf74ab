/**
 * Files of the BPF file system, which keep what they stand for in the kernel when its process ends.
 * @module
 */
import { existsSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { KernelPlaceTakenError } from "#io/kernel-programs.ts";
import { attribute, bpf, Descriptor, errnoName, kernelText } from "./bpf-call.ts";
import { bpfError } from "./bpf-error.ts";

/** Where the BPF file system belongs. */
export const PIN_FOLDER = "/sys/fs/bpf";
/** `BPF_FS_MAGIC` of linux/magic.h. */
const BPF_FILE_SYSTEM = 0xcafe_4a11;
const PIN_BYTES = 16;

/** Whether a folder is within a BPF file system. */
export function isPinFolder(folder: string): boolean {
  try {
    return statfsSync(folder).type === BPF_FILE_SYSTEM;
  } catch {
    return false;
  }
}

/**
 * Makes the file, and the folders above it.
 * @throws ConfigurationError when that is no BPF file system or the name has a dot, KernelPlaceTakenError when the file is there
 */
export function pinDescriptor(descriptor: number, path: string): void {
  requirePinFolder(path);
  mkdirSync(dirname(path), { recursive: true });
  const answer = bpf("pin", attribute(PIN_BYTES, [8, descriptor]), kernelText(path));
  if (answer === 0) return;
  if (errnoName(answer) === "EEXIST") {
    throw new KernelPlaceTakenError(
      `Cannot pin ${path}: the file is there; take over what it stands for, or remove it`,
    );
  }
  throw bpfError(`pin ${path}`, answer, "other");
}

/** What a file stands for; `undefined` when there is none. */
export function openPinned(path: string): Descriptor | undefined {
  if (!isPinFolder(dirname(path))) return undefined;
  const answer = bpf("openPinned", attribute(PIN_BYTES), kernelText(path));
  if (answer >= 0) return new Descriptor(answer);
  if (errnoName(answer) === "ENOENT") return undefined;
  throw bpfError(`open ${path}`, answer, "other");
}

/** Harmless when it is not there. */
export function removePin(path: string): void {
  rmSync(path, { force: true });
}

function requirePinFolder(path: string): void {
  // The kernel keeps them for itself.
  if (basename(path).includes(".")) {
    throw new ConfigurationError(`Cannot pin ${path}: names of such files have no dots`);
  }
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  if (isPinFolder(folder)) return;
  const fix = `mount -t bpf bpf ${PIN_FOLDER}`;
  throw new ConfigurationError(`Cannot pin ${path}: ${folder} is no BPF file system; do it with: ${fix}`);
}
