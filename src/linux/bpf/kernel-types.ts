/**
 * The kernel's own types, read once for the process: which number a function has that programs may call, and where a
 * field is.
 * @module
 */
import { readFileSync } from "node:fs";
import { KernelProgramsUnsupportedError } from "#io/kernel-programs.ts";
import { BtfTypes } from "#wire/btf.ts";

export const KERNEL_TYPES_FILE = "/sys/kernel/btf/vmlinux";

let types: BtfTypes | undefined;
const functions = new Map<string, number>();
const structures = new Map<string, number>();
const fields = new Map<string, number>();

/** @throws KernelProgramsUnsupportedError when this kernel has no such function, or does not tell */
export function kernelFunctionId(name: string): number {
  const known = functions.get(name) ?? kernelTypes().functionId(name);
  if (known === undefined)
    throw unsupported(`call ${name}() of the kernel`, "this kernel has no such function");
  functions.set(name, known);
  return known;
}

/** @throws KernelProgramsUnsupportedError when this kernel has no such structure, or does not tell */
export function kernelStructureId(name: string): number {
  const known = structures.get(name) ?? kernelTypes().structureId(name);
  if (known === undefined)
    throw unsupported(`use ${name} of the kernel`, "this kernel has no such structure");
  structures.set(name, known);
  return known;
}

/**
 * Bytes from a structure's beginning to its field.
 * @throws KernelProgramsUnsupportedError when this kernel has no such field, or does not tell
 */
export function kernelFieldOffset(structure: string, field: string): number {
  const name = `${structure}.${field}`;
  const known = fields.get(name) ?? kernelTypes().fieldOffset(structure, field);
  if (known === undefined) throw unsupported(`read ${name} of the kernel`, "this kernel has no such field");
  fields.set(name, known);
  return known;
}

function kernelTypes(): BtfTypes {
  types ??= new BtfTypes(readTypes());
  return types;
}

function readTypes(): Uint8Array {
  try {
    return readFileSync(KERNEL_TYPES_FILE);
  } catch {
    throw unsupported(
      "look into the kernel's types",
      `${KERNEL_TYPES_FILE} cannot be read; it takes a kernel with CONFIG_DEBUG_INFO_BTF`,
    );
  }
}

function unsupported(doing: string, seen: string): KernelProgramsUnsupportedError {
  return new KernelProgramsUnsupportedError(`Cannot ${doing}: ${seen}; see \`metanet doctor\``);
}
