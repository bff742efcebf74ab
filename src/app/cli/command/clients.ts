/**
 * `metanet clients`: who is logged in at the portal, for how long, and how much they moved.
 * @module
 */
import { Command } from "commander";
import { milliseconds, Timestamp } from "#base/time.ts";
import { formatDuration } from "../../duration.ts";
import { requireProcess, withBus } from "../bus.ts";
import { formatBytes, type Row, readRows } from "../columns.ts";
import type { Terminal } from "../terminal.ts";
import { formatValue } from "../typed-value.ts";

interface ClientsOptions {
  readonly json?: boolean;
  readonly process: string;
}

export function clientsCommand(terminal: Terminal): Command {
  return new Command("clients")
    .summary("show who is logged in")
    .description("Shows the sessions of the portal: who is logged in, since when, and how much passed.")
    .option("--process <NAME>", "the portal's name on the bus", "portald")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  metanet clients\n  metanet clients --json | jq '.clients[].mac'")
    .action(async (options: ClientsOptions) => {
      requireProcess({ process: options.process, machine: undefined });
      const rows = await withBus((bus) =>
        readRows(bus, `${options.process}:/portald/sessions`, {}, (answer, page) =>
          answer.get("more") === true ? (page.at(-1)?.mac ?? undefined) : undefined,
        ),
      );
      if (options.json) return terminal.out(JSON.stringify({ clients: rows }));
      if (rows.length === 0) return terminal.note("Nobody is logged in");
      terminal.table(["CLIENT", "ADDRESSES", "USER", "LOGGED IN", "IDLE", "UP", "DOWN"], rows.map(cells));
    });
}

function cells(row: Row): (string | number)[] {
  const text = (tag: string): string => formatValue(row[tag] ?? "");
  const bytes = (tag: string): string => formatBytes(Number(row[tag] ?? 0));
  return [
    text("mac"),
    text("addresses"),
    text("user") || "-",
    since(row.since),
    since(row.active),
    bytes("up-bytes"),
    bytes("down-bytes"),
  ];
}

function since(value: unknown): string {
  return value instanceof Timestamp ? formatDuration(milliseconds(Date.now() - value.instant)) : "-";
}
