/**
 * What operations are called in a script, for messages.
 * @module
 */
import type { BinaryOperator, Comparison, Instruction } from "../ir/ir.ts";

/** A construct as the script has it, and how many characters it takes. */
export interface Construct {
  readonly construct: string;
  readonly length: number;
}

export const SYMBOLS: Readonly<Record<BinaryOperator, string>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  remainder: "%",
  minimum: "Math.min",
  maximum: "Math.max",
  and: "&",
  or: "|",
  xor: "^",
  shiftLeft: "<<",
  shiftRight: ">>",
  shiftRightSigned: ">>",
  and32: "&",
  or32: "|",
  xor32: "^",
  shiftLeft32: "<<",
  shiftRight32: ">>",
  shiftRightUnsigned32: ">>>",
  multiply32: "Math.imul",
};

const COMPARISONS: Readonly<Record<Comparison, string>> = {
  equal: "===",
  unequal: "!==",
  less: "<",
  lessOrEqual: "<=",
  greater: ">",
  greaterOrEqual: ">=",
};

/** The operator, or a word for what stands there. */
export function nameOperation(instruction: Instruction): string {
  switch (instruction.op) {
    case "binary":
      return SYMBOLS[instruction.operator];
    case "compare":
      return COMPARISONS[instruction.comparison];
    case "loadElement":
    case "storeElement":
      return "the element";
    default:
      return instruction.op;
  }
}
