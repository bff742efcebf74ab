/**
 * `RUN/supervisor.json`: who supervises this run directory and what its services do, for `status` and `down`. The
 * file is the lock as well: while its process lives, nobody else may start services there.
 * @module
 */
import { linkSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { createOwnFile, readOwnFile, replaceOwnFile } from "../own-file.ts";
import { requireReadable } from "../run-directory.ts";
import type { ServiceState } from "./supervision.ts";

/** What the file holds; times are milliseconds since 1970. */
export interface SupervisorState {
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's, so that a pid used again is not taken for it. */
  readonly startTicks: number;
  readonly since: number;
  readonly configuration: string;
  readonly single: boolean;
  readonly services: readonly {
    readonly name: string;
    readonly pid: number | undefined;
    readonly state: ServiceState;
    readonly restarts: number;
    readonly since: number;
  }[];
}

export function stateFile(directory: string): string {
  return join(directory, "supervisor.json");
}

/** What supervises a run directory; `undefined` when nothing does, a file left by a dead process included. */
export function readState(directory: string): SupervisorState | undefined {
  requireReadable(directory);
  let text: string | undefined;
  try {
    text = readOwnFile(stateFile(directory));
  } catch (cause) {
    throw new UnavailableError(`Cannot read ${stateFile(directory)}: ${String(cause)}`, { cause });
  }
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as SupervisorState;
  return startTicksOf(state.pid) === state.startTicks ? state : undefined;
}

/**
 * Takes the run directory for the process in `state`.
 * @throws ConfigurationError when another one has it.
 */
export function claim(directory: string, state: SupervisorState): void {
  const file = stateFile(directory);
  const own = `${file}.${process.pid}`;
  rmSync(own, { force: true });
  createOwnFile(own, render(state));
  try {
    // link() fails where the name exists, so of two that start at once one wins.
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(own, file);
        return;
      } catch (cause) {
        const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
        const other = code === "EEXIST" ? readState(directory) : undefined;
        if (code !== "EEXIST" || attempt > 0) throw cause;
        if (other) {
          const fix = "stop it with `metanet down`, or use another `run:` in the configuration";
          throw new ConfigurationError(
            `Cannot start in ${directory}: process ${other.pid} runs ${other.configuration} there; ${fix}`,
          );
        }
        rmSync(file, { force: true });
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** Replaces the file in one step: a reader sees the old one or the new one. */
export function writeState(directory: string, state: SupervisorState): void {
  replaceOwnFile(stateFile(directory), render(state));
}

export function removeState(directory: string): void {
  rmSync(stateFile(directory), { force: true });
}

/** When a process started (proc(5), /proc/PID/stat field 22); `undefined` when there is none. */
export function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets and may hold blanks and brackets itself.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : Number(fields[18]);
  } catch {
    return undefined;
  }
}

function render(state: SupervisorState): string {
  return `${JSON.stringify(state, undefined, 2)}\n`;
}
