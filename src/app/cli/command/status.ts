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
import { type Cell, warnAbove0 } from "../table.ts";
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
      "\nBAD INPUT counts messages that do not fit a contract, unreadable frames and broken protocol; DENIED requests\n" +
        "without the right; LOST messages that came nowhere. --json tells each kind apart.\n" +
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
      const told = await withBus((bus) => Promise.all(state.services.map(({ name }) => ask(bus, name))));
      const services = state.services.map((service, index) => ({
        ...service,
        messages: told[index]?.messages,
        counters: told[index]?.counters,
        answers: told[index] !== undefined,
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
  /** What went wrong, by the names of `/sys/statistics`. */
  readonly counters: { readonly [name in Counter]: number } | undefined;
  readonly answers: boolean;
};

/** What `/sys/statistics` counts, by the column that sums it up; `--json` has each by itself. */
const COLUMNS = {
  "BAD INPUT": ["contract-errors", "violations", "malformed"],
  DENIED: ["denied"],
  LOST: ["posts-failed", "posts-lost", "overflows", "copies-dropped"],
} as const;

type Counter = (typeof COLUMNS)[keyof typeof COLUMNS][number];

const COUNTERS: readonly Counter[] = Object.values(COLUMNS).flat();

function show(terminal: Terminal, directory: string, state: SupervisorState, services: readonly Row[]): void {
  const ago = (since: number): string => formatDuration(milliseconds(Date.now() - since));
  const how = state.single ? "in one process" : "each in its own process";
  terminal.out(`${state.configuration}, for ${ago(state.since)}, ${how}, in ${directory}`);
  terminal.table(
    ["SERVICE", "PID", "STATE", "FOR", "RESTARTS", "MESSAGES", ...Object.keys(COLUMNS)],
    services.map((row) => [
      row.name,
      row.pid ?? "-",
      stateOf(row),
      ago(row.since),
      warnAbove0(row.restarts),
      row.messages ?? "-",
      ...Object.values(COLUMNS).map((names) => sumOf(row, names)),
    ]),
  );
}

function sumOf({ counters }: Row, names: readonly Counter[]): Cell {
  return counters ? warnAbove0(names.reduce((sum, name) => sum + counters[name], 0)) : "-";
}

function stateOf({ state, answers }: Row): Cell {
  if (state === "ready" && answers) return state;
  return { warning: state === "ready" ? "ready, but does not answer" : state };
}

/** Messages delivered so far, and what went wrong; `undefined` when the process does not answer. */
async function ask(bus: Node, name: string): Promise<Pick<Row, "messages" | "counters"> | undefined> {
  try {
    const told: Message = await bus.call(`${name}:/sys/statistics` as string, {}, { timeout: ASK_TIMEOUT });
    const count = (tag: string): number => Number(told.get(tag) ?? 0);
    const counters = COUNTERS.map((counter) => [counter, count(counter)] as const);
    return { messages: count("messages"), counters: Object.fromEntries(counters) as Row["counters"] };
  } catch {
    return undefined;
  }
}
