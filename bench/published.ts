/**
 * What `docs/benchmarks` holds, as Markdown for `docs/benchmarks.md`: tables, ratios, and the conditions they were
 * measured under. Measures nothing.
 * @module
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cachesRowsOf, cachesTable } from "./caches.ts";
import { formatMet, formatRatio, type Row } from "./measure.ts";
import { netpipeRowsOf, netpipeTable, writeNetpipePictures } from "./netpipe.ts";
import { flowRowsOf, flowTable } from "./rig/flow-tables.ts";
import { kernelRowsOf, kernelTable } from "./rig/kernel-tables.ts";
import { type Conditions, dataFile, PICTURES } from "./rig/results.ts";
import { scriptRowsOf, scriptTable } from "./rig/script-tables.ts";

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
  kernel: (data: Parameters<typeof kernelTable>[0]) => ({
    title: "Packet scripts in the kernel",
    benchmark: "kernel",
    table: kernelTable(data),
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
  return publish(named, 3);
}

const DOCUMENTS = join(PICTURES, "..");
/** What is between them is ours to write. */
const PLACE = /(<!-- measured: npm run bench ([a-z -]+) -->\n).*?(<!-- end -->\n)/gs;

/** Draws what was measured, and writes it into the documents of `docs` that have a place for it; those that changed. */
export async function writeDocuments(): Promise<string[]> {
  for (const name of ["netpipe", "netpipe-two-cores"]) {
    if (existsSync(dataFile(name)))
      await writeNetpipePictures(name, JSON.parse(readFileSync(dataFile(name), "utf8")));
  }
  const changed: string[] = [];
  for (const file of readdirSync(DOCUMENTS).filter((name) => name.endsWith(".md"))) {
    const path = join(DOCUMENTS, file);
    const before = readFileSync(path, "utf8");
    const after = fillPlaces(before, (benchmarks) => publish(benchmarks, 2));
    if (after === before) continue;
    writeFileSync(path, after);
    changed.push(`docs/${file}`);
  }
  return changed;
}

/** Fills what is between `<!-- measured: npm run bench NAME … -->` and `<!-- end -->`, each on a line of its own. */
export function fillPlaces(text: string, made: (benchmarks: readonly string[]) => string): string {
  return text.replace(PLACE, (_all, head: string, benchmarks: string, tail: string) => {
    return `${head}\n${made(benchmarks.split(" "))}\n${tail}`;
  });
}

/** @param level of the headings */
function publish(named: readonly string[], level: number): string {
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
          `${"#".repeat(level)} ${title}`,
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
    (row) =>
      `| ${row.what} | ${row.ours} | ${row.peer} | ${formatRatio(row)} | ${`${row.target} ${formatMet(row)}`.trim()} |\n`,
  );
  return `| what | ours | peer | ratio | target |\n|---|---|---|---|---|\n${lines.join("")}`;
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
