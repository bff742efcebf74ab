import assert from "node:assert/strict";
import test from "node:test";
import { FunctionBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/ir.ts";
import { formatFunction } from "../ir/print.ts";
import { validateFunction } from "../ir/validate.ts";
import type { CompileTarget } from "../target.ts";
import { lowerFunction } from "./lower.ts";

const place = { file: "a.ts", line: 1, column: 1 };
const target: CompileTarget = { attach: "xdp", first: "ethernet", onError: "drop", statistics: false };

test("lowerFunction() threads presence flags away", () => {
  const b = new FunctionBuilder("flags");
  const constant = (value: bigint, type: "integer" | "boolean" | "pointer" = "integer"): Value => {
    const result = b.value(type);
    b.append({ op: "constant", place, result, value });
    return result;
  };
  const there = b.block("pointer");
  const absent = b.block();
  const join = b.block("boolean", "pointer", "integer");
  const yes = b.block();
  const no = b.block();
  b.end({
    op: "open",
    place,
    offset: constant(14n),
    bytes: 20,
    access: "header",
    there: { to: there, with: [] },
    absent: { to: absent, with: [] },
  });
  b.begin(there);
  const first = b.value("integer");
  b.append({
    op: "load",
    place,
    result: first,
    from: there.parameters[0]!,
    at: 0,
    bytes: 1,
    order: "network",
  });
  const ihl = b.value("integer");
  b.append({
    op: "binary",
    place,
    result: ihl,
    operator: "and32",
    domain: "number",
    left: first,
    right: constant(15n),
  });
  const bytes = b.value("integer");
  b.append({
    op: "binary",
    place,
    result: bytes,
    operator: "multiply",
    domain: "number",
    left: ihl,
    right: constant(4n),
  });
  b.jump(place, join, constant(1n, "boolean"), there.parameters[0]!, bytes);
  b.begin(absent);
  b.jump(place, join, constant(0n, "boolean"), constant(0n, "pointer"), constant(0n));
  b.begin(join);
  b.branch(place, join.parameters[0]!, { to: yes, with: [] }, { to: no, with: [] });
  b.begin(yes);
  const protocol = b.value("integer");
  b.append({
    op: "load",
    place,
    result: protocol,
    from: join.parameters[1]!,
    at: 9,
    bytes: 1,
    order: "network",
  });
  const total = b.value("integer");
  b.append({
    op: "binary",
    place,
    result: total,
    operator: "add",
    domain: "number",
    left: protocol,
    right: join.parameters[2]!,
  });
  b.append({ op: "count", place, counter: "sum", value: total });
  b.end({ op: "return", place, verdict: constant(0n) });
  b.begin(no);
  b.end({ op: "return", place, verdict: constant(2n) });
  const fn = b.finish();
  validateFunction(fn);
  assert.deepEqual(lowerFunction(fn, target).problems, []);
  validateFunction(fn);
  assert.equal(
    formatFunction(fn),
    `flags
b0:
  v0 = constant 14
  v1 = constant 15
  v2 = constant 0
  v3 = constant 2
  open header v0, 20 ? b1(…) : b2
b1(v4 pointer):
  v5 = load v4, at 0, 1 native
  v6 = and word v5, v1
  v7 = shiftLeft word v6, v3
  v8 = load v4, at 9, 1 native
  v9 = add word v8, v7
  count v9, sum
  return v2
b2:
  return v3
`,
  );
});
