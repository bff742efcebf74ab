/**
 * Whether a function of the intermediate form is one: what front end and passes promise each other.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { Graph } from "./graph.ts";
import type { Block, Edge, Instruction, IrFunction, Terminator, Value, ValueType } from "./ir.ts";
import { formatFunction } from "./print.ts";
import { edgesOf, operandsOf, resultOf, terminatorOperand } from "./visit.ts";

/**
 * Checks that each value is made once and on every way to its uses, that types fit, and that edges pass on what the
 * blocks they lead to take.
 * @throws InvariantError with the function as text: a pass, or the front end, has made a mistake
 */
export function validateFunction(fn: IrFunction): void {
  const problems = new Validator(fn).check();
  if (problems.length === 0) return;
  const shown = problems.slice(0, 5).join("; ");
  throw new InvariantError(`Cannot go on with ${fn.name}: ${shown}\n${formatFunction(fn)}`);
}

interface Definition {
  readonly block: Block;
  /** -1 for a parameter. */
  readonly index: number;
}

class Validator {
  readonly #function: IrFunction;
  readonly #graph: Graph;
  readonly #definitions = new Map<Value, Definition>();
  readonly #problems: string[] = [];

  constructor(fn: IrFunction) {
    this.#function = fn;
    this.#graph = new Graph(fn);
  }

  check(): readonly string[] {
    const { blocks, entry } = this.#function;
    if (blocks[0] !== entry) this.#problems.push("the entry is not the first block");
    if (entry.parameters.length > 0) this.#problems.push("the entry has parameters");
    const known = new Set(blocks);
    if (known.size !== blocks.length) this.#problems.push("a block stands there twice");
    for (const block of this.#graph.order) {
      if (!known.has(block)) this.#problems.push(`block ${block.id} is led to and not in the list`);
    }
    for (const block of blocks) this.#define(block);
    for (const block of blocks) if (this.#graph.isReachable(block)) this.#checkBlock(block);
    return this.#problems;
  }

  #define(block: Block): void {
    const add = (value: Value, index: number): void => {
      if (this.#definitions.has(value)) this.#problems.push(`value ${value.id} is made twice`);
      if (value.id >= this.#function.idCount)
        this.#problems.push(`value ${value.id} is beyond the count of ids`);
      this.#definitions.set(value, { block, index });
    };
    for (const parameter of block.parameters) add(parameter, -1);
    for (const [index, instruction] of block.instructions.entries()) {
      const result = resultOf(instruction);
      if (result !== undefined) add(result, index);
    }
  }

  #checkBlock(block: Block): void {
    for (const [index, instruction] of block.instructions.entries()) {
      for (const operand of operandsOf(instruction)) this.#checkUse(operand, block, index);
      const problem = typeProblem(instruction);
      if (problem !== undefined) this.#problems.push(`block ${block.id}, ${instruction.op}: ${problem}`);
    }
    const end = block.instructions.length;
    const operand = terminatorOperand(block.terminator);
    if (operand !== undefined) this.#checkUse(operand, block, end);
    for (const edge of edgesOf(block.terminator)) {
      for (const value of edge.with) this.#checkUse(value, block, end);
      this.#checkEdge(block.terminator, edge);
    }
  }

  #checkUse(value: Value, block: Block, index: number): void {
    const definition = this.#definitions.get(value);
    if (definition === undefined) this.#problems.push(`value ${value.id} is used and made nowhere`);
    else if (definition.block === block ? definition.index < index : this.#dominates(definition.block, block))
      return;
    else this.#problems.push(`value ${value.id} is used in block ${block.id} where it need not be made yet`);
  }

  #dominates(over: Block, block: Block): boolean {
    return this.#graph.dominates(over, block);
  }

  #checkEdge(terminator: Terminator, edge: Edge): void {
    const isThere = terminator.op === "open" && terminator.there === edge;
    const types: ValueType[] = [
      ...edge.with.map(({ type }) => type),
      ...(isThere ? ["pointer" as const] : []),
    ];
    const wanted = edge.to.parameters.map(({ type }) => type);
    if (types.join() === wanted.join()) return;
    this.#problems.push(`block ${edge.to.id} takes (${wanted.join()}) and is given (${types.join()})`);
  }
}

/** What each operand has to be, in the order of `operandsOf`. */
function typeProblem(instruction: Instruction): string | undefined {
  const operands = operandsOf(instruction).map(({ type }) => type);
  const wants = wantedTypes(instruction);
  for (const [index, type] of operands.entries()) {
    const wanted = wants[index];
    if (wanted !== undefined && !wanted.split("|").includes(type)) return `wanted ${wanted}, not ${type}`;
  }
  if (instruction.op === "select" && operands[1] !== operands[2]) return "the two ways are of two types";
  if (instruction.op === "compare" && operands[0] !== operands[1]) return "the two sides are of two types";
  return resultProblem(instruction);
}

function resultProblem(instruction: Instruction): string | undefined {
  const result = resultOf(instruction);
  if (result === undefined) return undefined;
  const wanted = wantedResult(instruction);
  return wanted === undefined || wanted === result.type
    ? undefined
    : `results in ${wanted}, not ${result.type}`;
}

function wantedResult(instruction: Instruction): ValueType | undefined {
  switch (instruction.op) {
    case "constant":
      return undefined;
    case "compare":
    case "isFound":
      return "boolean";
    case "select":
      return instruction.ifTrue.type;
    case "slot":
      return "memory";
    case "table":
    case "lookUp":
      return "entry";
    default:
      return "integer";
  }
}

function wantedTypes(instruction: Instruction): readonly string[] {
  const integer = "integer|boolean";
  switch (instruction.op) {
    case "binary":
    case "compare":
      return [integer, integer];
    case "unary":
    case "assume":
    case "setMark":
    case "count":
      return [integer];
    case "resize":
    case "sum":
      return [integer, integer];
    case "isFound":
      return ["entry"];
    case "select":
      return ["boolean"];
    case "load":
      return ["pointer|entry|memory"];
    case "loadElement":
      return ["entry|memory", integer];
    case "storeElement":
      return ["entry|memory", integer, integer];
    case "store":
      return ["pointer|entry|memory", integer];
    case "atomicAdd":
      return ["entry", integer];
    case "atomicExchange":
      return ["entry", integer, integer];
    case "lookUp":
    case "remove":
    case "emit":
      return ["memory"];
    case "update":
      return ["memory", "memory|entry|pointer"];
    case "patchChecksum":
      return [integer, integer, integer];
    default:
      return [];
  }
}
