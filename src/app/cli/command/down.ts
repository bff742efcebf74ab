/**
 * `metanet down`: stops the gateway and waits until it is gone.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { type Duration, seconds } from "#base/time.ts";
import { TimedOutError } from "#mailbox/errors.ts";
import { runDirectory } from "../../run-directory.ts";
import { readState, startTicksOf } from "../../supervisor/state-file.ts";
import { EXIT } from "../exit-code.ts";
import { readDuration } from "../option.ts";
import type { Terminal } from "../terminal.ts";

/** When a wait becomes worth a word. */
const PATIENCE: Duration = seconds(1);

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
      process.kill(state.pid, "SIGTERM");
      const begin = performance.now();
      let told = false;
      while (startTicksOf(state.pid) === state.startTicks) {
        const waited = performance.now() - begin;
        if (waited > timeout) {
          const fix = `look at it with \`metanet status\`, or end it with kill -9 ${state.pid}`;
          throw new TimedOutError(
            `Cannot stop the gateway: process ${state.pid} still runs after ${options.timeout}; ${fix}`,
          );
        }
        if (waited > PATIENCE && !told) {
          told = true;
          terminal.note("Waiting for the services to end …");
        }
        await sleep(50);
      }
      terminal.note("The gateway is down");
    });
}
