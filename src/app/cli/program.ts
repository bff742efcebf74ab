/**
 * The `metanet` command: its subcommands in the order of the help page.
 * @module
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { Terminal } from "./terminal.ts";

type Load = (terminal: Terminal) => Promise<Command>;

/** The commands by heading. Each is loaded when it is wanted: most of a short command's time would go into the others. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, Load>>>> = {
  "Running the gateway:": {
    up: async (terminal) => (await import("./command/up.ts")).upCommand(terminal),
    down: async (terminal) => (await import("./command/down.ts")).downCommand(terminal),
    status: async (terminal) => (await import("./command/status.ts")).statusCommand(terminal),
    lab: async (terminal) => (await import("../lab/command.ts")).labCommand(terminal),
    doctor: async (terminal) => (await import("./command/doctor.ts")).doctorCommand(terminal),
  },
  "Mailboxes:": {
    list: async (terminal) => (await import("./command/list.ts")).listCommand(terminal),
    describe: async (terminal) => (await import("./command/describe.ts")).describeCommand(terminal),
    send: async (terminal) => (await import("./command/send.ts")).sendCommand(terminal),
    call: async (terminal) => (await import("./command/call.ts")).callCommand(terminal),
    listen: async (terminal) => (await import("./command/listen.ts")).listenCommand(terminal),
    observe: async (terminal) => (await import("./command/observe.ts")).observeCommand(terminal),
    trace: async (terminal) => (await import("./command/trace.ts")).traceCommand(terminal),
  },
  "Packets:": {
    script: async (terminal) => (await import("./command/script.ts")).scriptCommand(terminal),
    flow: async (terminal) => (await import("./command/flow.ts")).flowCommand(terminal),
  },
  "Clients:": {
    leases: async (terminal) => (await import("./command/leases.ts")).leasesCommand(terminal),
    clients: async (terminal) => (await import("./command/clients.ts")).clientsCommand(terminal),
  },
  "Other:": {
    bench: async () => (await import("./command/bench.ts")).benchCommand(),
    completion: async (terminal) => (await import("./command/completion.ts")).completionCommand(terminal),
  },
};
/** Starts the processes of services, for the supervisor; it is on no page. */
const HIDDEN = "service";
/** What tells nothing of other commands. */
const ALONE: ReadonlySet<string | undefined> = new Set(["--version", "-V"]);

/**
 * The command line, as far as these arguments need it: one command when they begin with its name, all of them for the
 * help pages and for what is misspelled. Commander's own messages go to the terminal as well.
 */
export async function buildProgram(terminal: Terminal, args: readonly string[]): Promise<Command> {
  const program = new Command("metanet")
    .description("Network services of a Linux machine, programmable from the outside.")
    .version(packageVersion(), "-V, --version")
    .showSuggestionAfterError()
    // `bench` hands its own options on.
    .enablePositionalOptions()
    .helpCommand("help [COMMAND]", "show help for a command")
    .addHelpText("after", EXAMPLES);
  const [first] = args;
  const isWanted = wanted(first);
  for (const [heading, commands] of Object.entries(GROUPS)) {
    program.commandsGroup(heading);
    for (const [name, load] of Object.entries(commands)) {
      if (isWanted(name)) program.addCommand(await load(terminal));
    }
  }
  if (isWanted(HIDDEN)) {
    const { serviceCommand } = await import("./command/service.ts");
    program.addCommand(serviceCommand(), { hidden: true });
  }
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

/** Which commands have to be there when the first argument is this one. */
function wanted(first: string | undefined): (name: string) => boolean {
  if (ALONE.has(first)) return () => false;
  const isName = Object.values(GROUPS).some(
    (commands) => first !== undefined && Object.hasOwn(commands, first),
  );
  // What it prints is about all commands.
  const isOfAll = first === "completion";
  return isOfAll || !(isName || first === HIDDEN) ? () => true : (name) => name === first;
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
