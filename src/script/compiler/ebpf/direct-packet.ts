/**
 * Packets at an interface's traffic control and driver: the program's own pointers into the packet, each
 * compared with where the packet ends.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { Helper } from "#wire/ebpf.ts";
import type { Block, FactInstruction, Instruction, OpenTerminator, Value } from "../ir/ir.ts";
import type { AttachType } from "../target.ts";
import { patchByHand, patchByKernel } from "./checksum.ts";
import { generationsOf } from "./generations.ts";
import type { MachineBlock, Register } from "./machine.ts";
import type { Address, Operand } from "./machine-builder.ts";
import { OpenedMap, splitOffset } from "./opened.ts";
import type { PacketAccess, PacketInstruction } from "./packet-access.ts";
import { Resizer } from "./resize.ts";
import type { Selection } from "./select.ts";

/** Offsets in `struct __sk_buff` and `struct xdp_md` (linux/bpf.h); each is 4 bytes. */
const BUFFER = {
  length: 0,
  mark: 8,
  protocol: 16,
  tag: 20,
  firstInterface: 36,
  interface: 40,
  data: 76,
  dataEnd: 80,
  segmentBytes: 176,
} as const;
const DRIVER = { data: 0, dataEnd: 4, interface: 12 } as const;

/** A pointer reaches no further than this from where the packet begins (MAX_PACKET_OFF). */
const OFFSET_MAX = 0xffff;
/** Bytes of headers that are brought together before the program begins, at most. */
const PULL_BYTES_MAX = 256;
/** Instructions reach this far from a register. */
const NEAR = 4096;

/** The registers with the packet's ends. */
interface Ends {
  readonly data: Register;
  readonly dataEnd: Register;
}

export class DirectPacket implements PacketAccess {
  readonly #selection: Selection;
  readonly #attach: AttachType;
  readonly #opened: OpenedMap;
  readonly #starts: ReadonlyMap<Block, number>;
  readonly #ends = new Map<number, Ends>();
  readonly #context: Register;
  readonly #used: ReadonlySet<number>;
  readonly #resizer: Resizer;
  #generation = 0;

  constructor(selection: Selection) {
    this.#selection = selection;
    this.#attach = selection.target.attach;
    this.#opened = new OpenedMap(selection.facts);
    this.#context = selection.machine.register();
    const { graph } = selection.facts;
    this.#starts = generationsOf(graph, (instruction) => this.#isVoiding(instruction));
    this.#used = this.#usedGenerations();
    this.#resizer = new Resizer(selection, this.#context, (register) => this.#lengthInto(register));
  }

