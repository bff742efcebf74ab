/**
 * Runs the real `metanet` command in a run directory of the test's own.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export const ROOT: string = join(import.meta.dirname, "../..");
export const LAUNCHER: string = join(ROOT, "bin/metanet");

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A command that goes on until it is ended. */
export interface Running {
  readonly process: ChildProcess;
  /** Resolves when standard output or error has the text; rejects when the command ends without it. */
  readonly said: (text: string) => Promise<void>;
  readonly ended: Promise<Outcome>;
}

/** A folder that is gone after the test; short, because socket paths have 107 bytes at the most. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mn-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts `metanet ARGS` with `run` as its run directory. */
export function start(run: string, args: readonly string[], before: readonly string[] = []): Running {
  const [program = process.execPath, ...rest] = [...before, process.execPath, LAUNCHER, ...args];
  const child = spawn(program, rest, { env: { ...process.env, METANET_RUN: run, NO_COLOR: "1" } });
  let out = "";
  let err = "";
  const watchers: (() => void)[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    for (const watch of watchers) watch();
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        if (out.includes(text) || err.includes(text)) resolve();
      };
      watchers.push(watch);
      watch();
      void ended.then(() => reject(new Error(`ended without saying '${text}':\n${out}\n${err}`)));
    });
  return { process: child, said, ended };
}

/** Runs `metanet ARGS` to its end. */
export async function run(directory: string, args: readonly string[], input = ""): Promise<Outcome> {
  const { process: child, ended } = start(directory, args);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return await ended;
}
