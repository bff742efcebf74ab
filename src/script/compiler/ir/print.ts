/**
 * Functions of the intermediate form as text, for people, tests and listings. Values and blocks are numbered in the
 * order in which they stand, so that the same function always reads the same.
 * @module
 */
import type { BinaryInstruction, Block, Edge, Instruction, IrFunction, Terminator, Value } from "./ir.ts";
import { operandsOf, resultOf } from "./visit.ts";

/** What stands behind each value's definition, say its range. */
export type Remark = (value: Value) => string;

/**
 * A line for each instruction and a paragraph for each block:
 *
 *     snat
 *     b0:
 *       v0 = constant 14
 *       open header v0, 20 ? b1(…) : b2
 *     b1(v1 pointer):
 */
export function formatFunction(fn: IrFunction, remark?: Remark): string {
  return new Printer(fn, remark).text();
}

class Printer {
  readonly #function: IrFunction;
  readonly #remark: Remark | undefined;
  readonly #values = new Map<Value, string>();
  readonly #blocks = new Map<Block, string>();

  constructor(fn: IrFunction, remark: Remark | undefined) {
    this.#function = fn;
    this.#remark = remark;
    for (const [index, block] of fn.blocks.entries()) this.#blocks.set(block, `b${index}`);
    for (const block of fn.blocks) {
      for (const parameter of block.parameters) this.#values.set(parameter, `v${this.#values.size}`);
      for (const instruction of block.instructions) {
        const result = resultOf(instruction);
        if (result !== undefined) this.#values.set(result, `v${this.#values.size}`);
      }
    }
  }

  text(): string {
    const lines = [this.#function.name];
    for (const block of this.#function.blocks) {
      const parameters = block.parameters.map((value) => `${this.#value(value)} ${value.type}`).join(", ");
      const remarks = block.parameters.map((value) => this.#remarked(value)).join("");
      lines.push(`${this.#block(block)}${parameters === "" ? "" : `(${parameters})`}:${remarks}`);
      for (const instruction of block.instructions) lines.push(`  ${this.#instruction(instruction)}`);
      lines.push(`  ${this.#terminator(block.terminator)}`);
    }
    return `${lines.join("\n")}\n`;
  }

  #remarked(value: Value | undefined): string {
    const text = value === undefined ? "" : (this.#remark?.(value) ?? "");
    return text === "" ? "" : `  ; ${text}`;
  }

  #value(value: Value): string {
    return this.#values.get(value) ?? `unknown${value.id}`;
  }

  #block(block: Block): string {
    return this.#blocks.get(block) ?? `gone${block.id}`;
  }

  #edge(edge: Edge, more = ""): string {
    const values = [...edge.with.map((value) => this.#value(value)), ...(more === "" ? [] : [more])];
    return `${this.#block(edge.to)}${values.length === 0 ? "" : `(${values.join(", ")})`}`;
  }

  #instruction(instruction: Instruction): string {
    const result = resultOf(instruction);
    const head = result === undefined ? "" : `${this.#value(result)} = `;
    const operands = operandsOf(instruction).map((value) => this.#value(value));
    const words = [nameOf(instruction), [...operands, ...detailsOf(instruction)].join(", ")];
    const type = instruction.op === "constant" && result?.type !== "integer" ? ` ${result?.type}` : "";
    return `${head}${words.filter((word) => word !== "").join(" ")}${type}${this.#remarked(result)}`;
  }

  #terminator(terminator: Terminator): string {
    switch (terminator.op) {
      case "jump":
        return `jump ${this.#edge(terminator.edge)}`;
      case "branch": {
        const { condition, ifTrue, ifFalse } = terminator;
        return `branch ${this.#value(condition)} ? ${this.#edge(ifTrue)} : ${this.#edge(ifFalse)}`;
      }
      case "open": {
        const { offset, bytes, access, there, absent } = terminator;
        const ways = `${this.#edge(there, "…")} : ${this.#edge(absent)}`;
        return `open ${access} ${this.#value(offset)}, ${bytes} ? ${ways}`;
      }
      case "return":
        return `return ${this.#value(terminator.verdict)}`;
      case "fault":
        return `fault ${JSON.stringify(terminator.message)}`;
    }
  }
}

function signOf(isSigned: boolean | undefined): string {
  return isSigned === undefined ? "" : isSigned ? " signed" : " unsigned";
}

/** Told only where it makes a difference. */
function signOfOperation({ operator, isSigned }: BinaryInstruction): string {
  const isTold = ["divide", "remainder", "minimum", "maximum"].includes(operator);
  return isTold ? signOf(isSigned) : "";
}

function nameOf(instruction: Instruction): string {
  switch (instruction.op) {
    case "binary":
      return `${instruction.operator} ${instruction.domain}${signOfOperation(instruction)}`;
    case "unary":
      return instruction.operator;
    case "compare":
      return `${instruction.comparison}${signOf(instruction.isSigned)}`;
    default:
      return instruction.op;
  }
}

/** What is no value: constants, sizes, names. */
function detailsOf(instruction: Instruction): readonly string[] {
  switch (instruction.op) {
    case "constant":
      return [instruction.isAbsent ? "absent" : String(instruction.value)];
    case "assume":
      return [`${instruction.least} to ${instruction.most}`];
    case "fact":
      return [instruction.fact];
    case "load":
    case "store":
      return [`at ${instruction.at}`, `${instruction.bytes} ${instruction.order}`];
    case "loadElement":
      return [`of ${instruction.count}`, `${instruction.bytes}${instruction.isSigned ? " signed" : ""}`];
    case "storeElement":
      return [`of ${instruction.count}`, String(instruction.bytes)];
    case "atomicAdd":
    case "atomicExchange":
      return [`at ${instruction.at}`];
    case "slot":
    case "emit":
      return [String(instruction.bytes)];
    case "table":
      return [`${instruction.bytes.length} bytes`];
    case "lookUp":
    case "remove":
      return [instruction.map];
    case "update":
      return [instruction.map, instruction.mode];
    case "ask":
      return [instruction.what];
    case "count":
      return [instruction.counter];
    case "patchChecksum":
      return [
        ...(instruction.isPseudo ? ["pseudo"] : []),
        ...(instruction.isIpv6 ? ["IPv6"] : []),
        ...(instruction.zeroIsNone === true ? ["zero is none"] : []),
      ];
    case "redirect":
      return [instruction.interface];
    case "resize":
      return [instruction.direction, `${instruction.keeps} stays`];
    default:
      return [];
  }
}
