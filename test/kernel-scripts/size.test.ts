/**
 * A script that would take minutes to compile is refused in time, and what the compiler takes, the kernel's verifier takes:
 * how many steps it needs for large ones.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasLoopCounts } from "#app/script/kernel-compile.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { BLOCK_COUNT_MAX } from "#script/compiler/compile.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import { rootProblem } from "../lab/own-namespace.ts";
import { compileAt } from "./compiler.ts";
import { ModulePrograms } from "./program.ts";
import { LARGE_SCRIPTS } from "./size-scripts.ts";

const programs = new ModulePrograms();

const PLACES: readonly (Pick<CompileTarget, "attach"> & Partial<CompileTarget>)[] = [
  { attach: "netfilter", family: "ipv4" },
  { attach: "netfilter", family: "ipv6" },
  { attach: "tcx-ingress", first: "network" },
  { attach: "tcx-egress", first: "ethernet" },
  { attach: "xdp" },
];

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
  const { problems } = compileAt(programs.make(text), "large", { attach: "tcx-ingress" });
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["kernel-size"],
  );
  assert.match(problems[0]?.why ?? "", new RegExp(`takes ${BLOCK_COUNT_MAX}`));
});

/** Why the figures below are none of this machine's; `false` when they are. */
function problem(): string | false {
  return rootProblem() || (hasLoopCounts() ? false : "needs Linux 6.9, which counts the rounds of loops");
}

describe("The kernel's verifier", { skip: problem() }, () => {
  const system = new LinuxKernelPrograms();
  for (const { name, text, stepsMax, writes } of LARGE_SCRIPTS) {
    it(`takes ${name}, in ${stepsMax} steps at most`, (context) => {
      const made = programs.make(text);
      for (const target of PLACES) {
        if (writes && target.attach === "netfilter") continue;
        const { script, problems } = compileAt(made, "large", target);
        assert(script !== undefined, problems.map(({ why }) => why).join());
        const maps = new Map();
        const program = system.load(script.image, maps);
        const { verifiedCount } = program;
        program.close();
        for (const map of maps.values()) map.close();
        const place = [target.attach, target.first, target.family]
          .filter((part) => part !== undefined)
          .join(" ");
        context.diagnostic(`${place}: ${verifiedCount} steps for ${script.image.instructions.length / 8}`);
        assert(verifiedCount <= stepsMax, `${place}: ${verifiedCount} steps`);
      }
    });
  }
});
