/**
 * Runs functions of the intermediate form step by step, over whole numbers without an end: what each operation means,
 * to compare passes and the kernel with. It is for tests, and slow.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { formatPlace, type Place } from "../place.ts";
import { evaluateBinary, evaluateComparison, evaluateUnary, swap } from "./arithmetic.ts";
import { type Region, readRegion, sliceRegion, writeRegion } from "./interpreted-memory.ts";
import type { World } from "./interpreted-world.ts";
import type { Block, Edge, Instruction, IrFunction, Terminator, Value } from "./ir.ts";
import { resultOf } from "./visit.ts";

/** What came of a run. */
export type Outcome =
  | { readonly kind: "verdict"; readonly verdict: bigint }
  | { readonly kind: "fault"; readonly place: Place; readonly message: string };

/** What a value is while it runs: a number, or a place in memory; no entry found is `undefined`. */
type Content = bigint | Region | undefined;

/** How a function is run. */
export interface InterpretOptions {
  /** Instructions until it is given up; 1,000,000 unless told. */
  readonly stepsMax?: number;
  /** Is told each number when it is made, or passed to a block's parameter. */
  readonly watch?: (value: Value, content: bigint, block: Block) => void;
}

/**
 * Runs a function over a packet and what there is beside it, which is changed as the function says.
 * @throws InvariantError when an operation has no result (a number that leaves its domain, a division by 0, bytes
 *   outside of what was checked): the checks of the compiler should have refused the function
 */
export function interpretFunction(fn: IrFunction, world: World, options: InterpretOptions = {}): Outcome {
  return new Interpreter(world, options).run(fn);
}

class Interpreter {
  readonly #world: World;
  readonly #contents = new Map<Value, Content>();
  readonly #watch: InterpretOptions["watch"];
  #stepsLeft: number;

  constructor(world: World, { stepsMax = 1_000_000, watch }: InterpretOptions) {
    this.#world = world;
    this.#stepsLeft = stepsMax;
    this.#watch = watch;
  }

  run(fn: IrFunction): Outcome {
    let block: Block = fn.entry;
    for (;;) {
      for (const instruction of block.instructions) {
        this.#step(instruction.place);
        const content = this.#execute(instruction);
        const result = resultOf(instruction);
        if (result !== undefined) this.#contents.set(result, content);
        if (result !== undefined && typeof content === "bigint") this.#watch?.(result, content, block);
      }
      this.#step(block.terminator.place);
      const next = this.#leave(block.terminator);
      if ("kind" in next) return next;
      block = next;
    }
  }

  #step(place: Place): void {
    if (this.#stepsLeft-- <= 0)
      throw new InvariantError(`Cannot go on at ${formatPlace(place)}: too many steps`);
  }

  #content(value: Value): Content {
    if (!this.#contents.has(value))
      throw new InvariantError(`Cannot use value ${value.id}: it is not made yet`);
    return this.#contents.get(value);
  }

