/**
 * What small scripts become, line by line.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frontAt } from "../../../../test/kernel-scripts/compiler.ts";
import { ModulePrograms } from "../../../../test/kernel-scripts/program.ts";
import { formatFunction } from "../ir/print.ts";

const PRINTED: readonly { readonly body: string; readonly lines: readonly string[] }[] = [
  {
    body: "return packet.mark === 7 ? drop : accept;",
    lines: [
      "b0:",
      "  v0 = constant 7",
      "  v1 = constant 0",
      "  v2 = constant 1",
      "  v3 = fact mark",
      "  v4 = equal v3, v0",
      "  branch v4 ? b1 : b2",
      "b1:",
      "  return v1",
      "b2:",
      "  return v2",
    ],
  },
  {
    body: "let n = 0; for (let i = 0; i < 1000; i++) n = (n + i) & packet.mark; return mark(n);",
    lines: [
      "b0:",
      "  v0 = constant 0",
      "  v1 = constant 1000",
      "  v2 = constant 1",
      "  v3 = constant 2",
      "  jump b1(v0, v0)",
      "b1(v4 integer, v5 integer):",
      "  v6 = assume v5, 0 to 1000",
      "  v7 = less v6, v1",
      "  branch v7 ? b2 : b3",
      "b2:",
      "  v8 = add number v4, v6",
      "  v9 = fact mark",
      "  v10 = and32 number v8, v9",
      "  v11 = add number v6, v2",
      "  jump b1(v10, v11)",
      "b3:",
      "  v12 = unsigned32 v4",
      "  setMark v12",
      "  return v3",
    ],
  },
  {
    body: 'context.map("seen", { kind: "array", countMax: 4 }).add(2); context.counter("all").add(3); return;',
    lines: [
      "b0:",
      "  v0 = constant 2",
      "  v1 = constant 0",
      "  v2 = constant 1 boolean",
      "  v3 = constant 3",
      "  v4 = constant 1",
      "  v5 = constant 0 boolean",
      "  v6 = slot 8",
      "  store v6, v0, at 0, 4 native",
      "  v7 = lookUp v6, seen",
      "  v8 = isFound v7",
      "  branch v8 ? b1 : b2",
      "b1:",
      "  v9 = atomicAdd v7, v4, at 0",
      "  v10 = signed64 v9",
      "  v11 = assume v10, -4503599627370496 to 4503599627370496",
      "  v12 = add number v11, v4",
      "  jump b3(v2, v12)",
      "b2:",
      "  jump b3(v5, v1)",
      "b3(v13 boolean, v14 integer):",
      "  count v3, counter all",
      "  return v0",
    ],
  },
];

const programs = new ModulePrograms();

describe("the front end writes", () => {
  for (const { body, lines } of PRINTED) {
    it(`for ${body}`, () => {
      const module =
        programs.make(`import { accept, type Context, drop, mark, type Packet } from "metanet/script";
export function script(packet: Packet, context: Context) { ${body} }`);
      const target = { attach: "tcx-ingress", statistics: false } as const;
      const { function: lowered, problems } = frontAt(module, "script", target);
      assert.deepEqual(problems, []);
      assert.ok(lowered !== undefined);
      const [, ...printed] = formatFunction(lowered).trimEnd().split("\n");
      assert.deepEqual(printed, lines);
    });
  }
});
