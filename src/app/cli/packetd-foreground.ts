/**
 * Packetd in the command line's own process, for as long as the command runs.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { DeniedError } from "#mailbox/errors.ts";
import { parseConfiguration } from "../config/read.ts";
import type { Node } from "../node.ts";
import { processNames, runDirectory } from "../run-directory.ts";
import { serviceLogger } from "../service/child-main.ts";
import { startPacketd } from "../service/packetd.ts";
import { plainLog, terminalLog } from "../supervisor/log.ts";
import type { Terminal } from "./terminal.ts";

/** A packetd that ends with this process. */
export interface Foreground {
  /** Its bus: `/packetd/…` without a process's name is here. */
  readonly bus: Node;
  /** Unloads everything. */
  stop(): Promise<void>;
}

/**
 * Starts it; this process is the services' user from then on.
 * @throws DeniedError without root; ConfigurationError when another packetd runs in the run directory.
 */
export async function startForeground(terminal: Terminal, json: boolean): Promise<Foreground> {
  if (process.geteuid?.() !== 0) {
    throw new DeniedError("Cannot load: only root may run packet scripts; run the same command with sudo");
  }
  const run = runDirectory();
  const log =
    terminal.interactive && !json ? terminalLog(terminal.note, terminal.colour) : plainLog(terminal.note);
  const logger = serviceLogger("packetd", "warn", { write: (line) => log("packetd", line.trimEnd()) });
  const configuration = parseConfiguration("packetd.yaml", "packetd: { reads-all: true }");
  const undos: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const undo of undos.splice(0).reverse()) await undo();
  };
  const context = { name: "packetd", configuration, run, single: false, logger } as const;
  try {
    const bus = await startPacketd(context, (undo) => undos.push(undo), { forgets: true });
    return { bus, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    if (!processNames(run).includes("packetd")) throw error;
    const seen = error instanceof Error ? error.message : String(error);
    const fix = "leave out --foreground to load it there, or unload that one's scripts with --stop";
    throw new ConfigurationError(`Cannot run packetd here: ${seen}; ${fix}`, { cause: error });
  }
}
