/**
 * The thesis's section 4.1: NetPIPE through a router that does not translate addresses, that does it with Linux's own
 * SNAT and DNAT, and that does it with programs. Writes `docs/benchmarks/netpipe*.json` and the three plots.
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";
import { type Chart, drawChart, formatBytes, formatSeconds } from "./rig/chart.ts";
import { type Attempt, attempt, disturbedText } from "./rig/foreign.ts";
import {
  C_BATCHED,
  C_PLAIN,
  FORWARDING,
  type Handler,
  LINUX_NAT,
  OUR_NAT,
  switchQueue,
} from "./rig/handler.ts";
import { KERNEL_NAT } from "./rig/kernel-handlers.ts";
import { ADDRESSES, BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords, writeData, writePicture } from "./rig/results.ts";

/** What NetPIPE says of one size of block. */
interface Point {
  readonly bytes: number;
  readonly mbitPerSecond: number;
  /** For a block one way, in seconds. */
  readonly seconds: number;
}

interface Curve {
  readonly name: string;
  readonly kind: Handler["kind"];
  readonly points: Point[];
}

/** What `docs/benchmarks/netpipe*.json` holds beside the conditions. */
export interface NetpipeData {
  readonly cores: 1 | 2;
  readonly long: boolean;
  /** Cores that others kept busy in each turn, of the attempts that disturbed least. */
  readonly foreign: readonly number[];
  readonly curves: readonly Curve[];
}

/** NetPIPE's schedule in parts, so that the handlers take turns; each begins at a power of two, as it wants. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** Round trips for each size; NetPIPE's own choice, about a quarter of a second, when absent. */
  readonly repeats?: number;
}

const QUICK: readonly Part[] = [
  { from: 1, to: 255, repeats: 300 },
  { from: 256, to: 8191, repeats: 300 },
  { from: 8192, to: 131_071, repeats: 60 },
  { from: 131_072, to: 1_048_575, repeats: 15 },
  { from: 1_048_576, to: 8_388_608, repeats: 4 },
];
const LONG: readonly Part[] = [
  { from: 1, to: 63 },
  { from: 64, to: 1023 },
  { from: 1024, to: 16_383 },
  { from: 16_384, to: 262_143 },
  { from: 262_144, to: 4_194_303 },
  { from: 4_194_304, to: 67_108_864 },
];
/** NetPIPE's own. */
const PORT = 5002;
const QUEUE = 40;
/** How often a part of the schedule is measured until nobody disturbs it. */
const ATTEMPTS_MAX = { quick: 2, long: 4 };
const TARGET_RATIO = 0.9;
/** In the kernel the peer is Linux. */
const KERNEL_TARGET_RATIO = 1;

