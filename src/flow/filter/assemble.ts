/**
 * Makes classic BPF of a filter, which the kernel takes for a socket (SO_ATTACH_FILTER).
 * @module
 */
import { BPF_INSTRUCTIONS_MAX, BPF_MEMORY_WORDS, Bpf, type BpfInstruction } from "./bpf.ts";
import type { Comparison } from "./condition.ts";
import type { FilterExpression, FilterOperator } from "./expression.ts";
import { FilterError } from "./filter-error.ts";
import { ACCEPT, graphOf, inOrder, type Node, REJECT, type Target } from "./graph.ts";
import { lower } from "./lower.ts";
import { parseFilter } from "./parse.ts";
import type { Value } from "./value.ts";

export interface AssembleOptions {
  /** A number of `LinkType`. */
  readonly linkType: number;
  /** Of each packet that matches so many bytes are taken, 1 to 2^32 - 1; 262 144 when not given. */
  readonly snapLengthBytes?: number;
  /**
   * For a live packet socket, whose kernel takes the outermost VLAN tag out of the bytes: `vlan` then asks the kernel, and
   * looks at the bytes where the tag is still there; `inbound` and `outbound` work too.
   */
  readonly ancillaryVlan?: boolean;
}

const SNAP_LENGTH_BYTES = 262_144;

/**
 * The program of a filter, given as text or as tree.
 * @throws FilterError when it makes no sense on the link type, or needs more than the kernel takes
 */
export function assembleFilter(
  filter: string | FilterExpression,
  { linkType, snapLengthBytes = SNAP_LENGTH_BYTES, ancillaryVlan = false }: AssembleOptions,
): readonly BpfInstruction[] {
  const expression = typeof filter === "string" ? parseFilter(filter) : filter;
  const { condition } = lower(expression, { linkType, ancillary: ancillaryVlan });
  const assembler = new Assembler();
  const program = assembler.assemble(graphOf(condition), snapLengthBytes);
  if (program.length > BPF_INSTRUCTIONS_MAX) {
    const seen = `it needs ${program.length} instructions, the kernel takes ${BPF_INSTRUCTIONS_MAX}`;
    throw new FilterError({ column: 0, seen, expected: "write net instead of many hosts" });
  }
  return program;
}

interface Step {
  readonly code: number;
  readonly constant: number;
}

/** A node's instructions, and where the jump at their end goes. */
interface Block {
  readonly steps: readonly Step[];
  readonly node: Node;
  readonly jump: Step;
  readonly whenTrue: Target;
  readonly whenFalse: Target;
}

/** What the two registers hold; `undefined` for what nobody knows. */
interface Registers {
  readonly a: Value | undefined;
  readonly x: Value | undefined;
}

const NOTHING: Registers = { a: undefined, x: undefined };

const JUMPS: Readonly<Record<Comparison, number>> = {
  "=": Bpf.jumpEqual,
  ">": Bpf.jumpGreater,
  ">=": Bpf.jumpGreaterEqual,
  "&": Bpf.jumpSet,
};
const OPERATIONS: Readonly<Record<FilterOperator, number>> = {
  "+": Bpf.add,
  "-": Bpf.subtract,
  "*": Bpf.multiply,
  "/": Bpf.divide,
  "%": Bpf.modulo,
  "&": Bpf.and,
  "|": Bpf.or,
  "^": Bpf.xor,
  "<<": Bpf.shiftLeft,
  ">>": Bpf.shiftRight,
};
const LOADS = { 1: Bpf.loadByte, 2: Bpf.loadHalf, 4: Bpf.loadWord } as const;
/** From the code of a load at a place to that at X plus a place. */
const INDIRECT = 0x20;

class Assembler {
  #steps: Step[] = [];
  #a: Value | undefined;
  #x: Value | undefined;
  #slots = 0;

