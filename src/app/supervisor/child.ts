/**
 * A service as a child process: started with its configuration on standard input, ready when it writes to
 * descriptor 3, its messages on standard error.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { readLines } from "../cli/lines.ts";
import { LOG_LINE_BYTES_MAX, type LogSink } from "./log.ts";

export interface ChildOptions {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Written to its standard input as one line. */
  readonly input: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: LogSink;
  readonly onReady: () => void;
  /** `code` is `undefined` when a signal ended it, or it could not be started. */
  readonly onExit: (code: number | undefined, how: string) => void;
}

export class Child {
  readonly #process: ChildProcess;

  constructor(options: ChildOptions) {
    const [program, ...args] = options.command;
    const child = spawn(program, args, {
      stdio: ["pipe", "ignore", "pipe", "pipe"],
      env: { ...options.environment },
    });
    this.#process = child;
    const [input, , messages, ready] = child.stdio as unknown as [Writable, null, Readable, Readable];
    // It may end before it has read everything; how it ended is what matters then.
    input.on("error", () => undefined);
    // It stays open: its end tells the service that its supervisor is gone.
    input.write(`${options.input}\n`);
    ready.once("data", options.onReady);
    ready.on("error", () => undefined);
    const drained = readLines(messages, LOG_LINE_BYTES_MAX, {
      line: (line) => options.log(options.name, line),
      tooLong: () =>
        options.log(options.name, `a message of more than ${LOG_LINE_BYTES_MAX} bytes was left out`),
    }).catch(() => undefined);
    let told = false;
    const end = (code: number | undefined, how: string): void => {
      if (told) return;
      told = true;
      options.onExit(code, how);
    };
    child.on("error", (error) => end(undefined, error.message));
    child.on("exit", (code, signal) => {
      // Its last words come first; a grandchild that keeps the pipe open must not hold up the restart.
      const patience = new Promise((resolve) => setTimeout(resolve, 200).unref());
      void Promise.race([drained, patience]).then(() =>
        end(code ?? undefined, signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
  }

  /** `undefined` when it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.kill(signal);
  }
}
