/**
 * Runs one test file in a process group of its own and tells what became of it. Nothing is trusted that was
 * not reported: a file that crashed, hung, ended in the middle or held no test is a failure, whatever its
 * exit code says.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { dirname, join } from "node:path";
import type { Outcome } from "./event-lines.ts";

/** A test that failed, or a whole file that did; what was thrown or printed is `text`. */
export interface Failure {
  readonly name: string;
  readonly text: string;
}

/** What one test file came to. */
export interface FileResult {
  /** Relative to the checkout. */
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Tests left out, with the reason as text. */
  readonly skips: readonly Failure[];
  readonly durationMs: number;
  /** What the file printed, at most {@link OUTPUT_LENGTH_MAX} characters. */
  readonly output: string;
}

/** How to run a file. */
export interface RunOptions {
  readonly root: string;
  /** The file is ended after this time and has failed. */
  readonly timeoutMs: number;
  /** Only the tests whose name contains this. */
  readonly name: string | undefined;
  /** It comes before other files where both want a core. */
  readonly isFirst: boolean;
}

/** Characters of a file's output that are kept. */
const OUTPUT_LENGTH_MAX = 32_768;

const running = new Set<ChildProcess>();

/** Ends every file that is running, with all its children. */
export function endRunningFiles(signal: NodeJS.Signals): void {
  for (const child of running) endGroup(child, signal);
}

/** Runs a file, given relative to `root`. */
export async function runFile(file: string, options: RunOptions): Promise<FileResult> {
  const report = join(options.root, ".cache/test", `${file.replaceAll("/", "__")}.${process.pid}.jsonl`);
  mkdirSync(dirname(report), { recursive: true });
  const startedAt = performance.now();
  const { output, end } = await runProcess(file, report, options);
  const outcomes = readOutcomes(report);
  rmSync(report, { force: true });
  const of = (kind: Outcome["kind"]): Outcome[] => outcomes.filter((outcome) => outcome.kind === kind);
  const failures: Failure[] = of("failed");
  const ran = of("passed").length + failures.length + of("skipped").length;
  const notes = of("note").map((note) => note.text);
  // A failed test makes the file exit with 1; any other end says something that no test did.
  if (end !== "exit 0" && (failures.length === 0 || end !== "exit 1")) {
    failures.push({ name: `the file itself: ${end}`, text: notes.join("\n") });
  } else if (of("summary").length === 0) {
    failures.push({ name: "the file itself: ended before its tests had run", text: "" });
  } else if (ran === 0 && options.name === undefined) {
    failures.push({ name: "the file itself: holds no test", text: "" });
  }
  const durationMs = performance.now() - startedAt;
  return { file, passed: of("passed").length, failures, skips: of("skipped"), durationMs, output };
}

/** Answers `exit CODE`, `killed by SIGNAL` or that the time was over. */
function runProcess(
  file: string,
  report: string,
  options: RunOptions,
): Promise<{ output: string; end: string }> {
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  // A test starts many programs of one checkout: compiled once for all, each is there in half the time.
  const env = { NODE_COMPILE_CACHE: join(options.root, ".cache/node"), ...own };
  const reporter = ["--test-reporter", join(import.meta.dirname, "event-lines.ts")];
  const words = [...reporter, "--test-reporter-destination", report, "--conditions=metanet-source"];
  if (options.name !== undefined) words.push("--test-name-pattern", options.name);
  const child = spawn(process.execPath, [...words, file], {
    cwd: options.root,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  if (options.isFirst && child.pid !== undefined) putFirst(child.pid);
  let output = "";
  let late = false;
  const keep = (text: string): void => {
    output = (output + text).slice(0, OUTPUT_LENGTH_MAX);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const timer = setTimeout(() => {
    late = true;
    endGroup(child, "SIGKILL");
  }, options.timeoutMs);
  return new Promise((resolve) => {
    // A child of the test that holds the pipes open must not hold up the run: "exit", not "close".
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      endGroup(child, "SIGKILL");
      const end = signal === null ? `exit ${code}` : `killed by ${signal}`;
      setImmediate(() =>
        resolve({ output, end: late ? `not over after ${options.timeoutMs / 1000} s` : end }),
      );
    });
  });
}

/** Niceness, from -20 to 19: three times the processor's time that somebody at 0 gets beside it. */
const FIRST = -5;

/** What the process starts comes first as it does. Only root may. */
function putFirst(pid: number): void {
  try {
    setPriority(pid, FIRST);
    // Where each session has its share of the processor, niceness holds within the session, and its own is here: sched(7).
    const session = `/proc/${pid}/autogroup`;
    if (existsSync(session)) writeFileSync(session, String(FIRST));
  } catch {
    // It has ended, or the machine forbids it: then all are the same.
  }
}

/** The file's process and every process it left behind in its group. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // Nothing is left of the group.
  }
}

function readOutcomes(report: string): Outcome[] {
  if (!existsSync(report)) return [];
  const lines = readFileSync(report, "utf8").split("\n");
  // A file killed while it wrote may leave half a line behind.
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line));
}
