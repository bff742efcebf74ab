/**
 * Reads and writes the stack, of which the verifier wants every access to be aligned: what is not is done
 * in pieces.
 * @module
 */
import { FRAME_POINTER } from "#wire/ebpf.ts";
import type { AccessBytes } from "../ir/ir.ts";
import type { Register } from "./machine.ts";
import { type Address, beyond, type MachineBuilder, type Operand } from "./machine-builder.ts";

/** Bytes of the pieces: all of them where it is no stack, or aligned. */
function pieceBytes({ base, at }: Address, bytes: AccessBytes): AccessBytes {
  if (base !== FRAME_POINTER) return bytes;
  const sizes = [8, 4, 2, 1] as const;
  return sizes.find((size) => size <= bytes && at % size === 0) ?? 1;
}

export function loadAligned(
  machine: MachineBuilder,
  destination: Register,
  address: Address,
  bytes: AccessBytes,
): void {
  const size = pieceBytes(address, bytes);
  machine.load(destination, address, size);
  for (let done: number = size; done < bytes; done += size) {
    const piece = machine.register();
    machine.load(piece, beyond(address, done), size);
    machine.arithmetic("shiftLeft", piece, { immediate: 8 * done });
    machine.arithmetic("or", destination, { register: piece });
  }
}

export function storeAligned(
  machine: MachineBuilder,
  address: Address,
  value: Operand,
  bytes: AccessBytes,
): void {
  const size = pieceBytes(address, bytes);
  if (size === bytes) {
    machine.store(address, value, bytes);
    return;
  }
  const rest = machine.register();
  if ("register" in value) machine.move(rest, value.register);
  else machine.constant(rest, BigInt(value.immediate));
  for (let done = 0; done < bytes; done += size) {
    if (done > 0) machine.arithmetic("shiftRight", rest, { immediate: 8 * size });
    machine.store(beyond(address, done), { register: rest }, size);
  }
}
