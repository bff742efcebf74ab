/**
 * The thesis's section 4.2: how long real clients take to download 26 files by TFTP and HTTP from tftpd-hpa and nginx,
 * and from caches in front of them, with and without a delay to the servers. Writes `docs/benchmarks/caches.json` and
 * the plots of figures 4.4 and 4.5.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";
import { CACHES, type Cache, DELAYS, type Delay } from "./rig/cache.ts";
import { type Chart, drawChart, formatBytes, formatSeconds } from "./rig/chart.ts";
import { FILE_SIZES, type FileProtocol, FileServers } from "./rig/file-servers.ts";
import { BenchNetwork } from "./rig/network.ts";
import { missingProblem } from "./rig/programs.ts";
import { writeData, writePicture } from "./rig/results.ts";

/** One way to get files: from the server, or through a cache; with the delay of the link to the server. */
interface Series {
  readonly protocol: FileProtocol;
  readonly name: string;
  readonly delayMilliseconds: number;
  readonly sizes: readonly Size[];
}

interface Size {
  readonly bytes: number;
  /** Seconds of each repetition; through a cache, of downloads that it has the file for. */
  readonly seconds: number[];
  /** Seconds of the downloads that filled the cache; empty without one. */
  readonly filling: number[];
}

const SERVERS: Record<FileProtocol, string> = { tftp: "tftpd-hpa", http: "nginx" };
/** Where the thesis cuts its plots in two. */
const SMALL_MAX: Record<FileProtocol, number> = { tftp: 2048, http: 1024 };
const TFTP_BLOCK_BYTES = 512;
/** TFTP waits for each block: over a slow link the largest files would take half an hour. */
const DELAYED_SECONDS_MAX = { quick: 3, long: 60 };
const CORE = 0;