  get #isDriver(): boolean {
    return this.#attach === "xdp";
  }

  #isVoiding(instruction: Instruction): boolean {
    return instruction.op === "resize" || (instruction.op === "patchChecksum" && !this.#isDriver);
  }

  /** The generations in which somebody asks for bytes. */
  #usedGenerations(): ReadonlySet<number> {
    const used = new Set<number>();
    for (const block of this.#selection.facts.graph.order) {
      let at = this.#starts.get(block) ?? 0;
      for (const instruction of block.instructions) {
        if (this.#isDriver && instruction.op === "patchChecksum") used.add(at);
        if (this.#isVoiding(instruction)) at = 1 + block.id;
      }
      const { terminator } = block;
      if (terminator.op !== "open" || terminator.access !== "header") continue;
      used.add(at);
      // What comes later, too, is brought into one piece at the beginning.
      if (!this.#isDriver) used.add(0);
    }
    return used;
  }

  begin(): void {
    const { machine } = this.#selection;
    machine.move(this.#context, 1);
    this.#begin(0);
    const needed = this.#pullBytes();
    if (needed > 0 && !this.#isDriver) this.#pull(needed);
  }

  enter(block: Block): void {
    this.#generation = this.#starts.get(block) ?? 0;
    // A generation of its own, where two have come together.
    if (this.#generation < 0 && this.#generation === -1 - block.id) this.#begin(this.#generation);
  }

  /** Reads the packet's ends, where somebody will ask for them. */
  #begin(generation: number): void {
    this.#generation = generation;
    if (!this.#used.has(generation)) return;
    const { machine } = this.#selection;
    const ends = { data: machine.register(), dataEnd: machine.register() };
    this.#ends.set(generation, ends);
    this.#readEnds(ends);
  }

  #readEnds({ data, dataEnd }: Ends): void {
    const { machine } = this.#selection;
    const fields = this.#isDriver ? DRIVER : BUFFER;
    machine.load(data, this.#field(fields.data), 4);
    machine.loadRepeatable(dataEnd, this.#field(fields.dataEnd), 4);
  }

  #field(at: number): Address {
    return { base: this.#context, at };
  }

  get #currentEnds(): Ends {
    const ends = this.#ends.get(this.#generation);
    if (ends === undefined) throw new InvariantError("Cannot reach the packet: its ends are not known here");
    return ends;
  }

  /** How many bytes from the start the headers may take that are asked for before anything is void. */
  #pullBytes(): number {
    const { facts, rangeOf } = this.#selection;
    let needed = 0;
    for (const { terminator } of facts.graph.order) {
      if (terminator.op !== "open" || terminator.access !== "header") continue;
      const constant = facts.constantOf(terminator.offset);
      const most = constant ?? rangeOf(terminator.offset)?.most ?? facts.seen.of(terminator.offset).most;
      const end = most + BigInt(terminator.bytes);
      needed = Math.max(needed, end > BigInt(PULL_BYTES_MAX) ? PULL_BYTES_MAX : Number(end));
    }
    return needed;
  }

  /** Brings the headers into one piece, where they are not: that is what costs, and seldom so. */
  #pull(needed: number): void {
    const { machine } = this.#selection;
    const ends = this.#currentEnds;
    const short = machine.block(0.1);
    const split = machine.block(0.001);
    const next = machine.block(1);
    const limit = machine.register();
    machine.addressInto(limit, { base: ends.data, at: needed });
    const length = machine.register();
    const linear = machine.register();
    machine.branch("lessOrEqual", limit, { register: ends.dataEnd }, { ifTrue: next, ifFalse: short });
    machine.begin(short);
    machine.load(length, this.#field(BUFFER.length), 4);
    machine.move(linear, ends.dataEnd);
    machine.arithmetic("subtract", linear, { register: ends.data });
    machine.branch("lessOrEqual", length, { register: linear }, { ifTrue: next, ifFalse: split });
    machine.begin(split);
    this.#callPull(needed, length);
    this.#readEnds(ends);
    machine.jump(next);
    machine.begin(next);
  }

  /** The kernel refuses to bring more together than there is. */
  #callPull(needed: number, length: Register): void {
    const { machine } = this.#selection;
    const less = machine.block();
    const call = machine.block();
    machine.move(1, this.#context);
    machine.move(2, length);
    machine.branch("lessOrEqual", 2, { immediate: needed }, { ifTrue: call, ifFalse: less });
    machine.begin(less);
    machine.constant(2, BigInt(needed));
    machine.jump(call);
    machine.begin(call);
    machine.call(Helper.skbPullData, 2);
  }

  open(terminator: OpenTerminator): void {
    const { machine } = this.#selection;
    if (terminator.access === "payload") {
      this.#openPayload(terminator);
      return;
    }
    const { facts, rangeOf, block } = this.#selection;
    const { variable, constant } = splitOffset(facts, rangeOf, terminator.offset);
    const [from, to] = [constant, constant + terminator.bytes];
    const generation = this.#generation;
    const known = this.#opened.find(block, { variable, generation, from, to });
    if (known !== undefined) {
      machine.jump(this.#there(terminator, known));
      return;
    }
    const absent = this.#selection.follow(terminator.absent);
    const base = variable === undefined ? this.#fixedBase(constant) : this.#base(variable, absent);
    const end = machine.register();
    machine.addressInto(end, { base: base.base, at: base.at + to });
    const current = machine.current;
    const there = this.#there(terminator, { base: base.base, at: base.at + from });
    machine.resume(current);
    const right: Operand = { register: this.#currentEnds.dataEnd };
    machine.branch("greater", end, right, { ifTrue: absent, ifFalse: there });
    if (!this.#opened.isOnlyWay(terminator)) return;
    const address = { base: base.base, at: base.at };
    this.#opened.add(terminator.there.to, { variable, generation, from: 0, to, address });
  }

  /** The packet's start, or a register nearer to what is far away. */
  #fixedBase(constant: number): Address {
    const { machine } = this.#selection;
    const { data } = this.#currentEnds;
    if (constant < NEAR) return { base: data, at: 0 };
    const far = machine.register();
    machine.addressInto(far, { base: data, at: constant });
    return { base: far, at: -constant };
  }

  /** A register that points to a varying offset, which the verifier has to know to be small. */
  #base(variable: Value, absent: MachineBlock): Address {
    const { machine, facts, block } = this.#selection;
    const known = this.#opened.findBase(block, variable, this.#generation);
    if (known !== undefined) return { base: known.address.base, at: known.address.at - known.from };
    const limit = OFFSET_MAX - this.#reachOf(variable);
    const register = this.#selection.registerOf(variable);
    const { least, most } = facts.seen.of(variable);
    if (least < 0n || most > BigInt(limit)) {
      const next = machine.block();
      machine.branch("greater", register, { immediate: limit }, { ifTrue: absent, ifFalse: next });
      machine.begin(next);
    }
    const pointer = machine.register();
    machine.move(pointer, this.#currentEnds.data);
    machine.arithmetic("add", pointer, { register });
    return { base: pointer, at: 0 };
  }

  /** Bytes behind a varying offset that anybody asks for. */
  #reachOf(variable: Value): number {
    const { facts, rangeOf } = this.#selection;
    let reach = 0;
    for (const { terminator } of facts.graph.order) {
      if (terminator.op !== "open" || terminator.access !== "header") continue;
      const split = splitOffset(facts, rangeOf, terminator.offset);
      if (split.variable === variable) reach = Math.max(reach, split.constant + terminator.bytes);
    }
    return reach;
  }

  /** The way on with the pointer, which needs no register where nothing else leads there. */
  #there({ there, absent }: OpenTerminator, address: Address): MachineBlock {
    const selection = this.#selection;
    const pointer = there.to.parameters.at(-1);
    if (pointer === undefined) throw new InvariantError("Cannot open: the block takes no pointer");
    const isOnly = there.to !== absent.to && selection.facts.graph.entrances(there.to).length === 1;
    if (!isOnly) return selection.followWith(there, address);
    selection.bind(pointer, address);
    return selection.follow(there);
  }

  /** A copy, since what is not a header may be anywhere. */
  #openPayload(terminator: OpenTerminator): void {
    const selection = this.#selection;
    const { machine } = selection;
    const copy = machine.memory(terminator.bytes);
    const absent = selection.follow(terminator.absent);
    machine.move(1, this.#context);
    selection.copyInto(2, terminator.offset);
    machine.addressInto(3, copy);
    machine.constant(4, BigInt(terminator.bytes));
    machine.call(this.#isDriver ? Helper.xdpLoadBytes : Helper.skbLoadBytes, 4);
    const there = this.#there(terminator, copy);
    machine.branch("unequal", 0, { immediate: 0 }, { ifTrue: absent, ifFalse: there });
  }

  select(instruction: PacketInstruction): void {
    const selection = this.#selection;
    const { machine } = selection;
    switch (instruction.op) {
      case "fact":
        this.#fact(instruction);
        return;
      case "setMark":
        machine.store(this.#field(BUFFER.mark), selection.operandOf(instruction.value), 4);
        return;
      case "patchChecksum":
        if (this.#isDriver) patchByHand(selection, instruction, this.#currentEnds);
        else {
          patchByKernel(selection, instruction, this.#context);
          this.#begin(1 + selection.block.id);
        }
        return;
      case "sum":
        this.#resizer.sum(instruction);
        return;
      case "resize":
        this.#resizer.resize(instruction);
        this.#begin(1 + selection.block.id);
        // Bytes that were in the first piece may not be any more.
        if (!this.#isDriver && this.#ends.has(this.#generation)) this.#pull(this.#pullBytes());
    }
  }

  #fact({ fact, result }: FactInstruction): void {
    const { machine } = this.#selection;
    const register = this.#selection.resultOf(result);
    const isIngress = this.#attach === "tcx-ingress";
    const field = (at: number): void => machine.load(register, this.#field(at), 4);
    if (this.#isDriver) this.#driverFact(fact, register, this.#selection.facts.turned.has(result));
    else if (fact === "length") field(BUFFER.length);
    else if (fact === "mark") field(BUFFER.mark);
    else if (fact === "segmentBytes") field(BUFFER.segmentBytes);
    else if (fact === "tag") field(BUFFER.tag);
    else if (fact === "inInterface") field(isIngress ? BUFFER.interface : BUFFER.firstInterface);
    else if (fact === "outInterface") {
      if (isIngress) machine.constant(register, 0n);
      else field(BUFFER.interface);
    } else {
      field(BUFFER.protocol);
      if (!this.#selection.facts.turned.has(result)) machine.swap(register, 16);
    }
  }

  #driverFact(fact: FactInstruction["fact"], register: Register, isTurned: boolean): void {
    const { machine } = this.#selection;
    if (fact === "length") this.#driverLength(register);
    else if (fact === "inInterface") machine.load(register, this.#field(DRIVER.interface), 4);
    else if (fact === "etherType") this.#driverEtherType(register, isTurned);
    else machine.constant(register, 0n);
  }

  #lengthInto(register: Register): void {
    if (this.#isDriver) this.#driverLength(register);
    else this.#selection.machine.load(register, this.#field(BUFFER.length), 4);
  }

  #driverLength(register: Register): void {
    const { machine } = this.#selection;
    const data = machine.register();
    machine.load(register, this.#field(DRIVER.dataEnd), 4);
    machine.load(data, this.#field(DRIVER.data), 4);
    machine.arithmetic("subtract", register, { register: data });
  }

  #driverEtherType(register: Register, isTurned: boolean): void {
    const { machine } = this.#selection;
    const [data, end, limit] = [machine.register(), machine.register(), machine.register()];
    const [read, next] = [machine.block(), machine.block()];
    machine.load(data, this.#field(DRIVER.data), 4);
    machine.load(end, this.#field(DRIVER.dataEnd), 4);
    machine.addressInto(limit, { base: data, at: 14 });
    machine.constant(register, 0n);
    machine.branch("greater", limit, { register: end }, { ifTrue: next, ifFalse: read });
    machine.begin(read);
    machine.load(register, { base: data, at: 12 }, 2);
    if (!isTurned) machine.swap(register, 16);
    machine.jump(next);
    machine.begin(next);
  }
}
