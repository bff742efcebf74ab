/**
 * Runs the compiler over every layer, and explains the errors that are about the direction or the purity of
 * layers: `node tool/typecheck.ts [--root FOLDER]`.
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { explain, parseComplaints } from "./layer/explain.ts";
import { readLayers } from "./layer/layers.ts";

const { values } = parseArgs({
  options: { root: { type: "string", default: join(import.meta.dirname, "..") } },
});
const compiler = join(import.meta.dirname, "../node_modules/typescript/bin/tsc");
const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, "-b", "--pretty", "false"], {
  cwd: values.root,
  encoding: "utf8",
});
// Whoever reads only the first lines has read enough.
process.stdout.on("error", () => undefined);
const sentences = explain(parseComplaints(stdout, values.root), readLayers(values.root), (file) =>
  readFileSync(join(values.root, file), "utf8"),
);
for (const sentence of sentences) process.stdout.write(`${sentence}\n`);
// Output that is no error of the compiler's is a failure of the compiler itself.
if (status !== 0 && sentences.length === 0) process.stdout.write(`${stdout}${stderr}\n`);
process.exitCode = status === 0 ? 0 : 1;
