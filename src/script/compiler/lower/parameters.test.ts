/**
 * Parameters that others stand for.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Block, ConstantInstruction, Instruction, Value } from "../ir/ir.ts";
import { Editor } from "./editor.ts";
import { askNumbers, shareParameters } from "./parameters.ts";

const place = { file: "script.ts", line: 1, column: 1 };

/** Two ways to one end, which takes `(number, flag, one, other)`. */
function twoWays(): { readonly editor: Editor; readonly end: Block } {
  let id = 0;
  const value = (type: Value["type"] = "integer"): Value => ({ type, id: id++ });
  const instructions: Instruction[] = [];
  const constant = (number: bigint, type?: Value["type"], isAbsent?: boolean): Value => {
    const result = value(type);
    const made: ConstantInstruction = { op: "constant", place, result, value: number };
    instructions.push(isAbsent === true ? { ...made, isAbsent } : made);
    return result;
  };
  const length = value();
  instructions.push({ op: "fact", place, result: length, fact: "length" });
  const isLong = value("boolean");
  instructions.push({
    op: "compare",
    place,
    result: isLong,
    comparison: "greater",
    left: length,
    right: length,
  });
  const [number, flag, one, other] = [value(), value("boolean"), value(), value()];
  const end: Block = {
    id: id++,
    parameters: [number, flag, one, other],
    instructions: [],
    terminator: { op: "return", place, verdict: one },
  };
  const absent = constant(0n, "integer", true);
  const entry: Block = {
    id: id++,
    parameters: [],
    instructions,
    terminator: {
      op: "branch",
      place,
      condition: isLong,
      ifTrue: { to: end, with: [constant(5n), constant(1n, "boolean"), length, absent] },
      ifFalse: { to: end, with: [constant(6n), constant(0n, "boolean"), absent, constant(9n)] },
    },
  };
  const editor = new Editor({ name: "script", entry, blocks: [entry, end], idCount: id });
  return { editor, end };
}

test("shareParameters() makes one parameter of parts that are never there together", () => {
  const { editor, end } = twoWays();
  assert.equal(shareParameters(editor), true);
  assert.equal(end.parameters.length, 3);
  const { terminator } = editor.function.entry;
  assert(terminator.op === "branch");
  assert.equal(editor.constantOf(terminator.ifFalse.with[2] as Value), 9n);
  assert.equal(shareParameters(editor), false);
});

test("askNumbers() asks the number that tells a flag", () => {
  const { editor, end } = twoWays();
  assert.equal(askNumbers(editor), true);
  assert.deepEqual(
    end.parameters.map(({ type }) => type),
    ["integer", "integer", "integer"],
  );
  const [question] = end.instructions;
  assert(question?.op === "compare" && question.comparison === "equal");
  assert.equal(question.left, end.parameters[0]);
  assert.equal(editor.constantOf(question.right), 5n);
});
