/**
 * The command line's way to packetd: the one that runs, or one that is started for the purpose.
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";
import { seconds } from "#base/time.ts";
import { DeniedError, PeerGoneError } from "#mailbox/errors.ts";
import type { Node } from "../node.ts";
import { replaceOwnFile } from "../own-file.ts";
import {
  makeSystemRunDirectory,
  processNames,
  requireReadable,
  runDirectory,
  SYSTEM_RUN_DIRECTORY,
} from "../run-directory.ts";
import { readState } from "../supervisor/state-file.ts";
import { startInBackground } from "./background.ts";
import { withBus } from "./bus.ts";
import type { Terminal } from "./terminal.ts";

/** A packetd that has just started answers when it has loaded what it is to load. */
const START_TIMEOUT = seconds(20);

/** Scripts of an author lie in a home or a temporary folder, where the services' user may not look. */
const SECTION = "packetd: { reads-all: true }";

/** The configuration of a packetd that nobody configured, in its run directory. */
export function ownConfiguration(directory: string): string {
  return join(directory, "packetd.yaml");
}

/**
 * Runs `action` on the bus where packetd is.
 * @throws PeerGoneError that says how one is started.
 */
export async function withPacketd<T>(action: (bus: Node) => Promise<T>): Promise<T> {
  const directory = runDirectory();
  requireReadable(directory);
  if (!processNames(directory).includes("packetd")) throw gone(directory);
  try {
    return await withBus(action);
  } catch (error) {
    if (error instanceof PeerGoneError) throw gone(directory, error);
    throw error;
  }
}

function gone(directory: string, cause?: unknown): PeerGoneError {
  const fix = "`sudo metanet script load` starts one";
  return new PeerGoneError(`Cannot reach packetd: none runs in ${directory}; ${fix}`, { cause });
}

/**
 * Makes sure that there is a packetd, and says in one line when it has been started.
 * @throws DeniedError without root; ConfigurationError when a gateway without packetd has the run directory.
 */
export async function ensurePacketd(terminal: Terminal): Promise<void> {
  const directory = runDirectory();
  requireReadable(directory);
  if (await answers(directory)) return;
  if (process.geteuid?.() !== 0) {
    throw new DeniedError(
      `Cannot load: no packetd runs in ${directory}, and only root may start one; run the same command with sudo`,
    );
  }
  refuseOtherGateway(directory);
  makeSystemRunDirectory(directory);
  const { file, log } = writeConfiguration(directory);
  const pid = await startInBackground({ file, log });
  terminal.note(
    `Started packetd in the background (process ${pid}, log ${log}); end it with \`metanet down\``,
  );
}

/** Whether packetd is there; a socket that a killed one left is not. */
async function answers(directory: string): Promise<boolean> {
  if (!processNames(directory).includes("packetd")) return false;
  try {
    await withBus((bus) =>
      bus.call("packetd:/packetd/script/list", { limit: 1 }, { timeout: START_TIMEOUT }),
    );
    return true;
  } catch (error) {
    if (error instanceof PeerGoneError) return false;
    throw error;
  }
}

/** @throws ConfigurationError when a supervisor has the run directory: it would not let a second one in. */
export function refuseOtherGateway(directory: string): void {
  const state = readState(directory);
  if (!state) return;
  if (state.services.some(({ name }) => name === "packetd")) {
    const fix = "it is starting or failing: look with `metanet status`, and try again";
    throw new PeerGoneError(
      `Cannot reach packetd: ${state.configuration} runs it, and it does not answer; ${fix}`,
    );
  }
  const fix = `write \`packetd: {}\` into that file, then metanet down and up`;
  throw new ConfigurationError(
    `Cannot start packetd: process ${state.pid} runs ${state.configuration} in ${directory}, without packetd; ${fix}`,
  );
}

function writeConfiguration(directory: string): { file: string; log: string } {
  const file = ownConfiguration(directory);
  const isSystem = directory === SYSTEM_RUN_DIRECTORY;
  // Scripts that are to stay belong to a run directory: another one may serve another network namespace.
  const state = isSystem ? "/var/lib/metanet" : join(directory, "state");
  mkdirSync(state, { recursive: true, mode: 0o755 });
  const lines = [`run: ${JSON.stringify(directory)}`, `state: ${JSON.stringify(state)}`, SECTION];
  replaceOwnFile(file, `# Written by \`metanet script load\`.\n${lines.join("\n")}\n`);
  return { file, log: join(directory, "packetd.log") };
}
