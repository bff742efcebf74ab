/**
 * Runs the tests: `npm test [-- WORD … --name TEXT --list]`. Files run side by side, one for each core;
 * those below test/lab and those that say `@serial` in their opening comment run alone, afterwards.
 * A WORD keeps the files whose path contains it, `--name` the tests whose name does. `--again` runs a file that failed
 * once more, alone, and names it as unsteady if it passes then: for machines that others load as well.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { needsOwnRoot, startAgainInOwnRoot } from "../src/app/lab/own-root.ts";
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
    // In seconds, for each file.
    timeout: { type: "string" },
    root: { type: "string", default: CHECKOUT },
  },
});
const root: string = resolve(values.root);

/** Long enough for what stands beside a source, and for the stories of the lab, on a slow machine; seconds. */
const TIMEOUT = 120;
const TIMEOUT_ALONE = 300;
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

function runsAlone(file: string): boolean {
  if (file.startsWith("test/lab/")) return true;
  const [opening] = readFileSync(join(root, file), "utf8").split("*/");
  return opening?.startsWith("/**") === true && opening.includes("@serial");
}

async function runAll(
  files: readonly string[],
  { concurrency, timeout }: { readonly concurrency: number; readonly timeout: number },
  results: FileResult[],
): Promise<void> {
  const waiting = files.values();
  const options = { root, timeoutMs: Number(values.timeout ?? timeout) * 1000, name: values.name };
  const worker = async (): Promise<void> => {
    // The workers share one iterator: each takes the next file that nobody has.
    for (const file of waiting) {
      const result = await runFile(file, options);
      results.push(result);
      process.stdout.write(fileReport(result, root));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** Puts the outcome of a second run in the place of a failure; answers the files that have passed only then. */
async function runAgain(results: FileResult[]): Promise<string[]> {
  const failed = results.filter((result) => result.failures.length > 0).map(({ file }) => file);
  if (failed.length > AGAIN_COUNT_MAX) return [];
  const unsteady: string[] = [];
  for (const file of failed) {
    process.stdout.write(`Again: ${file}\n`);
    const second: FileResult[] = [];
    await runAll([file], { concurrency: 1, timeout: TIMEOUT_ALONE }, second);
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
  const alone = wanted.filter(runsAlone);
  const together = wanted.filter((file) => !alone.includes(file));
  if (values.list) {
    for (const file of [...together, ...alone]) process.stdout.write(`${file}\n`);
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
  await runAll(together.sort(), { concurrency: availableParallelism(), timeout: TIMEOUT }, results);
  await runAll(alone.sort(), { concurrency: 1, timeout: TIMEOUT_ALONE }, results);
  const unsteady = values.again ? await runAgain(results) : [];
  process.stdout.write(closingReport(results, performance.now() - startedAt, unsteady));
  const { passed, failed } = count(results);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// Whoever reads only the first lines has read enough.
process.stdout.on("error", () => undefined);
process.exitCode = await main();
