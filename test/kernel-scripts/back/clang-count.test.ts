/**
 * How many instructions the compiler needs for what clang -O2 makes of the same programs in C.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { compileForKernel } from "#app/script/kernel-compile.ts";
import type { ProgramImage } from "#io/kernel-programs.ts";
import { emitProgram } from "#script/compiler/ebpf/emit.ts";
import type { IrFunction } from "#script/compiler/ir/ir.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import { INSTRUCTION_BYTES } from "#wire/ebpf.ts";
import { dropPort, translate } from "./functions.ts";

const PEERS = fileURLToPath(new URL("../../../bench/peers/ebpf/", import.meta.url));
/** Ours for each of clang's. */
const RATIO_MAX = 1.2;
const TARGET: CompileTarget = {
  attach: "tcx-ingress",
  first: "ethernet",
  onError: "drop",
  statistics: true,
};

const CASES: readonly { readonly source: string; readonly program: () => ProgramImage }[] = [
  { source: "drop-port.c", program: () => emitted(dropPort(53, 14)) },
  { source: "translate.c", program: () => emitted(translate()) },
  { source: "nat.c", program: () => compiled("example/kernel/nat.ts", "leave") },
];

function emitted(fn: IrFunction): ProgramImage {
  return emitProgram(fn, { target: TARGET, maps: [] }).image;
}

/** A script, as it runs where packets of IP leave. */
function compiled(path: string, name: string): ProgramImage {
  const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
  const target: CompileTarget = { ...TARGET, attach: "tcx-egress", first: "network" };
  const [result] = compileForKernel(file, name, [target]);
  assert(result?.script !== undefined, `${path} is compiled`);
  return result.script.image;
}

const folder = mkdtempSync(join(tmpdir(), "metanet-clang-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Instructions of what clang makes of a source. */
function clangCount(source: string): number {
  const object = join(folder, `${source}.o`);
  const code = join(folder, `${source}.code`);
  const options = ["-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"];
  execFileSync("clang", [...options, "-c", join(PEERS, source), "-o", object]);
  execFileSync("llvm-objcopy", ["-O", "binary", "--only-section=program", object, code]);
  return statSync(code).size / INSTRUCTION_BYTES;
}

function missing(): string | false {
  const found = ["clang", "llvm-objcopy"].every((name) => spawnSync(name, ["--version"]).status === 0);
  return found ? false : "clang and llvm are not installed: node tool/setup.mjs test installs them";
}

describe("emitProgram() and clang -O2", { skip: missing() }, () => {
  for (const { source, program } of CASES) {
    it(`need about as many instructions for ${source}`, (context) => {
      const ours = program().instructions.length / INSTRUCTION_BYTES;
      const theirs = clangCount(source);
      context.diagnostic(`${source}: ours ${ours}, clang ${theirs}, ${(ours / theirs).toFixed(2)}`);
      assert(ours <= theirs * RATIO_MAX, `ours ${ours}, clang ${theirs}`);
    });
  }
});
