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
import { attempt, disturbedText } from "./rig/foreign.ts";
import {
  C_BATCHED,
  C_PLAIN,
  FORWARDING,
  type Handler,
  LINUX_NAT,
  OUR_NAT,
  switchQueue,
} from "./rig/handler.ts";
import { KERNEL_NAT, NFT_STATELESS } from "./rig/kernel-handlers.ts";
import { ADDRESSES, BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords, writeData, writePicture } from "./rig/results.ts";
import { type Spread, spreadOf } from "./rig/spread.ts";
import { isTrial, onlyOf } from "./rig/trial.ts";

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

const QUICK_SMALL: Part = { from: 1, to: 255, repeats: 300 };
/** Round trips of small blocks come as often as they cost little: each size keeps its quickest. */
const QUICK: readonly Part[] = [
  QUICK_SMALL,
  QUICK_SMALL,
  QUICK_SMALL,
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
/** How often a turn is measured until nobody disturbs it, and for how many seconds of the run we are so patient. */
const PATIENCE = { quick: { attempts: 2, seconds: 120 }, long: { attempts: 4, seconds: 1200 } };
const TARGET_RATIO = 0.9;
/** In the kernel the peers are Linux's own rules. */
const KERNEL_TARGET_RATIO = 1;
/** Blocks that are all latency. */
const SMALL_BYTES_MAX = 63;
/** A turn that fails is tried again; what fails again is left out. */
const TURN_TRIES_MAX = 2;
const HANDLERS = [FORWARDING, LINUX_NAT, NFT_STATELESS, C_PLAIN, C_BATCHED, OUR_NAT, KERNEL_NAT];

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
    const handlers = HANDLERS.filter(({ name }) => onlyOf(words, name));
    const { curves, foreign } = await measureCurves(handlers, long ? LONG : QUICK, cores);
    const data: NetpipeData = { cores, long, foreign, curves };
    if (!isTrial(words)) {
      const name = cores === 1 ? "netpipe" : "netpipe-two-cores";
      await writeData(name, data);
      await writeNetpipePictures(name, data);
    }
    if (!words.includes("--json")) process.stdout.write(netpipeTable(data));
    rows.push(...netpipeRowsOf(data));
  }
  return rows;
}

/** The plots of one file of results, which has this name. */
export async function writeNetpipePictures(name: string, { curves, cores }: NetpipeData): Promise<void> {
  for (const [plot, chart] of Object.entries(charts(curves, cores)))
    await writePicture(`${name}-${plot}`, drawChart(chart));
}

async function measureCurves(
  handlers: readonly Handler[],
  parts: readonly Part[],
  cores: 1 | 2,
): Promise<Pick<NetpipeData, "curves" | "foreign">> {
  const { attempts: attemptsMax, seconds } = PATIENCE[parts === LONG ? "long" : "quick"];
  const patientUntil = performance.now() + seconds * 1000;
  const foreign: number[] = [];
  const points = handlers.map(() => new Map<number, Point>());
  const programs = makePrograms();
  const network = new BenchNetwork();
  try {
    for (const [round, part] of parts.entries()) {
      process.stderr.write(`  blocks from ${formatBytes(part.from)} to ${formatBytes(part.to)}\n`);
      for (let turn = 0; turn < handlers.length; turn++) {
        const index = (turn + round) % handlers.length;
        const handler = handlers[index] as Handler;
        const attempts = await tryTurn(handler.name, () =>
          withHandler(handler, network, programs, cores, () =>
            attempt(performance.now() < patientUntil ? attemptsMax : 1, () =>
              netpipe(network, programs, part, cores),
            ),
          ),
        );
        if (attempts.length === 0) continue;
        for (const { result } of attempts) takeQuickest(points[index] ?? new Map(), result);
        foreign.push(Math.min(...attempts.map((one) => one.foreign)));
      }
    }
  } finally {
    await network.close();
    programs.remove();
  }
  const curves = handlers.map(({ name, kind }, index): Curve => {
    const own = [...(points[index]?.values() ?? [])];
    return { name, kind, points: own.sort((left, right) => left.bytes - right.bytes) };
  });
  return { curves, foreign };
}

