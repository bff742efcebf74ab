/**
 * `metanet down`: stops the gateway and waits until it is gone.
 * @module
 */
import { Command } from "commander";
import { runDirectory } from "../../run-directory.ts";
import { readState } from "../../supervisor/state-file.ts";
import { EXIT } from "../exit-code.ts";
import { readDuration } from "../option.ts";
import { stopSupervisor } from "../stop-supervisor.ts";
import type { Terminal } from "../terminal.ts";

export function downCommand(terminal: Terminal): Command {
  return new Command("down")
    .summary("stop the gateway")
    .description(
      "Stops all services, removes MetaNet's own firewall table and nothing else, and waits until it is done.",
    )
    .option("-t, --timeout <DURATION>", "how long to wait", "30s")
    .addHelpText("after", "\nExamples:\n  sudo metanet down\n  METANET_RUN=/run/metanet-test metanet down")
    .action(async (options: { readonly timeout: string }) => {
      const timeout = readDuration(options.timeout, "--timeout");
      const directory = runDirectory();
      const state = readState(directory);
      if (!state) {
        terminal.note(`Nothing runs in ${directory}`);
        process.exitCode = EXIT.absent;
        return;
      }
      await stopSupervisor(state, { timeout, asTyped: options.timeout, terminal });
      terminal.note(`What ran in ${directory} is down`);
    });
}
