/**
 * The thesis's section 4.2: how long real clients take to download 26 files by TFTP and HTTP from tftpd-hpa and nginx,
 * and from the caches of `example/packet` in front of them, with and without a delay to the servers. Writes
 * `docs/benchmarks/caches.json` and the plots of figures 4.4 and 4.5.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";
import { CACHES, type Cache, DELAY_MILLISECONDS, startDelay } from "./rig/cache.ts";
import { type Chart, drawChart, formatBytes, formatSeconds } from "./rig/chart.ts";
import { FILE_SIZES, type FileProtocol, FileServers, type FileWay } from "./rig/file-servers.ts";
import { attempt, disturbedText } from "./rig/foreign.ts";
import { BenchNetwork } from "./rig/network.ts";
import { missingProblem } from "./rig/programs.ts";
import { writeData, writePicture } from "./rig/results.ts";

/** One way to get files: from the server, or through a cache; with the delay of the link to the server, each way. */
interface Series {
  readonly protocol: FileProtocol;
  readonly name: string;
  readonly way: FileWay;
  readonly delayMilliseconds: number;
  readonly sizes: readonly Size[];
  /** Requests that came to the server while files were downloaded; through a cache that has them all, none should. */
  requests: number;
  /** Cores that others kept busy, for each round. */
  readonly foreign: number[];
}

interface Size {
  readonly bytes: number;
  /** Seconds of each repetition. */
  readonly seconds: number[];
}

/** What `docs/benchmarks/caches.json` holds beside the conditions. */
export interface CachesData {
  readonly long: boolean;
  readonly series: readonly Series[];
  /** Packets that the delayed link has lost, which should be none. */
  readonly lost: number;
  /** Seconds of the downloads that filled a cache, without a delay. */
  readonly filling: Readonly<Record<FileProtocol, readonly Size[]>>;
}

interface Setting {
  readonly network: BenchNetwork;
  readonly servers: FileServers;
  readonly long: boolean;
  /** Takes note of packets that the delayed link has lost. */
  readonly lost: (count: number) => void;
}

const SERVERS: Record<FileProtocol, string> = { tftp: "tftpd-hpa", http: "nginx" };
/** Where the thesis cuts its plots in two. */
const SMALL_MAX: Record<FileProtocol, number> = { tftp: 2048, http: 1024 };
const TFTP_BLOCK_BYTES = 512;
const ROUNDS = { quick: 3, long: 10 };
/** TFTP waits for each block: over a slow link the largest file takes eleven minutes, and the quick form goes without. */
const DELAYED_SECONDS_MAX = { quick: 1.5, long: Number.POSITIVE_INFINITY };
/** What takes longer is downloaded in the first round only. */
const REPEATED_SECONDS_MAX = 10;
/** In milliseconds: the caches keep files for ten minutes and more. */
const FILLED_FOR = 240_000;
const CORE = 0;

