/**
 * Packets at netfilter's hooks: reached through a dynamic pointer, which gives a piece of the packet or a
 * copy of it.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { swap } from "../ir/arithmetic.ts";
import type { Block, FactInstruction, OpenTerminator, PacketFact } from "../ir/ir.ts";
import type { MachineBlock, Register } from "./machine.ts";
import type { Address } from "./machine-builder.ts";
import { OpenedMap, splitOffset } from "./opened.ts";
import type { PacketAccess, PacketInstruction } from "./packet-access.ts";
import type { Selection } from "./select.ts";

/** Offsets in `struct bpf_nf_ctx` (linux/netfilter.h). */
const STATE = 0;
const BUFFER = 8;
/** Bytes of `struct bpf_dynptr`. */
const DYNAMIC_POINTER_BYTES = 16;
const ETHER_TYPES = { ipv4: 0x0800n, ipv6: 0x86ddn } as const;

export class NetfilterPacket implements PacketAccess {
  readonly #selection: Selection;
  readonly #opened: OpenedMap;
  readonly #context: Register;
  readonly #pointer: Address | undefined;

  constructor(selection: Selection) {
    const { machine, facts } = selection;
    this.#selection = selection;
    this.#opened = new OpenedMap(facts);
    this.#context = machine.register();
    const isOpening = facts.graph.order.some(({ terminator }) => terminator.op === "open");
    this.#pointer = isOpening ? machine.memory(DYNAMIC_POINTER_BYTES) : undefined;
  }

  begin(): void {
    const { machine } = this.#selection;
    machine.move(this.#context, 1);
    if (this.#pointer === undefined) return;
    machine.load(1, { base: this.#context, at: BUFFER }, 8);
    machine.constant(2, 0n);
    machine.addressInto(3, this.#pointer);
    machine.callKernel("bpf_dynptr_from_skb", 3);
  }

  enter(_block: Block): void {
    // Pointers stay good all the time: nobody can write here.
  }

  open(terminator: OpenTerminator): void {
    const selection = this.#selection;
    const { machine, facts, rangeOf, block } = selection;
    const { variable, constant: from } = splitOffset(facts, rangeOf, terminator.offset);
    const to = from + terminator.bytes;
    const known = this.#opened.find(block, { variable, generation: 0, from, to });
    if (known !== undefined) {
      machine.jump(this.#there(terminator, known));
      return;
    }
    const pointer = this.#slice(terminator);
    const absent = selection.follow(terminator.absent);
    const there = this.#there(terminator, { base: pointer, at: 0 });
    machine.branch("equal", pointer, { immediate: 0 }, { ifTrue: absent, ifFalse: there });
    if (!this.#opened.isOnlyWay(terminator)) return;
    const address = { base: pointer, at: 0 };
    this.#opened.add(terminator.there.to, { variable, generation: 0, from, to, address });
  }

  /** A register with the bytes' address, or null. */
  #slice({ offset, bytes }: OpenTerminator): Register {
    const selection = this.#selection;
    const { machine } = selection;
    if (this.#pointer === undefined) throw new InvariantError("Cannot open: there is no dynamic pointer");
    machine.addressInto(1, this.#pointer);
    selection.copyInto(2, offset);
    const copy = machine.memory(bytes);
    machine.addressInto(3, copy);
    machine.constant(4, BigInt(bytes));
    machine.callKernel("bpf_dynptr_slice", 4);
    const pointer = machine.register();
    machine.move(pointer, 0);
    copy.object?.holders.add(pointer);
    return pointer;
  }

  #there({ there, absent }: OpenTerminator, address: Address): MachineBlock {
    const selection = this.#selection;
    const pointer = there.to.parameters.at(-1);
    if (pointer === undefined) throw new InvariantError("Cannot open: the block takes no pointer");
    const isOnly = there.to !== absent.to && selection.facts.graph.entrances(there.to).length === 1;
    if (!isOnly) return selection.followWith(there, address);
    selection.bind(pointer, address);
    return selection.follow(there);
  }

  select(instruction: PacketInstruction): void {
    if (instruction.op !== "fact") {
      throw new InvariantError(
        `Cannot make instructions for ${instruction.op}: netfilter's programs only judge`,
      );
    }
    this.#fact(instruction);
  }

  #fact({ fact, result }: FactInstruction): void {
    const { machine, target } = this.#selection;
    const register = this.#selection.resultOf(result);
    if (fact === "etherType") {
      const type = ETHER_TYPES[target.family ?? "ipv4"];
      machine.constant(register, this.#selection.facts.turned.has(result) ? swap(type, 2) : type);
    } else if (fact === "segmentBytes") this.#segmentBytes(register);
    else if (fact === "inInterface" || fact === "outInterface") this.#interface(fact, register);
    else {
      const buffer = machine.register();
      machine.load(buffer, { base: this.#context, at: BUFFER }, 8);
      machine.loadField(register, buffer, "sk_buff", fact === "length" ? "len" : "mark", 4);
    }
  }

  /** Without an interface the kernel reads 0. */
  #interface(fact: PacketFact, register: Register): void {
    const { machine } = this.#selection;
    const [state, device] = [machine.register(), machine.register()];
    machine.load(state, { base: this.#context, at: STATE }, 8);
    machine.loadField(device, state, "nf_hook_state", fact === "inInterface" ? "in" : "out", 8);
    machine.loadField(register, device, "net_device", "ifindex", 4);
  }

  /** Behind the buffer's bytes stands what is shared by its copies (skb_shinfo). */
  #segmentBytes(register: Register): void {
    const { machine } = this.#selection;
    const [buffer, end] = [machine.register(), machine.register()];
    machine.load(buffer, { base: this.#context, at: BUFFER }, 8);
    machine.loadField(1, buffer, "sk_buff", "head", 8);
    machine.loadField(end, buffer, "sk_buff", "end", 4);
    machine.arithmetic("add", 1, { register: end });
    machine.relocated(2, { kind: "kernel-type", structure: "skb_shared_info" });
    machine.callKernel("bpf_rdonly_cast", 2);
    machine.loadField(register, 0, "skb_shared_info", "gso_size", 2);
  }
}