  #number(value: Value): bigint {
    const content = this.#content(value);
    if (typeof content !== "bigint")
      throw new InvariantError(`Cannot calculate with value ${value.id}: no number`);
    return content;
  }

  #region(value: Value): Region {
    const content = this.#content(value);
    if (content === undefined || typeof content === "bigint") {
      throw new InvariantError(`Cannot reach memory through value ${value.id}: it is nowhere`);
    }
    return content;
  }

  #follow(edge: Edge, pointer?: Region): Block {
    const passed: Content[] = edge.with.map((value) => this.#content(value));
    if (pointer !== undefined) passed.push(pointer);
    for (const [index, parameter] of edge.to.parameters.entries())
      this.#contents.set(parameter, passed[index]);
    return edge.to;
  }

  #leave(terminator: Terminator): Block | Outcome {
    switch (terminator.op) {
      case "jump":
        return this.#follow(terminator.edge);
      case "branch":
        return this.#follow(
          this.#number(terminator.condition) === 0n ? terminator.ifFalse : terminator.ifTrue,
        );
      case "open": {
        const offset = this.#number(terminator.offset);
        const pointer = this.#world.packet.open(offset, terminator.bytes);
        return pointer === undefined
          ? this.#follow(terminator.absent)
          : this.#follow(terminator.there, pointer);
      }
      case "return":
        return { kind: "verdict", verdict: BigInt.asUintN(64, this.#number(terminator.verdict)) };
      case "fault":
        return { kind: "fault", place: terminator.place, message: terminator.message };
    }
  }

  #execute(instruction: Instruction): Content {
    switch (instruction.op) {
      case "constant":
        // A pointer that is a constant leads nowhere: what an optional header has where it is not there.
        return instruction.result.type === "integer" || instruction.result.type === "boolean"
          ? instruction.value
          : undefined;
      case "binary":
      case "unary":
      case "compare":
      case "assume":
        return this.#calculate(instruction);
      case "isFound":
        return this.#content(instruction.entry) === undefined ? 0n : 1n;
      case "select": {
        const { condition, ifTrue, ifFalse } = instruction;
        return this.#content(this.#number(condition) === 0n ? ifFalse : ifTrue);
      }
      case "load":
      case "store":
      case "loadElement":
      case "storeElement":
      case "atomicAdd":
      case "atomicExchange":
        return this.#access(instruction);
      case "slot":
        // What nobody has written yet is not 0, so that who relies on it is found.
        return { data: new Uint8Array(instruction.bytes).fill(0xa5), at: 0, length: instruction.bytes };
      case "table":
        return { data: instruction.bytes, at: 0, length: instruction.bytes.length };
      case "lookUp":
      case "update":
      case "remove":
        return this.#reachMap(instruction);
      default:
        return this.#turnOut(instruction);
    }
  }

  #calculate(instruction: Instruction): bigint {
    switch (instruction.op) {
      case "binary": {
        const [left, right] = [this.#number(instruction.left), this.#number(instruction.right)];
        const { operator, domain, place, isSigned } = instruction;
        const result = evaluateBinary(operator, domain, left, right, isSigned);
        if (result !== undefined) return result;
        const what = `${operator} ${domain} of ${left} and ${right}`;
        throw new InvariantError(`Cannot calculate at ${formatPlace(place)}: ${what} has no result`);
      }
      case "unary":
        return evaluateUnary(instruction.operator, this.#number(instruction.operand));
      case "compare": {
        const [left, right] = [this.#number(instruction.left), this.#number(instruction.right)];
        return evaluateComparison(instruction.comparison, left, right, instruction.isSigned) ? 1n : 0n;
      }
      case "assume": {
        const value = this.#number(instruction.operand);
        const { least, most } = instruction;
        const isWithin = [value, BigInt.asIntN(64, value)].some((one) => one >= least && one <= most);
        if (isWithin) return value;
        throw new InvariantError(`Cannot assume ${least} to ${most}: it is ${value}`);
      }
      default:
        throw new InvariantError(`Cannot calculate: ${instruction.op} is no calculation`);
    }
  }

  #access(instruction: Instruction): Content {
    switch (instruction.op) {
      case "load": {
        const { from, at, bytes, order } = instruction;
        const value = readRegion(this.#region(from), at, bytes);
        return order === "native" ? value : swap(value, bytes);
      }
      case "store": {
        const { to, at, bytes, order } = instruction;
        const value = this.#number(instruction.value);
        writeRegion(this.#region(to), at, bytes, order === "native" ? value : swap(value, bytes));
        return undefined;
      }
      case "loadElement": {
        const { from, bytes, isSigned } = instruction;
        const value = readRegion(this.#region(from), this.#elementAt(instruction), bytes);
        return isSigned ? BigInt.asIntN(bytes * 8, value) : value;
      }
      case "storeElement": {
        const { to, bytes, value } = instruction;
        writeRegion(this.#region(to), this.#elementAt(instruction), bytes, this.#number(value));
        return undefined;
      }
      case "atomicAdd": {
        const { to, at, value } = instruction;
        const before = readRegion(this.#region(to), at, 8);
        writeRegion(this.#region(to), at, 8, before + this.#number(value));
        return before;
      }
      case "atomicExchange": {
        const { to, at, expected, value } = instruction;
        const before = readRegion(this.#region(to), at, 8);
        if (before === BigInt.asUintN(64, this.#number(expected))) {
          writeRegion(this.#region(to), at, 8, this.#number(value));
        }
        return before;
      }
      default:
        throw new InvariantError(`Cannot access memory: ${instruction.op} does not`);
    }
  }

  #elementAt({ index, count, bytes }: { index: Value; count: number; bytes: number }): number {
    const at = this.#number(index);
    if (at >= 0n && at < BigInt(count)) return Number(at) * bytes;
    throw new InvariantError(`Cannot reach element ${at}: there are ${count}`);
  }

  #reachMap(instruction: Instruction): Content {
    switch (instruction.op) {
      case "lookUp": {
        const map = this.#world.map(instruction.map);
        const data = map.find(sliceRegion(this.#region(instruction.key), map.keyBytes));
        return data === undefined ? undefined : { data, at: 0, length: data.length };
      }
      case "update": {
        const map = this.#world.map(instruction.map);
        const key = sliceRegion(this.#region(instruction.key), map.keyBytes);
        const value = sliceRegion(this.#region(instruction.value), map.valueBytes);
        return map.update(key, value, instruction.mode) ? 0n : -1n;
      }
      case "remove": {
        const map = this.#world.map(instruction.map);
        return map.remove(sliceRegion(this.#region(instruction.key), map.keyBytes)) ? 0n : -1n;
      }
      default:
        throw new InvariantError(`Cannot reach a map: ${instruction.op} does not`);
    }
  }

  /** What leaves the function, or comes from outside. */
  #turnOut(instruction: Instruction): Content {
    const world = this.#world;
    switch (instruction.op) {
      case "fact":
        return world.fact(instruction.fact);
      case "ask":
        return world.ask(instruction.what);
      case "setMark":
        world.setMark(BigInt.asUintN(32, this.#number(instruction.value)));
        return undefined;
      case "count":
        world.count(instruction.counter, BigInt.asUintN(64, this.#number(instruction.value)));
        return undefined;
      case "emit":
        world.emit(sliceRegion(this.#region(instruction.from), instruction.bytes));
        return undefined;
      case "patchChecksum": {
        const [offset, difference] = [this.#number(instruction.offset), this.#number(instruction.difference)];
        const { zeroIsNone } = instruction;
        const isNone = typeof zeroIsNone === "boolean" ? zeroIsNone : this.#number(zeroIsNone) !== 0n;
        world.packet.patchChecksum(offset, BigInt.asUintN(64, difference), isNone);
        return undefined;
      }
      case "redirect":
        return world.redirect(instruction.interface);
      case "resize": {
        const [offset, length] = [this.#number(instruction.offset), this.#number(instruction.length)];
        return world.packet.resize(offset, length, instruction.direction) ? 0n : -1n;
      }
      case "sum":
        return world.packet.sum(this.#number(instruction.offset), this.#number(instruction.length));
      default:
        throw new InvariantError(`Cannot execute ${instruction.op}: it is not known`);
    }
  }
}
