/**
 * Puts what only this machine knows into a program's instructions: descriptors of maps, numbers of the kernel's
 * functions, places of its fields, interfaces.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { KernelMap, ProgramImage, Relocation } from "#io/kernel-programs.ts";
import { INSTRUCTION_BYTES, PseudoCall, PseudoConstant } from "#wire/ebpf.ts";
import { native } from "../native.ts";
import { translateErrors } from "../system-error.ts";
import { kernelFieldOffset, kernelFunctionId, kernelStructureId } from "./kernel-types.ts";
import { wallClockOffset } from "./wall-clock.ts";

/** The instructions as this kernel takes them; the image stays as it is. */
export function relocate(image: ProgramImage, maps: ReadonlyMap<string, KernelMap>): Uint8Array {
  const bytes = new Uint8Array(image.instructions);
  const view = new DataView(bytes.buffer);
  for (const relocation of image.relocations) {
    const at = relocation.at * INSTRUCTION_BYTES;
    if (at < 0 || at >= bytes.length) throw new InvariantError(`${image.name} relocates outside of itself`);
    apply(relocation, view, at, maps);
  }
  return bytes;
}

function apply(
  relocation: Relocation,
  view: DataView,
  at: number,
  maps: ReadonlyMap<string, KernelMap>,
): void {
  switch (relocation.kind) {
    case "map": {
      const map = maps.get(relocation.map);
      if (!map) throw new InvariantError(`The program uses a map ${relocation.map} that it does not name`);
      setSource(view, at, relocation.isValue ? PseudoConstant.mapValue : PseudoConstant.map);
      view.setInt32(at + 4, map.descriptor, true);
      view.setInt32(at + INSTRUCTION_BYTES + 4, relocation.isValue ? relocation.offset : 0, true);
      return;
    }
    case "kernel-function":
      setSource(view, at, PseudoCall.kernelFunction);
      view.setInt16(at + 2, 0, true);
      view.setInt32(at + 4, kernelFunctionId(relocation.name), true);
      return;
    case "kernel-field":
      view.setInt16(at + 2, kernelFieldOffset(relocation.structure, relocation.field), true);
      return;
    case "kernel-type":
      view.setInt32(at + 4, kernelStructureId(relocation.structure), true);
      return;
    case "clock":
      setConstant(view, at, wallClockOffset());
      return;
    case "interface": {
      const { name } = relocation;
      const index = translateErrors(`find the interface ${name}`, () => native().interfaceIndex(name));
      view.setInt32(at + 4, index, true);
      return;
    }
  }
}

/** The 64 bits of an instruction of 16 bytes. */
function setConstant(view: DataView, at: number, value: bigint): void {
  view.setInt32(at + 4, Number(BigInt.asIntN(32, value)), true);
  view.setInt32(at + INSTRUCTION_BYTES + 4, Number(BigInt.asIntN(32, value >> 32n)), true);
}

function setSource(view: DataView, at: number, source: number): void {
  view.setUint8(at + 1, (view.getUint8(at + 1) & 15) | (source << 4));
}
