/**
 * Programs of the machine, run with argument arrays and never through a shell. A program that fails becomes one
 * error with the command, what it said and what to do about it.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { UnavailableError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { seconds } from "#base/time.ts";

/** Output kept of one program; what comes after it is dropped. */
export const OUTPUT_BYTES_MAX: number = 1024 * 1024;

/** A program of the machine could not be started, failed, or took too long. */
export class CommandFailedError extends UnavailableError {
  override readonly code: string = "lab-command-failed";
  readonly commandLine: string;
  readonly stderr: string;
  constructor(commandLine: string, seen: string, stderr: string, fix: string | undefined) {
    const said = stderr.trim() === "" ? "it printed no error" : `it printed "${stderr.trim().slice(-600)}"`;
    super(`Cannot run "${commandLine}": ${seen}; ${said}${fix ? `. ${fix}` : ""}`);
    this.commandLine = commandLine;
    this.stderr = stderr;
  }
}

export interface RunOptions {
  /** Text for standard input; without it the program reads end of file. */
  readonly input?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The program is killed after this long; 20 s unless told. */
  readonly timeout?: Duration | undefined;
  /** Exit codes that are no failure; `"any"` includes a program killed by its time-out. */
  readonly accept?: readonly number[] | "any" | undefined;
  /** A sentence for the reader of the error. */
  readonly fix?: string | undefined;
}

/** What a finished program left. */
export interface RunResult {
  readonly commandLine: string;
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + signal number when a signal ended it, as shells count. */
  readonly code: number;
  readonly timedOut: boolean;
}

/**
 * The environment of every program of the lab: system folders are on the path (a user's often lacks them), words
 * are English, so that what is printed can be read back, and no proxy of the user's is asked.
 */
export function labEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !/^(https?|all|no)_proxy$/i.test(entry[0]),
    ),
  );
  const path = [kept.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].join(":");
  return { ...kept, PATH: path, LC_ALL: "C.UTF-8", ...extra };
}

/** One printable line; words that a shell would split or read otherwise are quoted. */
export function commandLine(command: string, args: readonly string[]): string {
  const quoted = (word: string): string =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  return [command, ...args].map(quoted).join(" ");
}

/**
 * Runs a program to its end, in its own process group so that Ctrl-C reaches the lab and not the half-done step.
 * @throws CommandFailedError when it cannot be started, exits with a code outside `accept`, or takes too long
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const line = commandLine(command, args);
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const child = spawn(command, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: labEnvironment(options.env),
  });
  const stdout = collect(child, "stdout");
  const stderr = collect(child, "stderr");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid, "SIGKILL");
  }, options.timeout ?? seconds(20));
  child.once("error", (cause) => {
    clearTimeout(timer);
    reject(new CommandFailedError(line, `it could not be started (${cause.message})`, "", options.fix));
  });
  child.once("close", (exitCode, signal) => {
    clearTimeout(timer);
    const code = exitCode ?? 128 + (signal ? constants.signals[signal] : 0);
    const accept = options.accept ?? [0];
    if (accept === "any" || (!timedOut && accept.includes(code))) {
      resolve({ commandLine: line, stdout: stdout(), stderr: stderr(), code, timedOut });
      return;
    }
    const seen = timedOut ? `it ran longer than ${options.timeout ?? seconds(20)} ms` : `exit code ${code}`;
    reject(new CommandFailedError(line, seen, stderr() || stdout(), options.fix));
  });
  child.stdin?.on("error", () => {
    // The program ended without reading its input: its exit code tells the rest.
  });
  child.stdin?.end(options.input ?? "");
  return promise;
}

/** Ends a program and what it started; a group that is gone already is fine. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group is gone, which is what was wanted.
  }
}

function collect(child: ChildProcess, name: "stdout" | "stderr"): () => string {
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  child[name]?.on("data", (chunk: Uint8Array) => {
    if (lengthBytes < OUTPUT_BYTES_MAX) chunks.push(chunk);
    lengthBytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8").slice(0, OUTPUT_BYTES_MAX);
}
