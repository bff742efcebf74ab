/**
 * Brings changes of a packet to the checksum of its transport.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { Helper } from "#wire/ebpf.ts";
import type { PatchChecksumInstruction, Value } from "../ir/ir.ts";
import type { Register } from "./machine.ts";
import type { Selection } from "./select.ts";

/** Flags of bpf_l4_csum_replace (linux/bpf.h). */
const PSEUDO_HEADER = 0x10;
const ZERO_IS_NONE = 0x20;
const IPV6 = 0x80;

/** By the kernel, which knows whether the checksum is complete yet. */
export function patchByKernel(
  selection: Selection,
  { offset, difference, isPseudo, zeroIsNone, isIpv6 }: PatchChecksumInstruction,
  context: Register,
): void {
  const { machine } = selection;
  const sum = foldTo32(selection, difference);
  const pseudo = isPseudo ? PSEUDO_HEADER | (isIpv6 === true ? IPV6 : 0) : 0;
  machine.move(1, context);
  selection.copyInto(2, offset);
  machine.constant(3, 0n);
  machine.move(4, sum);
  flagsInto(selection, pseudo, zeroIsNone);
  machine.call(Helper.l4ChecksumReplace, 5);
}

/** The flags, in register 5. */
function flagsInto(
  selection: Selection,
  others: number,
  zeroIsNone: PatchChecksumInstruction["zeroIsNone"],
): void {
  const { machine, facts } = selection;
  const known = typeof zeroIsNone === "boolean" ? BigInt(zeroIsNone) : facts.constantOf(zeroIsNone);
  if (known !== undefined || typeof zeroIsNone === "boolean") {
    machine.constant(5, BigInt(others | (known === 0n ? 0 : ZERO_IS_NONE)));
    return;
  }
  selection.copyInto(5, zeroIsNone);
  machine.arithmetic("shiftLeft", 5, { immediate: Math.log2(ZERO_IS_NONE) });
  if (others !== 0) machine.arithmetic("add", 5, { immediate: others });
}

/** A fresh register with a sum in ones' complement, brought from 64 bits to 32. */
function foldTo32(selection: Selection, difference: Value): Register {
  const { machine, facts } = selection;
  const sum = machine.register();
  selection.copyInto(sum, difference);
  const range = selection.rangeOf(difference) ?? facts.seen.of(difference);
  if (range.least >= 0n && range.most < 1n << 32n) return sum;
  const rounds = range.least >= 0n && range.most < 1n << 33n ? 1 : 2;
  for (let round = 0; round < rounds; round++) {
    const upper = machine.register();
    machine.move(upper, sum);
    machine.arithmetic("shiftRight", upper, { immediate: 32 });
    machine.move(sum, sum, true);
    machine.arithmetic("add", sum, { register: upper });
  }
  return sum;
}

/** By the program itself (RFC 1624 §3); a checksum that is not in the packet is left alone. */
export function patchByHand(
  selection: Selection,
  { offset, difference, zeroIsNone }: PatchChecksumInstruction,
  { data, dataEnd }: { readonly data: Register; readonly dataEnd: Register },
): void {
  const { machine, facts } = selection;
  if (typeof zeroIsNone !== "boolean") {
    throw new InvariantError("Cannot patch a checksum: whether 0 means none varies; report this as a bug");
  }
  const next = machine.block();
  const step = (
    jump: "greater" | "equal",
    left: Register,
    right: { register: Register } | { immediate: number },
  ): void => {
    const here = machine.block();
    machine.branch(jump, left, right, { ifTrue: next, ifFalse: here });
    machine.begin(here);
  };
  const pointer = machine.register();
  machine.move(pointer, data);
  const constant = facts.constantOf(offset);
  if (constant === undefined) {
    const at = selection.registerOf(offset);
    step("greater", at, { immediate: 0xffff - 2 });
    machine.arithmetic("add", pointer, { register: at });
  } else machine.arithmetic("add", pointer, { immediate: Number(constant) });
  const end = machine.register();
  machine.addressInto(end, { base: pointer, at: 2 });
  step("greater", end, { register: dataEnd });
  const sum = machine.register();
  machine.load(sum, { base: pointer, at: 0 }, 2);
  if (zeroIsNone) step("equal", sum, { immediate: 0 });
  machine.arithmetic("xor", sum, { immediate: 0xffff });
  machine.arithmetic("add", sum, { register: foldTo32(selection, difference) });
  foldTo16(selection, sum);
  machine.arithmetic("xor", sum, { immediate: 0xffff });
  if (zeroIsNone) keepSome(selection, sum);
  machine.store({ base: pointer, at: 0 }, { register: sum }, 2);
  machine.jump(next);
  machine.begin(next);
}

/** From up to 2^32 + 2^16 to 16 bits, in three steps at most. */
function foldTo16({ machine }: Selection, sum: Register): void {
  for (let round = 0; round < 3; round++) {
    const upper = machine.register();
    machine.move(upper, sum);
    machine.arithmetic("shiftRight", upper, { immediate: 16 });
    machine.arithmetic("and", sum, { immediate: 0xffff });
    machine.arithmetic("add", sum, { register: upper });
  }
}

/** 0 would mean that there is no checksum (RFC 768). */
function keepSome({ machine }: Selection, sum: Register): void {
  const [zero, next] = [machine.block(), machine.block()];
  machine.branch("unequal", sum, { immediate: 0 }, { ifTrue: next, ifFalse: zero });
  machine.begin(zero);
  machine.constant(sum, 0xffffn);
  machine.jump(next);
  machine.begin(next);
}
