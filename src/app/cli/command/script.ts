/**
 * `metanet script`: packet scripts. Each of its commands has a file of its own, `script-*.ts`.
 * @module
 */
import { Command } from "commander";
import type { Terminal } from "../terminal.ts";
import { scriptNewCommand } from "./script-new.ts";

export function scriptCommand(terminal: Terminal): Command {
  return new Command("script")
    .summary("packet scripts: write")
    .description("Packet scripts: functions in TypeScript that see packets and decide what becomes of them.")
    .addCommand(scriptNewCommand(terminal))
    .addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  metanet script new nat.ts      an example to begin with`;