/** Empty without root; a row for each of ours otherwise. */
export async function netpipeRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("NPtcp", "iptables", "nft", "ethtool");
  if (problem !== false) {
    process.stderr.write(`netpipe: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const rows: Row[] = [];
  for (const cores of long ? ([1, 2] as const) : ([1] as const)) {
    const { curves, foreign } = await measureCurves(long ? LONG : QUICK, cores);
    const data: NetpipeData = { cores, long, foreign, curves };
    const name = cores === 1 ? "netpipe" : "netpipe-two-cores";
    await writeData(name, data);
    for (const [plot, chart] of Object.entries(charts(curves, cores)))
      await writePicture(`${name}-${plot}`, drawChart(chart));
    if (!words.includes("--json")) process.stdout.write(netpipeTable(data));
    rows.push(...netpipeRowsOf(data));
  }
  return rows;
}

async function measureCurves(
  parts: readonly Part[],
  cores: 1 | 2,
): Promise<Pick<NetpipeData, "curves" | "foreign">> {
  const foreign: number[] = [];
  const handlers = [FORWARDING, LINUX_NAT, C_PLAIN, C_BATCHED, OUR_NAT, KERNEL_NAT];
  const curves = handlers.map(({ name, kind }): Curve => ({ name, kind, points: [] }));
  const programs = makePrograms();
  const network = new BenchNetwork();
  try {
    for (const [round, part] of parts.entries()) {
      process.stderr.write(`  blocks from ${formatBytes(part.from)} to ${formatBytes(part.to)}\n`);
      for (let turn = 0; turn < handlers.length; turn++) {
        const index = (turn + round) % handlers.length;
        const handler = handlers[index] as Handler;
        const attempts = await withHandler(handler, network, programs, cores, () =>
          attempt(ATTEMPTS_MAX[parts === LONG ? "long" : "quick"], () =>
            netpipe(network, programs, part, cores),
          ),
        );
        curves[index]?.points.push(...fastest(attempts));
        foreign.push(Math.min(...attempts.map((one) => one.foreign)));
      }
    }
  } finally {
    await network.close();
    programs.remove();
  }
  return { curves, foreign };
}

/** Of each size the quickest, as NetPIPE does with its own trials. */
function fastest(attempts: readonly Attempt<Point[]>[]): Point[] {
  const [first, ...others] = attempts.map((one) => one.result);
  return (first ?? []).map((point, index) =>
    others.reduce((best, points) => {
      const other = points[index];
      return other && other.bytes === best.bytes && other.seconds < best.seconds ? other : best;
    }, point),
  );
}

async function withHandler<R>(
  handler: Handler,
  network: BenchNetwork,
  programs: Programs,
  cores: 1 | 2,
  action: () => Promise<R>,
): Promise<R> {
  const core = cores === 1 ? 0 : undefined;
  const where = { mode: "nat", core, queue: QUEUE, queueCount: 1 } as const;
  const running = await handler.start(network, programs, { ...where, segments: false, copyRange: 65_535 });
  let isEnded = false;
  if (handler.rules === "queue") switchQueue(network, where, true);
  try {
    const result = await action();
    if (handler.rules === "queue") switchQueue(network, where, false);
    isEnded = true;
    const done = await running.stop();
    if (done?.modified === 0) throw new Error(`Cannot compare: ${handler.name} rewrote nothing`);
    return result;
  } finally {
    if (!isEnded) await running.stop();
  }
}

/** One run of the real program over one part of its schedule. */
async function netpipe(
  network: BenchNetwork,
  programs: Programs,
  part: Part,
  cores: 1 | 2,
): Promise<Point[]> {
  const core = cores === 1 ? 0 : undefined;
  const sizes = ["-l", String(part.from), "-u", String(part.to)];
  const repeats = part.repeats === undefined ? [] : ["-n", String(part.repeats)];
  const file = join(programs.folder, "netpipe.out");
  const server = await network.start("dst", ["NPtcp", ...sizes, ...repeats], {
    core,
    folder: programs.folder,
  });
  try {
    await network.listening("dst", PORT);
    const there = ["-h", ADDRESSES[4].dst, "-o", file];
    await network.runLong("src", ["NPtcp", ...there, ...sizes, ...repeats], core);
  } finally {
    await server.stop();
  }
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [bytes = 0, mbitPerSecond = 0, seconds = 0] = line.trim().split(/\s+/).map(Number);
      return { bytes, mbitPerSecond, seconds };
    });
}

/** The three graphs of figure 4.2. */
function charts(curves: readonly Curve[], cores: 1 | 2): Record<string, Chart> {
  const lines = (x: keyof Point, y: keyof Point) =>
    curves.map(({ name, points }) => ({
      name,
      points: points.map((point) => [point[x], point[y]] as const),
    }));
  const where = cores === 1 ? "all on one core" : "two cores";
  const block = { title: "block size", scale: "log2", format: formatBytes } as const;
  const rate = { title: "throughput (bit/s)", scale: "log10", format: formatRate } as const;
  const time = { title: "time for a block, one way", scale: "log10", format: formatSeconds } as const;
  return {
    throughput: {
      title: `NetPIPE through a NAT: throughput, ${where}`,
      x: block,
      y: rate,
      lines: lines("bytes", "mbitPerSecond"),
    },
    signature: {
      title: `NetPIPE through a NAT: signature, ${where}`,
      x: time,
      y: rate,
      lines: lines("seconds", "mbitPerSecond"),
    },
    saturation: {
      title: `NetPIPE through a NAT: saturation, ${where}`,
      x: time,
      y: block,
      lines: lines("seconds", "bytes"),
    },
  };
}

/** Of Mbit/s: `100 k`, `10 M`, `1 G`. */
function formatRate(rate: number): string {
  const [factor, unit] = rate < 0.99 ? [1000, "k"] : rate < 990 ? [1, "M"] : [0.001, "G"];
  return `${Number((rate * factor).toPrecision(3))} ${unit}`;
}

/** The one-way time of the smallest blocks, and the highest throughput. */
function summary({ points }: Curve): { readonly latencyUs: number; readonly most: number } {
  const small = points.filter((point) => point.bytes < 64).map((point) => point.seconds);
  return {
    latencyUs: median(small) * 1e6,
    most: Math.max(...points.map((point) => point.mbitPerSecond)),
  };
}

/** A line for each curve. */
export function netpipeTable({ curves, cores, foreign }: NetpipeData): string {
  const lines = curves.map((curve) => {
    const { latencyUs, most } = summary(curve);
    return `| ${curve.name} | ${latencyUs.toFixed(1)} us | ${Math.round(most)} Mbit/s |\n`;
  });
  const heads = `| NetPIPE through, ${coreWords(cores)} | blocks below 64 bytes, one way | most |`;
  return `${heads}\n|---|---|---|\n${lines.join("")}\n${disturbedText(foreign)}\n`;
}

/** Ours at each size against the C program that is the better one over all sizes, and against Linux. */
export function netpipeRowsOf({ curves, cores }: NetpipeData): Row[] {
  const of = (name: string): Curve | undefined => curves.find((curve) => curve.name === name);
  const [plain, batched, linux] = [C_PLAIN, C_BATCHED, LINUX_NAT].map(({ name }) => of(name));
  if (!plain || !batched) return [];
  const better = ratioOf(plain, batched) > 1 ? plain : batched;
  return curves
    .filter((curve) => curve.kind === "ours")
    .flatMap((ours) => {
      const row = (peer: Curve, target: number | undefined): Row => ({
        what: `NetPIPE through ${ours.name}, all blocks, ${coreWords(cores)}`,
        ours: `${Math.round(summary(ours).most)} Mbit/s`,
        peer: `${peer.name} ${Math.round(summary(peer).most)} Mbit/s`,
        ratio: ratioOf(ours, peer),
        target: target === undefined ? "no target" : `>= ${target.toFixed(2)} x`,
        met: target === undefined || ratioOf(ours, peer) >= target,
      });
      if (ours.name === KERNEL_NAT.name) return linux ? [row(linux, KERNEL_TARGET_RATIO)] : [];
      return [row(better, TARGET_RATIO), ...(linux ? [row(linux, undefined)] : [])];
    });
}

/** How fast one is for the other, median over the sizes. */
function ratioOf(one: Curve, other: Curve): number {
  return median(
    one.points.map(
      (point, index) => point.mbitPerSecond / (other.points[index]?.mbitPerSecond ?? Number.NaN),
    ),
  );
}
