/**
 * `metanet script unload` and `reload`: ends scripts, and loads them again as they were loaded.
 * @module
 */
import { Command } from "commander";
import { seconds } from "#base/time.ts";
import { runDirectory } from "../../run-directory.ts";
import { readState } from "../../supervisor/state-file.ts";
import { ownConfiguration, withPacketd } from "../packetd-door.ts";
import { stopSupervisor } from "../stop-supervisor.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

/** Packets that are held get their verdicts first, which takes as long as the longest deadline. */
const UNLOAD_TIMEOUT = seconds(60);
const RELOAD_TIMEOUT = seconds(30);
const STOP_TIMEOUT = { timeout: seconds(30), asTyped: "30s" };

interface UnloadOptions {
  readonly all?: boolean;
  readonly json?: boolean;
  readonly stop?: boolean;
}

export function scriptUnloadCommand(terminal: Terminal): Command {
  return new Command("unload")
    .summary("end a script")
    .description(
      "Brings no more packets to a script; those it holds get their verdicts first. A script of the configuration file comes back at the next start.",
    )
    .argument("[NAME]", "the script's name")
    .option("-a, --all", "all scripts")
    .option("--stop", "with --all: end packetd as well, when `script load` has started it")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  sudo metanet script unload snat\n  sudo metanet script unload --all --stop",
    )
    .action(async (name: string | undefined, options: UnloadOptions) => {
      const all = options.all ?? false;
      if (all === (name !== undefined)) {
        throw new UsageError("Cannot unload: write the NAME of one script, or --all for all of them");
      }
      if (options.stop && !all) throw new UsageError("Cannot use --stop with one NAME: write --all --stop");
      const told = await withPacketd((bus) =>
        bus.call("packetd:/packetd/script/unload", { name, all }, { timeout: UNLOAD_TIMEOUT }),
      );
      const { unloaded = [], returning = [] } = told.toObject() as {
        unloaded?: string[];
        returning?: string[];
      };
      if (options.json) terminal.out(JSON.stringify({ unloaded, returning }));
      else if (unloaded.length === 0) terminal.note("No script was loaded");
      else terminal.out(`Unloaded ${unloaded.join(", ")}`);
      if (returning.length > 0 && !options.json) {
        terminal.note(
          `${returning.join(", ")} will be back at the next start: remove it from the configuration`,
        );
      }
      if (options.stop) await stopOwn(terminal);
    });
}

/** Ends the packetd that was started by `script load`, and nobody else's. */
async function stopOwn(terminal: Terminal): Promise<void> {
  const directory = runDirectory();
  const state = readState(directory);
  if (state?.configuration !== ownConfiguration(directory)) {
    const fix = state ? "`metanet down` ends that" : "it was not started by `script load`";
    throw new UsageError(
      `Cannot stop packetd: it belongs to ${state?.configuration ?? "somebody else"}; ${fix}`,
    );
  }
  await stopSupervisor(state, { ...STOP_TIMEOUT, terminal });
  terminal.note("Packetd has ended");
}

export function scriptReloadCommand(terminal: Terminal): Command {
  return new Command("reload")
    .summary("load a script's file again")
    .description(
      "Loads a script's file again, with the options it was loaded with, between two packets. What does not load leaves the old version running.",
    )
    .argument("<NAME>", "the script's name")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  sudo metanet script reload snat")
    .action(async (name: string, options: { readonly json?: boolean }) => {
      const told = await withPacketd((bus) =>
        bus.call("packetd:/packetd/script/reload", { name }, { timeout: RELOAD_TIMEOUT }),
      );
      if (options.json) return terminal.out(JSON.stringify(told.toObject()));
      terminal.out(`Reloaded ${name}, version ${told.get("version")}`);
      for (const text of told.get("warning") ?? []) terminal.note(`metanet: Warning: ${text}`);
    });
}
