/**
 * `metanet up` in a session of its own, for commands that return when it runs.
 * @module
 */
import { spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { UnavailableError } from "#base/errors.ts";

/** The descriptor on which a gateway in the background says that it is up. */
export const READY_DESCRIPTOR = 3;

/** This program's entry, whether it runs from source or compiled. */
export function mainFile(): string {
  return join(import.meta.dirname, `main${extname(import.meta.filename)}`);
}

export interface BackgroundOptions {
  /** The configuration. */
  readonly file: string;
  readonly log: string;
  readonly single?: boolean;
}

/**
 * Starts the services of a configuration and waits until all are ready.
 * @returns the supervisor's process.
 * @throws UnavailableError when it ends instead; the log says why.
 */
export async function startInBackground({ file, log, single = false }: BackgroundOptions): Promise<number> {
  mkdirSync(dirname(log), { recursive: true });
  // What it says before it can open its log by itself, such as that somebody else runs here.
  const errors = openSync(`${log}.errors`, "w", 0o640);
  const args = ["up", file, "--log", log, "--tell-ready", ...(single ? ["--single"] : [])];
  const child = spawn(process.execPath, [mainFile(), ...args], {
    detached: true,
    stdio: ["ignore", errors, errors, "pipe"],
  });
  const ready = child.stdio[READY_DESCRIPTOR] as NodeJS.ReadableStream & { destroy(): void };
  const { promise, resolve: settle } = Promise.withResolvers<number | null | "up">();
  ready.once("data", () => settle("up"));
  child.once("exit", settle);
  child.once("error", () => settle(null));
  const result = await promise;
  if (result !== "up") {
    throw new UnavailableError(
      `Cannot start in the background: it ended with exit code ${result}; read ${log} and ${log}.errors`,
    );
  }
  ready.destroy();
  child.unref();
  return child.pid ?? 0;
}
