/**
 * A program that runs as long as the lab: its output goes to a log file and to whoever waits for a line, and it
 * is stopped by a polite signal first.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Duration } from "#base/time.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { CommandFailedError, commandLine, killGroup, labEnvironment } from "./command-line.ts";

/** Lines kept for {@link LabProcess.line}; older ones are dropped (the log file has them all). */
export const LINE_COUNT_MAX: number = 2000;

/** How long after a program's end its last output is waited for. */
const DRAIN: Duration = milliseconds(300);

export interface StartOptions {
  /** What the log and the errors call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export class LabProcess {
  readonly name: string;
  readonly commandLine: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();
  readonly #ended: Promise<void>;
  #exit: string | undefined;

  /** @throws CommandFailedError when the program cannot be started */
  static start(options: StartOptions): Promise<LabProcess> {
    const { promise, resolve, reject } = Promise.withResolvers<LabProcess>();
    const child = spawn(options.command, options.args, {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: labEnvironment(options.env),
    });
    child.once("error", (cause) => {
      const line = commandLine(options.command, options.args);
      reject(new CommandFailedError(line, `it could not be started (${cause.message})`, "", undefined));
    });
    child.once("spawn", () => resolve(new LabProcess(options, child, child.pid ?? 0)));
    return promise;
  }

  private constructor(options: StartOptions, child: ChildProcess, pid: number) {
    this.name = options.name;
    this.commandLine = commandLine(options.command, options.args);
    this.pid = pid;
    this.#child = child;
    this.#log = createWriteStream(options.logFile, { flags: "a" });
    this.#log.on("error", () => {
      // A log that cannot be written must not end the lab; the lines are in memory as well.
    });
    this.#read("stdout");
    this.#read("stderr");
    child.stdin?.on("error", () => {
      // The program closed its input: writing to it is a no-op from now on.
    });
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#exit = signal ? `ended by ${signal}` : `exit code ${code}`;
        // "close" follows when the output is read; a grandchild that keeps the pipe must not hold the lab up.
        const finish = (): void => {
          clearTimeout(timer);
          this.#log.end();
          resolve();
        };
        const timer = setTimeout(finish, DRAIN);
        child.once("close", finish);
      });
    });
  }

  /** How it ended, or undefined while it runs. */
  get exit(): string | undefined {
    return this.#exit;
  }

  /** The last lines it printed, for error messages. */
  tail(count: number = 5): string {
    return this.#lines.slice(-count).join("\n");
  }

  /** Calls `listener` with every line printed from now on, until the returned function is called. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes one line to its standard input. */
  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /**
   * The first line that matches, among those already printed or still to come.
   * @throws CommandFailedError when it ends, or `timeout` passes, before such a line
   */
  line(pattern: RegExp, timeout: Duration): Promise<string> {
    const seen = this.#lines.find((line) => pattern.test(line));
    return seen === undefined ? this.nextLine(pattern, timeout) : Promise.resolve(seen);
  }

  /**
   * The first line that matches among those still to come.
   * @throws CommandFailedError as {@link LabProcess.line}
   */
  nextLine(pattern: RegExp, timeout: Duration): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const fail = (what: string): void =>
      reject(new CommandFailedError(this.commandLine, what, this.tail(), undefined));
    const timer = setTimeout(() => fail(`no line like ${pattern} within ${timeout} ms`), timeout);
    const off = this.onLine((line) => {
      if (pattern.test(line)) resolve(line);
    });
    void this.#ended.then(() => fail(`${this.#exit ?? "it ended"} before a line like ${pattern}`));
    return promise.finally(() => {
      clearTimeout(timer);
      off();
    });
  }

  kill(signal: NodeJS.Signals): void {
    killGroup(this.pid, signal);
  }

  /** Resolves when the program has ended and its output is read. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** SIGTERM, then SIGKILL for what is still there after `grace`. */
  async stop(grace: Duration = seconds(5)): Promise<void> {
    if (this.#exit !== undefined) return;
    this.kill("SIGTERM");
    const abort = new AbortController();
    await Promise.race([this.#ended, pause(grace, undefined, { signal: abort.signal }).catch(() => {})]);
    abort.abort();
    if (this.#exit === undefined) this.kill("SIGKILL");
    await this.#ended;
  }

  #read(name: "stdout" | "stderr"): void {
    let rest = "";
    this.#child[name]?.setEncoding("utf8").on("data", (text: string) => {
      this.#log.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#accept(line);
    });
    this.#child[name]?.on("end", () => {
      if (rest !== "") this.#accept(rest);
    });
  }

  #accept(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINE_COUNT_MAX) this.#lines.shift();
    for (const listener of [...this.#listeners]) listener(line);
  }
}
