/**
 * What `docs/benchmarks` holds, as Markdown for `docs/benchmarks.md`: tables, ratios, and the conditions they were
 * measured under. Measures nothing.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cachesRowsOf, cachesTable } from "./caches.ts";
import type { Row } from "./measure.ts";
import { netpipeRowsOf, netpipeTable } from "./netpipe.ts";
import { flowRowsOf, flowTable } from "./rig/flow-tables.ts";
import { type Conditions, dataFile, PICTURES } from "./rig/results.ts";
import { kernelRowsOf, scriptRowsOf, scriptTable } from "./rig/script-tables.ts";

interface Publication {
  readonly title: string;
  /** The benchmark that writes it. */
  readonly benchmark: string;
  readonly table: string;
  readonly rows: readonly Row[];
}

/** How to read each file of `docs/benchmarks`. */
const PUBLICATIONS: Readonly<Record<string, (data: never) => Publication>> = {
  script: (data: Parameters<typeof scriptTable>[0]) => ({
    title: "Packet scripts against C",
    benchmark: "script",
    table: scriptTable(data),
    rows: scriptRowsOf(data),
  }),
  kernel: (data: Parameters<typeof scriptTable>[0]) => ({
    title: "Packet scripts in the kernel",
    benchmark: "kernel",
    table: scriptTable(data),
    rows: kernelRowsOf(data),
  }),
  netpipe: netpipePublication,
  "netpipe-two-cores": netpipePublication,
  caches: (data: Parameters<typeof cachesTable>[0]) => ({
    title: "Caches before tftpd-hpa and nginx",
    benchmark: "caches",
    table: cachesTable(data),
    rows: cachesRowsOf(data),
  }),
  flow: (data: Parameters<typeof flowTable>[0]) => ({
    title: "Flow engines over the same captures",
    benchmark: "flow",
    table: flowTable(data),
    rows: flowRowsOf(data),
  }),
};

function netpipePublication(data: Parameters<typeof netpipeTable>[0]): Publication {
  return {
    title: `NetPIPE through a NAT, ${data.cores === 1 ? "all on one core" : "two cores"}`,
    benchmark: "netpipe",
    table: netpipeTable(data),
    rows: netpipeRowsOf(data),
  };
}

/** Of the named benchmarks, or of all; empty when nothing was measured yet. */
export function publishedMarkdown(named: readonly string[]): string {
  return Object.entries(PUBLICATIONS)
    .filter(([name]) => existsSync(dataFile(name)))
    .flatMap(([name, read]) => {
      const data = JSON.parse(readFileSync(dataFile(name), "utf8")) as {
        conditions: Conditions;
        long: boolean;
      };
      const { title, benchmark, table, rows } = read(data as never);
      if (named.length > 0 && !named.includes(benchmark)) return [];
      const command = `npm run bench ${benchmark}${data.long ? " -- --long" : ""}`;
      return [
        [
          `### ${title}`,
          `${describeConditions(data.conditions)} Made by \`${command}\`; [all figures](benchmarks/${name}.json).`,
          table.trimEnd(),
          ...pictures(name),
          rowsMarkdown(rows).trimEnd(),
        ].join("\n\n"),
      ];
    })
    .join("\n\n")
    .concat("\n");
}

/** Rows of ratios as a table in Markdown. */
export function rowsMarkdown(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ what, ours, peer, ratio, target, met }) =>
      `| ${what} | ${ours} | ${peer} | ${ratio.toFixed(2)} x | ${[target, ...verdictWords(target, met)].join(" ")} |\n`,
  );
  return `| what | ours | peer | ratio | target |\n|---|---|---|---|---|\n${lines.join("")}`;
}

function verdictWords(target: string, met: boolean): string[] {
  if (!met) return ["MISSED"];
  return target === "no target" ? [] : ["met"];
}

function describeConditions(conditions: Conditions): string {
  const { date, cores, processor, memoryGib, kernel, node, loadBefore, packages } = conditions;
  const versions = Object.entries(packages)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  return (
    `Measured on ${date}: ${cores} virtual cores (${processor}), ${memoryGib} GiB, Linux ${kernel}, Node ${node}, ` +
    `${versions}. Load average before the run: ${loadBefore}.`
  );
}

function pictures(name: string): string[] {
  const own = existsSync(PICTURES) ? readdirSync(PICTURES).filter((file) => isPictureOf(file, name)) : [];
  return own.sort().map((file) => `![${file.slice(0, -4).replaceAll("-", " ")}](benchmarks/${file})`);
}

/** `netpipe-two-cores-signature.svg` is not one of `netpipe`. */
function isPictureOf(file: string, name: string): boolean {
  if (!file.endsWith(".svg") || !file.startsWith(`${name}-`)) return false;
  return !Object.keys(PUBLICATIONS).some(
    (other) => other.length > name.length && file.startsWith(`${other}-`),
  );
}
