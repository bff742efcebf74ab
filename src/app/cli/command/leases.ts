/**
 * `metanet leases`: who has which address.
 * @module
 */
import { Command, Option } from "commander";
import { milliseconds, Timestamp } from "#base/time.ts";
import { formatDuration } from "../../duration.ts";
import { requireProcess, withBus } from "../bus.ts";
import { readRows } from "../columns.ts";
import type { Terminal } from "../terminal.ts";
import { formatValue } from "../typed-value.ts";

const STATES = ["offered", "bound", "released", "expired", "declined"];

interface LeasesOptions {
  readonly json?: boolean;
  readonly process: string;
  readonly state?: string;
}

export function leasesCommand(terminal: Terminal): Command {
  return new Command("leases")
    .summary("show the leases of the DHCP server")
    .description("Shows the leases of the DHCP server by address.")
    .addOption(new Option("--state <STATE>", "only leases in this state").choices(STATES))
    .option("--process <NAME>", "the DHCP server's name on the bus", "dhcpd")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  metanet leases\n  metanet leases --state bound --json")
    .action(async (options: LeasesOptions) => {
      requireProcess({ process: options.process, machine: undefined });
      const fields = options.state === undefined ? {} : { state: options.state };
      const rows = await withBus((bus) =>
        readRows(bus, `${options.process}:/dhcpd/leases`, fields, (answer) => {
          const next = answer.get("next");
          return next === undefined || Array.isArray(next)
            ? undefined
            : (next as Exclude<typeof next, readonly unknown[]>);
        }),
      );
      if (options.json) return terminal.out(JSON.stringify({ leases: rows }));
      if (rows.length === 0) return terminal.note("There are no leases");
      terminal.table(
        ["ADDRESS", "HARDWARE", "STATE", "ENDS", "HOST NAME", "CLIENT"],
        rows.map((row) => [
          ...["address", "chaddr", "state"].map((tag) => formatValue(row[tag] ?? "")),
          fromNow(row.expires),
          ...["hostname", "client"].map((tag) => formatValue(row[tag] ?? "")),
        ]),
      );
    });
}

function fromNow(value: unknown): string {
  if (!(value instanceof Timestamp)) return "-";
  const left = value.instant - Date.now();
  return left > 0 ? `in ${formatDuration(milliseconds(left))}` : `${formatDuration(milliseconds(-left))} ago`;
}