/** Empty without root and without caches; a row for each of these otherwise. */
export async function cachesRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("in.tftpd", "nginx", "tftp", "curl", "wget");
  if (problem !== false) {
    process.stderr.write(`caches: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const network = new BenchNetwork();
  const servers = new FileServers(network, CORE);
  const all: Series[] = [];
  try {
    await servers.start();
    for (const protocol of ["tftp", "http"] as const) {
      for (const delay of [undefined, ...DELAYS]) {
        all.push(...(await measureAll(network, servers, protocol, delay, long)));
      }
    }
  } finally {
    await network.close();
    servers.close();
  }
  await writeData("caches", { long, series: all });
  for (const [name, chart] of chartsOf(all)) await writePicture(`caches-${name}`, drawChart(chart));
  if (!words.includes("--json")) process.stdout.write(tableOf(all));
  return rowsOf(all);
}

/** The server and every cache in front of it take turns, round by round. */
async function measureAll(
  network: BenchNetwork,
  servers: FileServers,
  protocol: FileProtocol,
  delay: Delay | undefined,
  long: boolean,
): Promise<Series[]> {
  const caches = [undefined, ...CACHES.filter((cache) => cache.protocol === protocol)];
  const delayMilliseconds = delay?.milliseconds ?? 0;
  const limit = DELAYED_SECONDS_MAX[long ? "long" : "quick"];
  const sizes = FILE_SIZES.filter((bytes) => secondsAtLeast(protocol, bytes, delayMilliseconds) <= limit);
  const series = caches.map(
    (cache): Series => ({
      protocol,
      name: cache?.name ?? SERVERS[protocol],
      delayMilliseconds,
      sizes: sizes.map((bytes) => ({ bytes, seconds: [], filling: [] })),
    }),
  );
  process.stderr.write(`  ${protocol}${delay ? `, ${delay.milliseconds} ms to the server` : ""}\n`);
  const delaying = await delay?.start(network);
  try {
    for (let round = 0; round < (long ? 10 : 5); round++) {
      for (let turn = 0; turn < series.length; turn++) {
        const index = (turn + round) % series.length;
        const one = series[index] as Series;
        await measureOne(network, servers, one, caches[index], round === 0);
      }
    }
  } finally {
    await delaying?.stop();
  }
  return series;
}

async function measureOne(
  network: BenchNetwork,
  servers: FileServers,
  { protocol, sizes }: Series,
  cache: Cache | undefined,
  verified: boolean,
): Promise<void> {
  const running = await cache?.start(network, CORE);
  try {
    for (const size of sizes) {
      if (cache) size.filling.push(await servers.download(protocol, size.bytes));
      size.seconds.push(await servers.download(protocol, size.bytes));
      if (verified) await servers.verify(protocol, size.bytes);
    }
  } finally {
    await running?.stop();
  }
}

function secondsAtLeast(protocol: FileProtocol, bytes: number, delayMilliseconds: number): number {
  if (protocol === "http") return 0;
  return (Math.ceil((bytes + 1) / TFTP_BLOCK_BYTES) * 2 * delayMilliseconds) / 1000;
}

/** As in figures 4.4 and 4.5: (a) the larger files, (b) the smaller ones, (c) with a delay. */
function chartsOf(all: readonly Series[]): [string, Chart][] {
  return (["tftp", "http"] as const).flatMap((protocol) => {
    const own = all.filter((one) => one.protocol === protocol);
    const near = own.filter((one) => one.delayMilliseconds === 0);
    const far = own.filter((one) => one.delayMilliseconds > 0);
    const cut = SMALL_MAX[protocol];
    const word = protocol.toUpperCase();
    const charts: [string, Chart][] = [
      [
        `${protocol}-large`,
        chart(`${word}, files of ${formatBytes(cut)} and more`, "log10", near, (n) => n >= cut),
      ],
      [
        `${protocol}-small`,
        chart(`${word}, files up to ${formatBytes(cut)}`, "linear", near, (n) => n <= cut),
      ],
    ];
    if (far.length > 0)
      charts.push([`${protocol}-delay`, chart(`${word}, server far away`, "log10", far, () => true)]);
    return charts;
  });
}

function chart(
  title: string,
  scale: "log10" | "linear",
  series: readonly Series[],
  within: (bytes: number) => boolean,
): Chart {
  return {
    title: `Download time: ${title}`,
    x: { title: "file size", scale: "log2", format: formatBytes },
    y: { title: "time to download (median)", scale, format: formatSeconds },
    lines: series.map((one) => ({
      name: one.delayMilliseconds > 0 ? `${one.name}, ${one.delayMilliseconds} ms away` : one.name,
      points: one.sizes
        .filter(({ bytes }) => within(bytes))
        .map(({ bytes, seconds }) => [bytes, median(seconds)] as const),
    })),
  };
}

function tableOf(all: readonly Series[]): string {
  const shown = [1, 1024, 65_536, 2 ** 20, 2 ** 25];
  const lines = all.map((one) => {
    const cells = shown.map((bytes) => {
      const size = one.sizes.find((each) => each.bytes === bytes);
      return size ? formatSeconds(median(size.seconds)) : "";
    });
    const delay = one.delayMilliseconds > 0 ? `, ${one.delayMilliseconds} ms away` : "";
    return `| ${one.protocol}, ${one.name}${delay} | ${cells.join(" | ")} |\n`;
  });
  const heads = shown.map(formatBytes).join(" | ");
  return `| download by | ${heads} |\n|${"---|".repeat(shown.length + 1)}\n${lines.join("")}`;
}

/** How much sooner a file comes from a cache than from the server behind it, over all sizes. */
function rowsOf(all: readonly Series[]): Row[] {
  return all.flatMap((ours) => {
    const server = all.find(
      (one) =>
        one.protocol === ours.protocol &&
        one.delayMilliseconds === ours.delayMilliseconds &&
        one.name === SERVERS[one.protocol],
    );
    if (!server || server === ours) return [];
    const total = (one: Series): number =>
      one.sizes.reduce((sum, size) => sum + Math.log(median(size.seconds)), 0) / one.sizes.length;
    const ratio = Math.exp(total(server) - total(ours));
    return [
      {
        what: `${ours.name}, ${ours.delayMilliseconds} ms to the server, all sizes`,
        ours: formatSeconds(Math.exp(total(ours))),
        peer: `${server.name} ${formatSeconds(Math.exp(total(server)))}`,
        ratio,
        // The thesis's cache won only against a server that was far away.
        target: ours.delayMilliseconds > 0 ? ">= 1.00 x" : "no target",
        met: ours.delayMilliseconds === 0 || ratio >= 1,
      },
    ];
  });
}
