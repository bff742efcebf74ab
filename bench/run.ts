/**
 * `npm run bench [NAME …] [-- --json]`: every benchmark, or those named, as one table of ratios.
 * @module
 */
import { codecRows } from "./codec.ts";
import { dhcpdRows } from "./dhcpd.ts";
import { firewallRows } from "./firewall.ts";
import { linkRows } from "./link.ts";
import { mailboxRows } from "./mailbox.ts";
import type { Row } from "./measure.ts";
import { portalRows } from "./portal.ts";

const BENCHMARKS: Readonly<Record<string, () => Promise<Row[]>>> = {
  mailbox: mailboxRows,
  codec: codecRows,
  link: linkRows,
  dhcpd: dhcpdRows,
  firewall: firewallRows,
  portal: portalRows,
};

const named = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const unknown = named.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  process.stderr.write(
    `Cannot run benchmark '${unknown[0]}': there are ${Object.keys(BENCHMARKS).join(", ")}\n`,
  );
  process.exit(2);
}

const rows: Row[] = [];
for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
  if (named.length > 0 && !named.includes(name)) continue;
  process.stderr.write(`${name} …\n`);
  rows.push(...(await benchmark()));
}
process.stdout.write(
  process.argv.includes("--json") ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows),
);

function table(all: readonly Row[]): string {
  const cells = all.map((row) => [
    row.what,
    row.ours,
    row.peer,
    `${row.ratio.toFixed(2)} x`,
    row.target,
    row.met ? "met" : "MISSED",
  ]);
  const heads = ["what", "ours", "peer", "ratio", "target", ""];
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  return [heads, ...cells]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
    .concat("\n");
}
