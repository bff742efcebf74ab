/**
 * The `metanet lab` command: its options, its help, and what happens around a lab: root or a user namespace,
 * signals, and the clean-up that always runs.
 * @module
 */
import { Argument, Command, InvalidArgumentError } from "commander";
import type { Terminal } from "../cli/terminal.ts";
import { impairCommand } from "./impair-command.ts";
import { runInteractive } from "./interactive.ts";
import { Lab } from "./lab.ts";
import { removeLeftovers } from "./leftovers.ts";
import { EXIT, runOnce } from "./once.ts";
import { needsOwnRoot, startAgainInOwnRoot } from "./own-root.ts";
import { requirePrograms } from "./requirements.ts";
import { insideUserNamespace, needsUserNamespace, runRootless, settleInside } from "./rootless.ts";
import { type DoorPorts, openDoors, PORTS_VARIABLE } from "./visitor-door.ts";

const SCENARIOS: readonly string[] = ["gateway"];

interface LabOptions {
  readonly once?: true;
  readonly json?: true;
  readonly keep?: true;
  readonly single?: true;
  readonly port?: number;
}

/** `metanet lab [SCENARIO]`, ready to be registered. */
export function labCommand(terminal: Terminal): Command {
  return (
    new Command("lab")
      .description("build a whole network on this machine, with real clients")
      .addArgument(
        new Argument("[SCENARIO]", "what is built; gateway: clients, a gateway, an internet")
          .choices(SCENARIOS)
          .default("gateway"),
      )
      .option("--once", "run the scripted story, print it as a transcript, and end")
      .option("--json", "JSON lines instead of text")
      .option("--keep", "with --once: leave the lab running after the last step until Ctrl-C")
      .option("--single", "all services of the gateway in one process")
      .option("--port <number>", "first of three loopback ports for your own browser", portNumber)
      // Both it and its subcommand have --json.
      .enablePositionalOptions()
      .addCommand(impairCommand(terminal))
      .addHelpText("after", HELP)
      .action(async (_scenario: string, options: LabOptions) => {
        process.exitCode = await labMain(terminal, options);
      })
  );
}

const HELP = `
Examples:
  metanet lab                 a living network until Ctrl-C; log in with your own browser
  metanet lab --once          every promise once, with real programs; exit code 0 when all held
  metanet lab --once --json   the same as JSON lines

Exit codes: 0 every step held, 1 a step failed or the lab could not be built, 2 wrong arguments, 130 stopped by a signal.
Without root the lab runs in a user namespace. It never touches the machine's own interfaces, routes or name servers.
`;

/** Runs the command and resolves with its exit code. */
async function labMain(terminal: Terminal, options: LabOptions): Promise<number> {
  requirePrograms(options.once ?? false);
  if (needsOwnRoot()) startAgainInOwnRoot();
  if (needsUserNamespace()) return rootless(options);
  const stop = new AbortController();
  if (insideUserNamespace()) await settleInside(() => stop.abort());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  // Other commands end at once when their reader has gone; a lab has much to clean up first.
  process.stdout.removeAllListeners("error").on("error", () => stop.abort());
  return withLab(terminal, options, stop.signal);
}

/** Outside the user namespace: what only the outside can do is done here, the rest is done inside. */
async function rootless(options: LabOptions): Promise<number> {
  await removeLeftovers();
  if (options.once) return runRootless({});
  const doors = await openDoors(String(process.pid), options.port);
  try {
    return await runRootless({ [PORTS_VARIABLE]: JSON.stringify(doors.ports) });
  } finally {
    doors.close();
  }
}

/** The loopback ports of the user's machine: opened here, or outside the user namespace already. */
async function ports(lab: Lab, options: LabOptions, stop: AbortSignal): Promise<DoorPorts> {
  const outside = process.env[PORTS_VARIABLE];
  if (outside !== undefined) return JSON.parse(outside);
  const doors = await openDoors(lab.place.id, options.port);
  stop.addEventListener("abort", doors.close, { once: true });
  return doors.ports;
}

async function withLab(terminal: Terminal, options: LabOptions, stop: AbortSignal): Promise<number> {
  const print = (line: string): void => terminal.out(line);
  const { lab, leftovers } = await Lab.open();
  try {
    if (leftovers.folders.length + leftovers.namespaces.length > 0 && !options.json) {
      print(
        `removed what an earlier lab left: ${[...leftovers.namespaces, ...leftovers.folders].join(", ")}`,
      );
    }
    const gateway = { single: options.single ?? false };
    const json = options.json ?? false;
    const common = { json, gateway, stop, print };
    if (options.once) return await runOnce(lab, { ...common, keep: options.keep ?? false });
    return await runInteractive(lab, { ...common, ports: await ports(lab, options, stop) });
  } catch (error) {
    if (stop.aborted) return EXIT.stopped;
    throw error;
  } finally {
    for (const trouble of await lab.remove()) terminal.note(`metanet lab: ${trouble}`);
  }
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_533) return port;
  throw new InvalidArgumentError("It must be a number from 1 to 65533: three ports in a row are opened.");
}
