/**
 * Runs the compiler over every layer, and explains the errors that are about the direction or the purity of
 * layers: `node tool/typecheck.ts [--sources] [--root FOLDER]`. `--sources` leaves out tests, tools and examples.
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { explain, parseComplaints } from "./layer/explain.ts";
import { projectsOf, readLayers } from "./layer/layers.ts";

const { values } = parseArgs({
  options: {
    root: { type: "string", default: join(import.meta.dirname, "..") },
    sources: { type: "boolean", default: false },
  },
});
const layers = readLayers(values.root);
const projects = Object.keys(layers).flatMap((name) => projectsOf(values.root, layers, name));
const chosen = values.sources ? projects.map((project) => join("src", project)) : [];
const compiler = join(import.meta.dirname, "../node_modules/typescript/bin/tsc");
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [compiler, "-b", ...chosen, "--pretty", "false"],
  {
    cwd: values.root,
    encoding: "utf8",
  },
);
// Whoever reads only the first lines has read enough.
process.stdout.on("error", () => undefined);
const sentences = explain(parseComplaints(stdout, values.root), layers, (file) =>
  readFileSync(join(values.root, file), "utf8"),
);
for (const sentence of sentences) process.stdout.write(`${sentence}\n`);
// Output that is no error of the compiler's is a failure of the compiler itself.
if (status !== 0 && sentences.length === 0) process.stdout.write(`${stdout}${stderr}\n`);
process.exitCode = status === 0 ? 0 : 1;
