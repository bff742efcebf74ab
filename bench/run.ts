/**
 * `npm run bench [NAME …] [-- --json]`: every benchmark, or those named, as one table of ratios; `-- --help` says more.
 * @module
 */
import { parseArgs } from "node:util";
import { cachesRows } from "./caches.ts";
import { codecRows } from "./codec.ts";
import { dhcpdRows } from "./dhcpd.ts";
import { firewallRows } from "./firewall.ts";
import { flowRows } from "./flow.ts";
import { kernelRows } from "./kernel.ts";
import { linkRows } from "./link.ts";
import { mailboxRows } from "./mailbox.ts";
import { formatMet, formatRatio, type Row } from "./measure.ts";
import { netpipeRows } from "./netpipe.ts";
import { packetViewRows } from "./packet-views.ts";
import { portalRows } from "./portal.ts";
import { publishedMarkdown, rowsMarkdown, writeDocuments } from "./published.ts";
import { ringRows } from "./ring.ts";
import { scriptRows } from "./script.ts";

interface Benchmark {
  readonly rows: (words: readonly string[]) => Promise<Row[]>;
  readonly says: string;
  /** It takes minutes and writes into docs/benchmarks, so it runs only when it is named. */
  readonly onlyNamed?: true;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  mailbox: { rows: mailboxRows, says: "listeners of one process against EventEmitter" },
  codec: { rows: codecRows, says: "messages to bytes and back against msgpackr and JSON" },
  link: { rows: linkRows, says: "calls between processes against a framed echo and D-Bus" },
  dhcpd: { rows: dhcpdRows, says: "DHCP exchanges against Kea" },
  firewall: { rows: firewallRows, says: "permits against nft, forwarding with 10,000 clients" },
  portal: { rows: portalRows, says: "redirects and logins against node:http and nft processes" },
  views: {
    rows: packetViewRows,
    says: "packet views against a DataView by hand and C; what a packet leaves on the heap",
  },
  ring: {
    rows: ringRows,
    says: "captures against a C loop over the same ring: packets kept, processor time a packet; 40 s (--long: 3 min)",
    onlyNamed: true,
  },
  script: {
    rows: scriptRows,
    says: "packet scripts against C netfilter queue programs: packets/s, round trips, TCP; 3 min (--long: 25 min)",
    onlyNamed: true,
  },
  kernel: {
    rows: kernelRows,
    says: "packet scripts in the kernel against Linux's NAT, nft and C: packets/s, round trips, TCP; 4 min (--long: 13 min)",
    onlyNamed: true,
  },
  netpipe: {
    rows: netpipeRows,
    says: "NetPIPE's curves through NAT by scripts, by Linux, by C programs; 2 min (--long: 14 min)",
    onlyNamed: true,
  },
  caches: {
    rows: cachesRows,
    says: "downloads by TFTP and HTTP with and without caches, 1 byte to 32 MiB; 2 min (--long: 40 min)",
    onlyNamed: true,
  },
  flow: {
    rows: flowRows,
    says: "flow engines over captures: libnids, libtins, gopacket, tcpflow, tshark; 1 min (--long: 5 min)",
    onlyNamed: true,
  },
};

const HELP = `npm run bench [NAME …] [-- OPTION …]

Measures MetaNet against other programs in the same run and prints a table of ratios. Without a name, everything that
takes seconds; what needs root or a missing program is left out, and says so.

${Object.entries(BENCHMARKS)
  .map(([name, { says, onlyNamed }]) => `  ${name.padEnd(10)}${says}${onlyNamed ? "; only when named" : ""}`)
  .join("\n")}

  --json         the rows for programs
  --long         more rounds, for ring, script, kernel, netpipe, caches and flow; all but ring write data and plots into
                 docs/benchmarks. They take up to twice as long (four times with --long) while others use the machine
  --only WORD    of kernel and netpipe, only what has WORD in its name ("--only TCP", "--only IPv6", "--only drop"); may
                 be given several times. A trial: writes no data
  --rounds N     of kernel, N rounds in place of its own number. A trial: writes no data
  --markdown     the table as Markdown; of script, kernel, netpipe, caches and flow, what docs/benchmarks holds, without
                 measuring
  --docs         writes what docs/benchmarks holds into the documents that have a place for it, without measuring
  --help         this
`;

const { values, positionals: named } = parseOptions();
// Benchmarks are given what concerns them as words.
const options = [
  ...Object.keys(values)
    .filter((name) => values[name as keyof typeof values] === true)
    .map((name) => `--${name}`),
  ...(values.only ?? []).map((word) => `--only=${word}`),
  ...(values.rounds === undefined ? [] : [`--rounds=${values.rounds}`]),
];
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const unknown = named.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  process.stderr.write(
    `Cannot run benchmark '${unknown[0]}': there are ${Object.keys(BENCHMARKS).join(", ")}\n`,
  );
  process.exit(2);
}

if (values.docs) {
  for (const file of await writeDocuments()) process.stdout.write(`${file}\n`);
  process.exit(0);
}
const isMarkdown = options.includes("--markdown");
const rows: Row[] = [];
for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
  if (named.length > 0 ? !named.includes(name) : benchmark.onlyNamed) continue;
  if (isMarkdown && benchmark.onlyNamed) continue;
  process.stderr.write(`${name} …\n`);
  rows.push(...(await benchmark.rows(options)));
}
if (options.includes("--json")) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
else if (isMarkdown) process.stdout.write(markdown());
else if (rows.length > 0) process.stdout.write(table(rows));

function parseOptions() {
  const flag = { type: "boolean" } as const;
  const flags = { json: flag, long: flag, markdown: flag, docs: flag, help: flag } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: { ...flags, only: { type: "string", multiple: true }, rounds: { type: "string" } },
    });
  } catch (error) {
    const [seen] = (error as Error).message.split(". ");
    process.stderr.write(`Cannot run the benchmarks: ${seen}; see npm run bench -- --help\n`);
    process.exit(2);
  }
}

function markdown(): string {
  return (rows.length > 0 ? `${rowsMarkdown(rows)}\n` : "") + publishedMarkdown(named);
}

function table(all: readonly Row[]): string {
  const cells = all.map((row) => [
    row.what,
    row.ours,
    row.peer,
    formatRatio(row),
    row.target,
    formatMet(row),
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
