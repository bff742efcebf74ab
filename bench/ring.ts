/**
 * Captures against a C loop over the same ring in the same run: which rate of small packets is kept, and what a packet
 * costs the reader. Readers take turns within every round; ratios are medians of the rounds' ratios.
 * @module
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { RING_BYTES_DEFAULT } from "#io/packet-capture.ts";
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";
import { attempt } from "./rig/foreign.ts";
import { flood } from "./rig/load.ts";
import { BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords } from "./rig/results.ts";

const OURS = join(import.meta.dirname, "peers/packet-ring-ours.ts");
const BLOCK_MILLISECONDS = 20;
const ROUNDS = { quick: 7, long: 31 };
const ROUND_MILLISECONDS = 500;
/** For a compiler that learns while the program runs. */
const WARM_MILLISECONDS = 300;
const PAUSE_MILLISECONDS = 2;
/** How often a turn is measured until nobody disturbs it. */
const ATTEMPT_COUNT_MAX = 2;
/** So much of the rate that the C loop keeps is promised. */
const KEPT_RATIO_MIN = 0.95;
/** For the reader's orientation: a record filled for each packet against one that is only counted. */
const COST_RATIO_MAX = 4;

interface Reader {
  readonly name: string;
  readonly program: (programs: Programs) => readonly string[];
}

/** What one turn showed. */
interface Kept {
  /** Packets per second that arrived and were read. */
  readonly perSecond: number;
  /** The part that the ring had no room for, 0 to 1. */
  readonly loss: number;
  /** The reader's processor time for each packet, in nanoseconds. */
  readonly nanoseconds: number;
}

const READERS: readonly [Reader, Reader] = [
  { name: "metanet", program: () => [process.execPath, OURS] },
  { name: "C loop", program: (programs) => [programs.path("packet-ring")] },
];

/** Empty without root: there is no interface to capture from. */
export async function ringRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("nft", "taskset");
  if (problem !== false) {
    process.stderr.write(`ring: left out, ${problem}\n`);
    return [];
  }
  const rounds = words.includes("--long") ? ROUNDS.long : ROUNDS.quick;
  const programs = makePrograms();
  const network = new BenchNetwork();
  try {
    const rows: Row[] = [];
    for (const cores of [2, 1] as const) rows.push(...(await compare(network, programs, cores, rounds)));
    return rows;
  } finally {
    await network.close();
    programs.remove();
  }
}

/** The generator and the network are on the first core; the reader is there too, or on the second. */
async function compare(
  network: BenchNetwork,
  programs: Programs,
  cores: 1 | 2,
  rounds: number,
): Promise<Row[]> {
  const turns: [Kept[], Kept[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const tried = await attempt(ATTEMPT_COUNT_MAX, () =>
        turn(network, programs, READERS[index], cores - 1),
      );
      const best = tried.toSorted((left, right) => left.foreign - right.foreign)[0];
      if (best) turns[index].push(best.result);
    }
  }
  const [ours, peer] = turns;
  const ratio = (value: (kept: Kept) => number): number =>
    median(ours.map((kept, round) => value(kept) / value(peer[round] ?? kept)));
  const middle = (all: readonly Kept[], value: (kept: Kept) => number): number => median(all.map(value));
  const rate = (all: readonly Kept[]): string => {
    const lost = 100 * middle(all, ({ loss }) => loss);
    return `${Math.round(middle(all, ({ perSecond }) => perSecond) / 1000)} kpps, ${lost.toFixed(1)} % lost`;
  };
  const cost = (all: readonly Kept[]): string =>
    `${middle(all, ({ nanoseconds }) => nanoseconds).toFixed(0)} ns`;
  const kept = ratio(({ perSecond }) => perSecond);
  const spent = ratio(({ nanoseconds }) => nanoseconds);
  return [
    {
      what: `ring, 60-byte packets kept, ${coreWords(cores)}`,
      ours: rate(ours),
      peer: `C loop ${rate(peer)}`,
      ratio: kept,
      target: `>= ${KEPT_RATIO_MIN.toFixed(2)} x`,
      met: kept >= KEPT_RATIO_MIN,
    },
    {
      what: `ring, processor time a packet, ${coreWords(cores)}`,
      ours: cost(ours),
      peer: `C loop ${cost(peer)}`,
      ratio: spent,
      target: `<= ${COST_RATIO_MAX.toFixed(2)} x`,
      met: spent <= COST_RATIO_MAX,
    },
  ];
}

/** One reader on the receiver's interface, under a flood. */
async function turn(network: BenchNetwork, programs: Programs, reader: Reader, core: number): Promise<Kept> {
  const words = [...reader.program(programs), "eth0", String(RING_BYTES_DEFAULT), String(BLOCK_MILLISECONDS)];
  const child = await network.start("dst", words, { core, ready: /ready\n/ });
  await flood(network, programs, { version: 4, milliseconds: WARM_MILLISECONDS });
  child.child.kill("SIGUSR2");
  while (!child.output().includes("again\n")) await pause(PAUSE_MILLISECONDS);
  const { delivered } = await flood(network, programs, { version: 4, milliseconds: ROUND_MILLISECONDS });
  await child.stop();
  const { packets, drops, microseconds } = JSON.parse(child.output().split("\n")[2] ?? "{}");
  if (!(packets > 0)) throw new Error(`Cannot compare: ${reader.name} saw nothing: ${child.output()}`);
  const loss = drops / (packets + drops);
  return { perSecond: delivered * (1 - loss), loss, nanoseconds: (microseconds * 1000) / packets };
}
