/**
 * Programs that clang made of C, at traffic control of the measurements' router.
 * `router-c.ts OBJECT [SECTION tcx-ingress|tcx-egress INTERFACE]…`; says `ready`, and detaches when it is told to end.
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { KernelProgramType } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { native } from "#linux/native.ts";

const WORDS_PER_PROGRAM = 3;

const [object = "", ...words] = process.argv.slice(2);
const kernel = new LinuxKernelPrograms();
for (let at = 0; at < words.length; at += WORDS_PER_PROGRAM) {
  const [name = "", kind = "", device = ""] = words.slice(at, at + WORDS_PER_PROGRAM);
  const type = kind as Extract<KernelProgramType, "tcx-ingress" | "tcx-egress">;
  const raw = `${object}.${name}`;
  execFileSync("llvm-objcopy", ["-O", "binary", `--only-section=${name}`, object, raw]);
  const image = { name, type, instructions: readFileSync(raw), relocations: [], maps: [], lines: [] };
  const program = kernel.load(image, new Map());
  program.attach({ kind: type, interfaceIndex: native().interfaceIndex(device) });
}
process.once("SIGTERM", () => process.exit(0));
// Links go with the process.
setInterval(() => {}, 60_000);
process.stdout.write("ready\n");