/** Nothing when the turn failed and failed again, which is told. */
async function tryTurn<R>(name: string, turn: () => Promise<readonly R[]>): Promise<readonly R[]> {
  for (let tries = 1; tries <= TURN_TRIES_MAX; tries++) {
    try {
      return await turn();
    } catch (error) {
      const then = tries < TURN_TRIES_MAX ? "it is tried again" : "the curve goes on without it";
      process.stderr.write(`    ${name} failed, ${then}: ${String(error)}\n`);
    }
  }
  return [];
}

/** Of each size the quickest, as NetPIPE does with its own trials. */
function takeQuickest(best: Map<number, Point>, points: readonly Point[]): void {
  for (const point of points) {
    const before = best.get(point.bytes);
    if (!before || point.seconds < before.seconds) best.set(point.bytes, point);
  }
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
    // What the turn failed of is to be told, and not what its end says.
    if (!isEnded) await running.stop().catch(() => undefined);
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
  const small = points.filter(({ bytes }) => bytes <= SMALL_BYTES_MAX).map((point) => point.seconds);
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

/**
 * At each size: the script in user space against the C program that is the better one over all sizes, the script in the
 * kernel against the better of Linux's rules.
 */
export function netpipeRowsOf({ curves, cores }: NetpipeData): Row[] {
  const among = (handlers: readonly Handler[]): Curve[] =>
    curves.filter((curve) => handlers.some(({ name }) => name === curve.name));
  const best = (all: readonly Curve[]): Curve | undefined => {
    const [first, second] = all;
    return first && second && ratioOf(first, second).median < 1 ? second : first;
  };
  const linux = best(among([LINUX_NAT, NFT_STATELESS]));
  return curves
    .filter((curve) => curve.kind === "ours")
    .flatMap((ours) => {
      const isKernel = ours.name === KERNEL_NAT.name;
      const peer = isKernel ? linux : best(among([C_PLAIN, C_BATCHED]));
      const what = `NetPIPE through ${ours.name}`;
      const target = isKernel ? KERNEL_TARGET_RATIO : TARGET_RATIO;
      return [
        ...(peer ? [rowOf(`${what}, all blocks, ${coreWords(cores)}`, ours, peer, target)] : []),
        ...(peer && isKernel
          ? [smallRowOf(`${what}, below 64 bytes, ${coreWords(cores)}`, ours, peer, target)]
          : []),
        ...(linux && !isKernel
          ? [rowOf(`${what}, all blocks, ${coreWords(cores)}`, ours, linux, undefined)]
          : []),
      ];
    });
}

function rowOf(what: string, ours: Curve, peer: Curve, target: number | undefined): Row {
  const { median: ratio, low, high } = ratioOf(ours, peer);
  const figure = (curve: Curve): string => `${Math.round(summary(curve).most)} Mbit/s`;
  return {
    what,
    ours: figure(ours),
    peer: `${peer.name} ${figure(peer)}`,
    ratio,
    limits: [low, high],
    target: target === undefined ? "no target" : `>= ${target.toFixed(2)} x`,
    met: target === undefined || Number(ratio.toFixed(2)) >= target,
  };
}

/** The same for blocks that are all latency, by the time that they take. */
function smallRowOf(what: string, ours: Curve, peer: Curve, target: number): Row {
  const [own, other] = [ours, peer].map((curve): Curve => {
    return { ...curve, points: curve.points.filter(({ bytes }) => bytes <= SMALL_BYTES_MAX) };
  }) as [Curve, Curve];
  const figure = (curve: Curve): string => `${summary(curve).latencyUs.toFixed(1)} us`;
  return {
    ...rowOf(what, own, other, target),
    ours: figure(ours),
    peer: `${peer.name} ${figure(peer)}`,
  };
}

/** How fast one is for the other, over the sizes that both have. */
function ratioOf(one: Curve, other: Curve): Spread {
  const rates = new Map(other.points.map(({ bytes, mbitPerSecond }) => [bytes, mbitPerSecond]));
  return spreadOf(
    one.points.map(({ bytes, mbitPerSecond }) => mbitPerSecond / (rates.get(bytes) ?? Number.NaN)),
  );
}
