/**
 * Runs the tests: `npm test [-- WORD … --name TEXT --list]`. Files run side by side, the longest first: one for each
 * core, and at the same time those below test/lab, {@link LAB_COUNT} at once and before the others where both want
 * a core, as they mostly wait and watch the clock. Those that say `@serial` in their opening comment run alone,
 * afterwards.
 * A WORD keeps the files whose path contains it, `--name` the tests whose name does. `--again` runs a file that failed
 * once more, alone, and names it as unsteady if it passes then: for machines that others load as well.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { needsOwnRoot, startAgainInOwnRoot } from "../src/app/lab/own-root.ts";
import { KnownDurations } from "./test/durations.ts";
import { isHidden, startAgainInPlainSight } from "./test/plain-sight.ts";
import { closingReport, count, fileReport } from "./test/report.ts";
import { endRunningFiles, type FileResult, runFile } from "./test/run-file.ts";

const CHECKOUT = join(import.meta.dirname, "..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: "string" },
    list: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    // Writes down how long the files took, for the order of the next runs.
    durations: { type: "boolean", default: false },
    // In seconds, for each file.
    timeout: { type: "string" },
    root: { type: "string", default: CHECKOUT },
  },
});
const root: string = resolve(values.root);

/** Long enough for the longest file on a slow machine that has other things to do as well; seconds. */
const TIMEOUT = 400;
/** Files of the lab at once: together they keep one core busy. */
const LAB_COUNT = 2;
/** When more files fail than these, it is not the machine. */
const AGAIN_COUNT_MAX = 3;

/** Every *.test.ts below a folder, relative to the checkout, without what others made. */
function testFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || ["node_modules", "dist"].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

/** How a file runs. */
type Lane = "core" | "lab" | "alone";

function laneOf(file: string): Lane {
  const [opening] = readFileSync(join(root, file), "utf8").split("*/");
  if (opening?.startsWith("/**") === true && opening.includes("@serial")) return "alone";
  return file.startsWith("test/lab/") ? "lab" : "core";
}

/** Runs files, so many at once. */
async function runAll(
  files: readonly string[],
  { atOnce, isFirst = false }: { readonly atOnce: number; readonly isFirst?: boolean },
  results: FileResult[],
): Promise<void> {
  const waiting = files.values();
  const options = { root, timeoutMs: Number(values.timeout ?? TIMEOUT) * 1000, name: values.name, isFirst };
  const worker = async (): Promise<void> => {
    // The workers share one iterator: each takes the next file that nobody has.
    for (const file of waiting) {
      const result = await runFile(file, options);
      results.push(result);
      process.stdout.write(fileReport(result, root));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Puts the outcome of a second run in the place of a failure; answers the files that have passed only then. */
async function runAgain(results: FileResult[]): Promise<string[]> {
  const failed = results.filter((result) => result.failures.length > 0).map(({ file }) => file);
  if (failed.length > AGAIN_COUNT_MAX) return [];
  const unsteady: string[] = [];
  for (const file of failed) {
    process.stdout.write(`Again: ${file}\n`);
    const second: FileResult[] = [];
    await runAll([file], { atOnce: 1, isFirst: true }, second);
    const [result] = second;
    if (result === undefined || result.failures.length > 0) continue;
    results[results.findIndex((first) => first.file === file)] = result;
    unsteady.push(file);
  }
  return unsteady;
}

async function main(): Promise<number> {
  if (!values.list) {
    if (needsOwnRoot()) startAgainInOwnRoot();
    if (isHidden(CHECKOUT)) startAgainInPlainSight(CHECKOUT, "tool/test.ts", process.argv.slice(2));
  }
  const wanted = testFiles("").filter(
    (file) => positionals.length === 0 || positionals.some((word) => file.includes(word)),
  );
  const known = new KnownDurations(root);
  const inLane = (lane: Lane): string[] => known.longestFirst(wanted.filter((file) => laneOf(file) === lane));
  const [core, lab, alone] = [inLane("core"), inLane("lab"), inLane("alone")];
  if (values.list) {
    for (const file of [...core, ...lab, ...alone].sort()) process.stdout.write(`${file}\n`);
    return 0;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      endRunningFiles(signal);
      process.exitCode = 130;
      setTimeout(() => process.exit(130), 2000).unref();
    });
  }
  const startedAt = performance.now();
  const results: FileResult[] = [];
  await Promise.all([
    runAll(lab, { atOnce: LAB_COUNT, isFirst: true }, results),
    runAll(core, { atOnce: availableParallelism() }, results),
  ]);
  await runAll(alone, { atOnce: 1, isFirst: true }, results);
  const unsteady = values.again ? await runAgain(results) : [];
  if (values.durations) known.keep(results);
  process.stdout.write(closingReport(results, performance.now() - startedAt, unsteady));
  const { passed, failed } = count(results);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// Whoever reads only the first lines has read enough.
process.stdout.on("error", () => undefined);
process.exitCode = await main();
