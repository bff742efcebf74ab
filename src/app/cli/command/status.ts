/**
 * `metanet status`: the supervisor's services, and what each of them answers.
 * @module
 */
import { Command } from "commander";
import { milliseconds } from "#base/time.ts";
import type { Message } from "#mailbox/message.ts";
import { formatDuration } from "../../duration.ts";
import type { Node } from "../../node.ts";
import { runDirectory } from "../../run-directory.ts";
import { readState, type SupervisorState } from "../../supervisor/state-file.ts";
import { ASK_TIMEOUT, withBus } from "../bus.ts";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";

export function statusCommand(terminal: Terminal): Command {
  return new Command("status")
    .summary("show what runs")
    .description(
      "Shows the services the supervisor keeps running. Exit code 0 when all are ready, 1 when not, 3 when nothing runs.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  metanet status\n  metanet status --json | jq '.services[] | select(.state != \"ready\")'",
    )
    .action(async (options: { readonly json?: boolean }) => {
      const directory = runDirectory();
      const state = readState(directory);
      if (!state) {
        if (options.json) terminal.out(JSON.stringify({ run: directory, running: false }));
        else terminal.note(`Nothing runs in ${directory}; start the gateway with \`metanet up FILE\``);
        process.exitCode = EXIT.absent;
        return;
      }
      const messages = await withBus((bus) => Promise.all(state.services.map(({ name }) => ask(bus, name))));
      const services = state.services.map((service, index) => ({
        ...service,
        messages: messages[index],
        answers: messages[index] !== undefined,
      }));
      if (!services.every((service) => service.state === "ready" && service.answers))
        process.exitCode = EXIT.failed;
      if (options.json)
        return terminal.out(JSON.stringify({ run: directory, running: true, ...state, services }));
      show(terminal, directory, state, services);
    });
}

type Row = SupervisorState["services"][number] & {
  readonly messages: number | undefined;
  readonly answers: boolean;
};

function show(terminal: Terminal, directory: string, state: SupervisorState, services: readonly Row[]): void {
  const ago = (since: number): string => formatDuration(milliseconds(Date.now() - since));
  const how = state.single ? "in one process" : "each in its own process";
  terminal.out(`${state.configuration}, for ${ago(state.since)}, ${how}, in ${directory}`);
  terminal.table(
    ["SERVICE", "PID", "STATE", "FOR", "RESTARTS", "MESSAGES"],
    services.map((row) => [
      row.name,
      row.pid ?? "-",
      row.state === "ready" && !row.answers ? "ready, but does not answer" : row.state,
      ago(row.since),
      row.restarts,
      row.messages ?? "-",
    ]),
  );
}

/** Messages delivered so far; `undefined` when the process does not answer. */
async function ask(bus: Node, name: string): Promise<number | undefined> {
  try {
    const told: Message = await bus.call(`${name}:/sys/statistics` as string, {}, { timeout: ASK_TIMEOUT });
    return Number(told.get("messages") ?? 0);
  } catch {
    return undefined;
  }
}
