/**
 * A script that would take minutes to compile is refused in time.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { BLOCK_COUNT_MAX } from "#script/compiler/compile.ts";
import { compileAt } from "./compiler.ts";
import { ModulePrograms } from "./program.ts";

it("compileFunction() refuses a function with too many branches, what it calls included", () => {
  const conditions = Array.from({ length: 100 }, (_, index) => `  if (value === ${index * 7 + 1}) count++;`);
  const calls = Array.from(
    { length: 60 },
    (_, index) => `  sum = (sum + look(packet.mark ^ ${index})) & 255;`,
  );
  const text = `
import { drop, type Packet, verdict } from "metanet/script";
function look(value: number): number {
  let count = 0;
${conditions.join("\n")}
  return count & 255;
}
export function large(packet: Packet) {
  let sum = 0;
${calls.join("\n")}
  return sum === 3 ? drop : verdict.continue;
}
`;
  const { problems } = compileAt(new ModulePrograms().make(text), "large", { attach: "tcx-ingress" });
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["kernel-size"],
  );
  assert.match(problems[0]?.why ?? "", new RegExp(`takes ${BLOCK_COUNT_MAX}`));
});
