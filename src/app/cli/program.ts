/**
 * The `metanet` command: its subcommands in the order of the help page.
 * @module
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { labCommand } from "../lab/command.ts";
import { benchCommand } from "./command/bench.ts";
import { callCommand } from "./command/call.ts";
import { clientsCommand } from "./command/clients.ts";
import { completionCommand } from "./command/completion.ts";
import { describeCommand } from "./command/describe.ts";
import { doctorCommand } from "./command/doctor.ts";
import { downCommand } from "./command/down.ts";
import { flowCommand } from "./command/flow.ts";
import { leasesCommand } from "./command/leases.ts";
import { listCommand } from "./command/list.ts";
import { listenCommand } from "./command/listen.ts";
import { observeCommand } from "./command/observe.ts";
import { scriptCommand } from "./command/script.ts";
import { sendCommand } from "./command/send.ts";
import { serviceCommand } from "./command/service.ts";
import { statusCommand } from "./command/status.ts";
import { traceCommand } from "./command/trace.ts";
import { upCommand } from "./command/up.ts";
import type { Terminal } from "./terminal.ts";

/** The whole command line; commander's own messages go to the terminal as well. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command("metanet")
    .description("Network services of a Linux machine, programmable from the outside.")
    .version(packageVersion(), "-V, --version")
    .showSuggestionAfterError()
    // `bench` hands its own options on.
    .enablePositionalOptions()
    .helpCommand("help [COMMAND]", "show help for a command")
    .addHelpText("after", EXAMPLES);
  const groups: [heading: string, ...commands: Command[]][] = [
    [
      "Running the gateway:",
      upCommand(terminal),
      downCommand(terminal),
      statusCommand(terminal),
      labCommand(terminal),
      doctorCommand(terminal),
    ],
    [
      "Mailboxes:",
      listCommand(terminal),
      describeCommand(terminal),
      sendCommand(terminal),
      callCommand(terminal),
      listenCommand(terminal),
      observeCommand(terminal),
      traceCommand(terminal),
    ],
    ["Packets:", scriptCommand(terminal), flowCommand(terminal)],
    ["Clients:", leasesCommand(terminal), clientsCommand(terminal)],
    ["Other:", benchCommand(), completionCommand(terminal)],
  ];
  for (const [heading, ...commands] of groups) {
    program.commandsGroup(heading);
    for (const command of commands) program.addCommand(command);
  }
  program.addCommand(serviceCommand(), { hidden: true });
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(text.replace(/\n$/, "")),
      writeErr: (text) => terminal.note(text.replace(/\n$/, "")),
      outputError: (text, write) =>
        write(text.replace(/^error: /, "metanet: Cannot read the command line: ")),
    });
  }
  return program;
}

/** The command and all below it: commander hands these settings on to none that was made on its own. */
function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

const EXAMPLES = `
Examples:
  metanet up gateway.yaml                     run the gateway
  metanet list                                the processes on the bus
  metanet observe dhcpd:/dhcpd/lookup         watch a decision
  metanet listen dhcpd:/dhcpd/lookup -- ./who-is-it.sh
                                              take part in it

Exit codes: 0 done, 1 failed, 2 usage, 3 no such process or mailbox, 4 rejected, 5 timed out, 6 denied,
78 bad configuration. docs/command-line.md has all of them.`;

function packageVersion(): string {
  // Three folders up from src/app/cli and from dist/app/cli alike.
  const file = new URL("../../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return version;
}
