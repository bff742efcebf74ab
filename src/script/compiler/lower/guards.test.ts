/**
 * Which loops the kernel counts, and that what they carry is veiled.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FunctionBuilder } from "../ir/builder.ts";
import { interpretFunction } from "../ir/interpret.ts";
import { PlainWorld } from "../ir/interpreted-world.ts";
import type { Block, IrFunction, Value } from "../ir/ir.ts";
import { validateFunction } from "../ir/validate.ts";
import type { CompileTarget } from "../target.ts";
import { lowerFunction } from "./lower.ts";

const place = { file: "a.ts", line: 1, column: 1 };
const target: CompileTarget = { attach: "xdp", first: "ethernet", onError: "drop", statistics: false };

/** Marks the packet with the sum of the rounds' numbers, of nests of loops one after the other. */
function nested(...nests: readonly (readonly number[])[]): IrFunction {
  const b = new FunctionBuilder("nested");
  const constant = (value: number): Value => {
    const result = b.value("integer");
    b.append({ op: "constant", place, result, value: BigInt(value) });
    return result;
  };
  const add = (left: Value, right: Value): Value => {
    const result = b.value("integer");
    b.append({ op: "binary", place, result, operator: "add", domain: "number", left, right });
    return result;
  };
  const loop = (counts: readonly number[], sum: Value): Value => {
    const [count, ...inner] = counts;
    if (count === undefined) return add(sum, constant(1));
    const head = b.block("integer", "integer");
    const [body, next] = [b.block(), b.block()];
    b.jump(place, head, constant(0), sum);
    b.begin(head);
    const [round, before] = head.parameters as [Value, Value];
    const condition = b.value("boolean");
    b.append({
      op: "compare",
      place,
      result: condition,
      comparison: "less",
      left: round,
      right: constant(count),
    });
    b.branch(place, condition, { to: body, with: [] }, { to: next, with: [] });
    b.begin(body);
    const after = add(loop(inner, before), round);
    b.jump(place, head, add(round, constant(1)), after);
    b.begin(next);
    return before;
  };
  const value = nests.reduce((sum, counts) => loop(counts, sum), constant(0));
  b.append({ op: "setMark", place, value });
  b.end({ op: "return", place, verdict: constant(2) });
  return b.finish();
}

function markOf(fn: IrFunction): bigint {
  const facts = { mark: 0n, inInterface: 1n };
  const world = new PlainWorld({ packet: new Uint8Array(60), maps: new Map(), facts });
  interpretFunction(fn, world, { stepsMax: 1_000_000 });
  return world.mark;
}

function lowered(fn: IrFunction, more: Partial<CompileTarget> = {}): IrFunction {
  const result = lowerFunction(fn, { ...target, ...more });
  assert(result.function !== undefined, result.problems.map(({ why }) => why).join());
  validateFunction(result.function);
  return result.function;
}

function guardsOf({ blocks }: IrFunction): Block[] {
  return blocks.filter(({ isGuarded }) => isGuarded === true);
}

describe("guardLoops()", () => {
  for (const { nests, guards, why } of [
    { nests: [[4]], guards: 0, why: "a few rounds the verifier may follow" },
    { nests: [[1]], guards: 1, why: "the only round would look the same each time" },
    { nests: [[200]], guards: 1, why: "many rounds are counted" },
    { nests: [[16, 16]], guards: 2, why: "loops in one another are counted both" },
    { nests: [[16, 16, 16]], guards: 3, why: "and three of them" },
    {
      nests: Array(6).fill([12_000]),
      guards: 5,
      why: "all together are fewer than the kernel counts at once",
    },
  ]) {
    it(`${why}: ${nests.map((counts) => counts.join(" times ")).join(", ")} rounds`, () => {
      const fn = nested(...nests);
      const wanted = markOf(fn);
      const after = lowered(fn);
      assert.equal(guardsOf(after).length, guards);
      assert.equal(markOf(after), wanted);
    });
  }

  it("veils every number that comes to the head of such a loop", () => {
    const fn = lowered(nested([16, 16]));
    const veiled = new Set(
      fn.blocks.flatMap(({ instructions }) =>
        instructions.flatMap((one) => (one.op === "unary" && one.operator === "veiled64" ? one.result : [])),
      ),
    );
    const edges = fn.blocks.flatMap(({ terminator }) =>
      terminator.op === "jump" && terminator.edge.to.isGuarded === true ? terminator.edge : [],
    );
    assert.equal(edges.length, 4);
    for (const edge of edges) for (const value of edge.with) assert(veiled.has(value));
  });

  it("leaves loops alone where the kernel counts none", () => {
    assert.deepEqual(guardsOf(lowered(nested([200]), { followsLoops: true })), []);
  });
});
