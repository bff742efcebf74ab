/**
 * Scripts as people read them: a line of a table each, and below it what went wrong and what they count.
 * @module
 */
import { relative } from "node:path";
import { formatBytes } from "./columns.ts";
import type { ScriptRow } from "./script-rows.ts";
import { type Cell, printable, warnAbove0 } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const HEADINGS = [
  "NAME",
  "AT",
  "ENGINE",
  "PACKETS",
  "BYTES",
  "ACCEPT",
  "DROP",
  "CONTINUE",
  "OTHER",
  "ERRORS",
  "P99",
  "STATE",
] as const;

/**
 * Shows scripts.
 * @param before what was there a while ago, by name: then the packets of a second are shown as well.
 */
export function showScripts(
  terminal: Terminal,
  scripts: readonly ScriptRow[],
  before?: { readonly scripts: ReadonlyMap<string, ScriptRow>; readonly seconds: number },
): void {
  const rateOf = (row: ScriptRow): Cell[] => {
    if (!before) return [];
    const last = before.scripts.get(row.name)?.packets ?? row.packets;
    return [Math.max(0, Math.round((row.packets - last) / before.seconds))];
  };
  const [name, at, engine, packets, ...rest] = HEADINGS;
  terminal.table(
    [name, at, engine, packets, ...(before ? ["PER SECOND"] : []), ...rest],
    scripts.map((row) => {
      const first = [row.name, placeOf(row), row.engine === "" ? "-" : row.engine];
      return [...first, row.packets, ...rateOf(row), ...cells(row)];
    }),
  );
  for (const row of scripts) for (const line of linesOf(row)) terminal.out(line);
}

function cells(row: ScriptRow): Cell[] {
  const { accepted, dropped, continued, repeated, queued, marked, later, redirected } = row;
  return [
    formatBytes(row.bytes),
    accepted,
    dropped,
    continued,
    repeated + queued + marked + later + redirected,
    warnAbove0(row.errors),
    row["time-p99"] > 0 ? formatNanoseconds(row["time-p99"]) : "-",
    row.state === "running" ? `running v${row.version}` : { warning: row.state },
  ];
}

/** `forward lan0>wan0`. */
function placeOf({ hook, in: inInterface, out }: ScriptRow): string {
  if (inInterface === "" && out === "") return hook;
  return `${hook} ${inInterface}>${out}`;
}

/** What does not fit into the table, and only when there is something. */
function* linesOf(row: ScriptRow): Iterable<string> {
  const indent = `  ${row.name}: `;
  if (row.error !== "")
    yield `${indent}not loaded: ${row.error.replaceAll("\n", `\n${" ".repeat(indent.length)}`)}`;
  yield* kernelLines(row, indent);
  const notes = [
    ...(row.bypassed > 0 ? [`${row.bypassed} packets went by --on-error ${row["on-error"]}, unseen`] : []),
    ...(row.held > 0 ? [`${row.held} packets wait for a verdict`] : []),
    ...(row.sent > 0 ? [`${row.sent} packets sent`] : []),
  ];
  if (notes.length > 0) yield indent + notes.join(", ");
  const counters = Object.entries(row.counters).map(([name, value]) => `${printable(name)} ${value}`);
  if (counters.length > 0) yield indent + counters.join(", ");
  for (const { kind, place, message, count } of row.faults) {
    const times = count === 1 ? "once" : `${count} times`;
    yield `${indent}${shortPlace(place)}: ${kind} ${times}: ${printable(message)}`;
  }
}

/** Where it is in the kernel, or why it is not. */
function* kernelLines(row: ScriptRow, indent: string): Iterable<string> {
  if (row.attached !== "") {
    const stays = row.pinned ? "; it stays when packetd ends" : "";
    yield `${indent}in the kernel at ${row.attached.split("\n").map(printable).join(", ")}${stays}`;
  }
  if (row.state === "waiting") yield `${indent}waits for its interface`;
  if (row["hands-over-to"] !== "") {
    yield `${indent}${row.handed} packets handed over to ${printable(row["hands-over-to"])} in user space`;
  }
  if (row.reason !== "") {
    const [first = "", ...others] = row.reason.split("\n");
    const more = others.length === 0 ? "" : ` (and ${others.length} more; \`metanet script check\` tells)`;
    yield `${indent}in user space: ${printable(first)}${more}`;
  }
}

/** A path below the current folder is shown as one would type it. */
function shortPlace(place: string): string {
  if (!place.startsWith("/")) return printable(place);
  const short = relative(process.cwd(), place);
  return printable(short.startsWith("../../..") ? place : short);
}

/** `850 ns`, `12 µs`, `3.4 ms`. */
export function formatNanoseconds(count: number): string {
  const units = ["ns", "µs", "ms", "s"];
  let unit = 0;
  let value = count;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
