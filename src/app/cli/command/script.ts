/**
 * `metanet script`: packet scripts. Each of its commands has a file of its own, `script-*.ts`.
 * @module
 */
import { Command } from "commander";
import type { Terminal } from "../terminal.ts";
import { scriptCheckCommand } from "./script-check.ts";
import { scriptListCommand, scriptWatchCommand } from "./script-list.ts";
import { scriptLoadCommand } from "./script-load.ts";
import { scriptNewCommand } from "./script-new.ts";
import { scriptTestCommand } from "./script-test.ts";
import { scriptReloadCommand, scriptUnloadCommand } from "./script-unload.ts";

export function scriptCommand(terminal: Terminal): Command {
  return new Command("script")
    .summary("packet scripts: write, test, run, watch them")
    .description("Packet scripts: functions in TypeScript that see packets and decide what becomes of them.")
    .addCommand(scriptNewCommand(terminal))
    .addCommand(scriptCheckCommand(terminal))
    .addCommand(scriptTestCommand(terminal))
    .addCommand(scriptLoadCommand(terminal))
    .addCommand(scriptListCommand(terminal))
    .addCommand(scriptWatchCommand(terminal))
    .addCommand(scriptReloadCommand(terminal))
    .addCommand(scriptUnloadCommand(terminal))
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  metanet script new nat.ts      an example to begin with
  metanet script check nat.ts    does it load, what are its functions, what do they need
  metanet script test nat.ts --function filter --capture in.pcap
                                 what it decides, packet by packet
  sudo metanet script load nat.ts --function filter --hook forward
                                 run it on packets
  sudo metanet script list       what they did
  sudo metanet script unload filter`;