/** Empty without root; a row for each cache and delay otherwise. */
export async function cachesRows(words: readonly string[] = []): Promise<Row[]> {
  const needed = ["in.tftpd", "nginx", "tftp", "curl", "wget", "nft"];
  const problem = rootProblem() || missingProblem(...needed);
  if (problem !== false) {
    process.stderr.write(`caches: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const network = new BenchNetwork();
  const servers = new FileServers(network, CORE);
  const series: Series[] = [];
  const filling: Record<FileProtocol, Size[]> = { tftp: newSizes(), http: newSizes() };
  let lost = 0;
  const setting: Setting = {
    network,
    servers,
    long,
    lost: (count) => {
      lost += count;
    },
  };
  try {
    await servers.start();
    for (const cache of CACHES) series.push(...(await measureCache(setting, cache, filling[cache.protocol])));
  } finally {
    await network.close();
    servers.close();
  }
  const data: CachesData = { long, lost, series, filling };
  await writeData("caches", data);
  for (const [name, chart] of chartsOf(series)) await writePicture(`caches-${name}`, drawChart(chart));
  if (!words.includes("--json")) process.stdout.write(cachesTable(data));
  return cachesRowsOf(data);
}

/** The server, and the cache in front of it, each without and with a delay to the server. */
async function measureCache(setting: Setting, cache: Cache, filling: readonly Size[]): Promise<Series[]> {
  const { network, servers, long } = setting;
  const { protocol } = cache;
  const running = await cache.start(network, CORE);
  let filledAt = Number.NEGATIVE_INFINITY;
  const all: Series[] = [];
  for (const delayMilliseconds of [0, DELAY_MILLISECONDS]) {
    const [cached, direct] = (["cached", "direct"] as const).map((way): Series => {
      const limit =
        way === "direct" ? DELAYED_SECONDS_MAX[long ? "long" : "quick"] : Number.POSITIVE_INFINITY;
      const isIn = ({ bytes }: Size): boolean => secondsAtLeast(protocol, bytes, delayMilliseconds) <= limit;
      const name = way === "direct" ? SERVERS[protocol] : cache.name;
      const sizes = newSizes().filter(isIn);
      return { protocol, name, way, delayMilliseconds, sizes, requests: 0, foreign: [] };
    }) as [Series, Series];
    all.push(direct, cached);
    process.stderr.write(`  ${protocol}${delayWords(delayMilliseconds)}\n`);
    if (delayMilliseconds === 0) {
      await downloadAll(servers, protocol, filling);
      filledAt = performance.now();
      await verifyAll(servers, cached);
      await verifyAll(servers, direct);
    }
    for (let round = 0; round < ROUNDS[long ? "long" : "quick"]; round++) {
      if (performance.now() - filledAt > FILLED_FOR) {
        await downloadAll(servers, protocol, newSizes());
        filledAt = performance.now();
      }
      const delaying = delayMilliseconds > 0 ? await startDelay(network) : undefined;
      try {
        // Over a slow link the server's downloads take longer than the cache keeps its files.
        const order = delaying || round % 2 === 0 ? [cached, direct] : [direct, cached];
        for (const one of order) await measureOne(servers, one, round);
      } finally {
        setting.lost((await delaying?.stop()) ?? 0);
      }
    }
  }
  await running.stop();
  return all;
}

/** One round: every file once. */
async function measureOne(servers: FileServers, series: Series, round: number): Promise<void> {
  const { protocol, way, delayMilliseconds } = series;
  const isSlow = ({ bytes }: Size): boolean =>
    way === "direct" && secondsAtLeast(protocol, bytes, delayMilliseconds) > REPEATED_SECONDS_MAX;
  const sizes = series.sizes.filter((size) => round === 0 || !isSlow(size));
  const before = servers.requestCount(protocol);
  const [measured] = await attempt(1, () => downloadAll(servers, protocol, sizes, way));
  const requests = servers.requestCount(protocol) - before;
  if (way === "direct" && !(requests >= sizes.length))
    throw new Error(`Cannot compare: ${requests} requests for ${sizes.length} files came to the server`);
  series.requests += requests;
  series.foreign.push(measured?.foreign ?? Number.NaN);
}

async function downloadAll(
  servers: FileServers,
  protocol: FileProtocol,
  sizes: readonly Size[],
  way: FileWay = "cached",
): Promise<void> {
  for (const size of sizes) size.seconds.push(await servers.download(protocol, size.bytes, way));
}

/** Every byte, and where it came from. */
async function verifyAll(servers: FileServers, { protocol, way, sizes }: Series): Promise<void> {
  const before = servers.requestCount(protocol);
  for (const { bytes } of sizes) await servers.verify(protocol, bytes, way);
  const requests = servers.requestCount(protocol) - before;
  if (way === "cached" && requests > 0)
    throw new Error(`Cannot compare: ${requests} of ${sizes.length} files did not come from the cache`);
}

function newSizes(): Size[] {
  return FILE_SIZES.map((bytes) => ({ bytes, seconds: [] }));
}

function secondsAtLeast(protocol: FileProtocol, bytes: number, delayMilliseconds: number): number {
  if (protocol === "http") return 0;
  return (Math.ceil((bytes + 1) / TFTP_BLOCK_BYTES) * 2 * delayMilliseconds) / 1000;
}

function delayWords(milliseconds: number): string {
  return milliseconds > 0 ? `, ${milliseconds} ms each way` : "";
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
      charts.push([
        `${protocol}-delay`,
        chart(`${word}, server far away`, "log10", [...far, ...near], () => true),
      ]);
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
      name: `${one.name}${delayWords(one.delayMilliseconds)}`,
      points: one.sizes
        .filter(({ bytes }) => within(bytes))
        .map(({ bytes, seconds }) => [bytes, median(seconds)] as const),
    })),
  };
}

/** A line for each series, and how often the caches had to ask. */
export function cachesTable({ series, filling, lost }: CachesData): string {
  const shown = [1, 1024, 65_536, 2 ** 20, 2 ** 25];
  const line = (name: string, sizes: readonly Size[]): string => {
    const cells = shown.map((bytes) => {
      const seconds = sizes.find((each) => each.bytes === bytes)?.seconds ?? [];
      return seconds.length > 0 ? formatSeconds(median(seconds)) : "";
    });
    return `| ${name} | ${cells.join(" | ")} |\n`;
  };
  const lines = series.map((one) =>
    line(`${one.protocol}, ${one.name}${delayWords(one.delayMilliseconds)}`, one.sizes),
  );
  const filled = CACHES.map(({ protocol, name }) =>
    line(`${protocol}, ${name}, first download`, filling[protocol]),
  );
  const heads = `| download by | ${shown.map(formatBytes).join(" | ")} |\n|${"---|".repeat(shown.length + 1)}`;
  const cached = series.filter(({ way }) => way === "cached");
  const requests = cached.reduce((sum, one) => sum + one.requests, 0);
  const downloads = cached.flatMap(({ sizes }) => sizes.flatMap(({ seconds }) => seconds)).length;
  return [
    `${heads}\n${lines.join("")}${filled.join("")}`,
    `${requests} requests came to the servers during ${downloads} downloads from caches; ${lost} packets were lost on the delayed link; ` +
      `${disturbedText(series.flatMap(({ foreign }) => foreign))}\n`,
  ].join("\n");
}

/** How much sooner a file comes from a cache than from the server behind it, over the sizes both were measured with. */
export function cachesRowsOf({ series }: CachesData): Row[] {
  return series
    .filter(({ way }) => way === "cached")
    .flatMap((ours) => {
      const { protocol, delayMilliseconds } = ours;
      const server = series.find(
        (one) =>
          one.way === "direct" && one.protocol === protocol && one.delayMilliseconds === delayMilliseconds,
      );
      if (!server) return [];
      const sizes = server.sizes.map(({ bytes }) => bytes);
      const total = (one: Series): number => {
        const own = one.sizes.filter(({ bytes }) => sizes.includes(bytes));
        return own.reduce((sum, size) => sum + Math.log(median(size.seconds)), 0) / own.length;
      };
      const ratio = Math.exp(total(server) - total(ours));
      const isFar = delayMilliseconds > 0;
      return [
        {
          what: `${ours.name}${delayWords(delayMilliseconds)}, ${sizes.length} sizes, geometric mean`,
          ours: formatSeconds(Math.exp(total(ours))),
          peer: `${server.name} ${formatSeconds(Math.exp(total(server)))}`,
          ratio,
          // The thesis's cache won only against a server that was far away.
          target: isFar ? ">= 1.00 x" : "no target",
          met: ours.requests === 0 && (!isFar || ratio >= 1),
        },
      ];
    });
}