  assemble(root: Target, snapLengthBytes: number): readonly BpfInstruction[] {
    const registers = new Map<Target, Registers>();
    const blocks: Block[] = [];
    for (const node of inOrder(root)) {
      ({ a: this.#a, x: this.#x } = registers.get(node) ?? NOTHING);
      this.#steps = [];
      this.#slots = 0;
      const jump = this.#compare(node);
      blocks.push({ steps: this.#steps, node, jump, whenTrue: node.whenTrue, whenFalse: node.whenFalse });
      for (const target of [node.whenTrue, node.whenFalse]) {
        const there = registers.get(target);
        const own = { a: this.#a, x: this.#x };
        registers.set(target, there === undefined ? own : meet(there, own));
      }
    }
    return link(share(blocks), root, snapLengthBytes);
  }

  #step(code: number, constant = 0): void {
    this.#steps.push({ code, constant });
  }

  #compare({ comparison, left, right }: Node): Step {
    const code = JUMPS[comparison];
    if (right.kind === "constant") {
      this.#loadA(left);
      return { code, constant: right.value };
    }
    this.#pair(left, right);
    return { code: code | Bpf.withX, constant: 0 };
  }

  /** The one into A, the other into X. */
  #pair(left: Value, right: Value): void {
    if (this.#x === right) {
      if (this.#a === left) return;
      if (keepsX(left)) {
        this.#loadA(left);
        return;
      }
    }
    if (right.kind === "header-length") {
      this.#loadA(left);
      this.#loadX(right);
      return;
    }
    if (left.kind === "constant" || left.kind === "length") {
      this.#loadX(right);
      this.#loadA(left);
      return;
    }
    const slot = this.#slots++;
    if (slot >= BPF_MEMORY_WORDS) {
      const seen = `its arithmetic needs more than ${BPF_MEMORY_WORDS} words of memory`;
      throw new FilterError({ column: 0, seen, expected: "write it with fewer parentheses" });
    }
    this.#loadA(left);
    this.#step(Bpf.store, slot);
    this.#loadX(right);
    this.#step(Bpf.loadMemory, slot);
    this.#a = left;
    this.#slots--;
  }

  #loadX(value: Value): void {
    if (this.#x === value) return;
    switch (value.kind) {
      case "header-length":
        this.#step(Bpf.loadXHeaderLength, value.offset);
        break;
      case "constant":
        this.#step(Bpf.loadXImmediate, value.value);
        break;
      case "length":
        this.#step(Bpf.loadXLength);
        break;
      default:
        this.#loadA(value);
        this.#step(Bpf.moveToX);
    }
    this.#x = value;
  }

  #loadA(value: Value): void {
    if (this.#a === value) return;
    switch (value.kind) {
      case "constant":
        this.#step(Bpf.loadImmediate, value.value);
        break;
      case "length":
        this.#step(Bpf.loadLength);
        break;
      case "ancillary":
        this.#step(Bpf.loadWord, value.offset);
        break;
      case "header-length":
        this.#loadX(value);
        this.#step(Bpf.moveToA);
        break;
      case "load": {
        const code = LOADS[value.sizeBytes];
        if (value.base !== undefined) this.#loadX(value.base);
        this.#step(value.base === undefined ? code : code + INDIRECT, value.offset);
        break;
      }
      case "negate":
        this.#loadA(value.operand);
        this.#step(Bpf.negate);
        break;
      case "binary":
        if (value.right.kind === "constant") {
          this.#loadA(value.left);
          this.#step(OPERATIONS[value.operator], value.right.value);
        } else {
          this.#pair(value.left, value.right);
          this.#step(OPERATIONS[value.operator] | Bpf.withX);
        }
    }
    this.#a = value;
  }
}

/** Whether it comes into A without X. */
function keepsX(value: Value): boolean {
  switch (value.kind) {
    case "load":
      return value.base === undefined;
    case "binary":
      return value.right.kind === "constant" && keepsX(value.left);
    case "negate":
      return keepsX(value.operand);
    case "header-length":
      return false;
    default:
      return true;
  }
}

function meet(one: Registers, two: Registers): Registers {
  return { a: one.a === two.a ? one.a : undefined, x: one.x === two.x ? one.x : undefined };
}

/** Blocks that read alike are one: what they mean is in the registers they find. */
function share(blocks: readonly Block[]): readonly Block[] {
  const byText = new Map<string, Node>();
  const instead = new Map<Target, Target>();
  const ids = new Map(blocks.map(({ node }, index) => [node as Target, String(index)]));
  const idOf = (target: Target): string =>
    target.kind === "leaf" ? String(target.accepts) : (ids.get(target) ?? "");
  const kept: Block[] = [];
  for (const block of [...blocks].reverse()) {
    const whenTrue = instead.get(block.whenTrue) ?? block.whenTrue;
    const whenFalse = instead.get(block.whenFalse) ?? block.whenFalse;
    const steps = [...block.steps, block.jump].map(({ code, constant }) => `${code} ${constant}`).join();
    const text = `${steps} ${idOf(whenTrue)} ${idOf(whenFalse)}`;
    const equal = byText.get(text);
    if (equal === undefined) {
      byText.set(text, block.node);
      kept.push({ ...block, whenTrue, whenFalse });
    } else instead.set(block.node, equal);
  }
  return kept.reverse();
}

/** Instructions that a comparison may jump over; one less, as the long jump of its other way may come between. */
const JUMP_MAX = 254;

/**
 * Puts the blocks behind each other, from the end on. Where a target is too far for a comparison, a long jump to it
 * comes right behind the block, and serves those before it as well.
 */
function link(blocks: readonly Block[], root: Target, snapLengthBytes: number): readonly BpfInstruction[] {
  // From the last to the first.
  const program: BpfInstruction[] = [];
  const landings = new Map<Target, number>();
  const add = (code: number, constant: number, jumpTrue = 0, jumpFalse = 0): void => {
    program.push({ code, jumpTrue, jumpFalse, constant });
  };
  const land = (target: Target): void => {
    landings.set(target, program.length - 1);
  };
  /** How many instructions the next one would skip on its way. */
  const distance = (target: Target): number => program.length - 1 - (landings.get(target) ?? 0);
  for (const leaf of [REJECT, ACCEPT]) {
    if (leaf !== root && !blocks.some((block) => block.whenTrue === leaf || block.whenFalse === leaf))
      continue;
    add(Bpf.returnConstant, leaf.accepts ? snapLengthBytes : 0);
    land(leaf);
  }
  for (const { steps, node, jump, whenTrue, whenFalse } of [...blocks].reverse()) {
    for (const target of [whenTrue, whenFalse]) {
      if (distance(target) <= JUMP_MAX) continue;
      add(Bpf.jump, distance(target));
      land(target);
    }
    add(jump.code, jump.constant, distance(whenTrue), distance(whenFalse));
    for (const step of [...steps].reverse()) add(step.code, step.constant);
    land(node);
  }
  return program.reverse();
}
