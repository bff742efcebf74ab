/**
 * Packet scripts against C programs on the same router in the same run: small packets per second, loss, round trips
 * with and without load, TCP. Handlers take turns within every round, and ratios are medians of the rounds' ratios.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import { median, type Row } from "./measure.ts";
import { attempt, FOREIGN_CORES_MAX } from "./rig/foreign.ts";
import { type Handler, type HandlerOptions, type Running, switchQueue } from "./rig/handler.ts";
import { HANDLERS } from "./rig/handlers.ts";
import { ECHO_PORT, flood, latency, stream } from "./rig/load.ts";
import { BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { writeData } from "./rig/results.ts";

/** One thing that is measured: `round` answers its figures for whatever handles packets just now. */
interface Experiment {
  readonly name: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly cores: readonly (1 | 2)[];
  readonly version: 4 | 6;
  readonly mode: "accept" | "read" | "nat";
  readonly segments: boolean;
  readonly copyRange: number;
  readonly rounds: number;
  /** How often a turn is measured while others disturb it. */
  readonly attempts: number;
  /** What is measured, under the names of the columns; the first is what ratios are made of. */
  readonly round: (
    network: BenchNetwork,
    programs: Programs,
    cores: 1 | 2,
  ) => Promise<Record<string, number>>;
}

/** The figures of one handler in one experiment on one or two cores. */
export interface Cell {
  readonly experiment: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly cores: 1 | 2;
  readonly handler: string;
  readonly kind: Handler["kind"];
  /** By name, a value for each round; `foreign` is how many cores others kept busy meanwhile. */
  readonly rounds: Readonly<Record<string, readonly number[]>>;
}

const TARGET_RATIO = 0.9;
const BESIDE_PER_SECOND = 50_000;
/** How often a turn is measured until nobody disturbs it. */
const ATTEMPTS_MAX = { quick: 2, long: 4 };
const WHOLE_PACKETS = 65_535;
const HEADERS = 128;

/** Empty without root or without the peers' library: there is nothing to compare with. */
export async function scriptRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("iperf3", "iptables", "nft", "ethtool");
  if (problem !== false) {
    process.stderr.write(`script: left out, ${problem}\n`);
    return [];
  }
  const programs = makePrograms();
  const network = new BenchNetwork();
  const cells: Cell[] = [];
  try {
    const echo = [programs.path("udp-ping"), "serve", String(ECHO_PORT)];
    // The server stays where the requests are delivered, as a card's interrupt would have it.
    await network.start("dst", echo, { core: 0, ready: /ready/ });
    for (const experiment of experiments(words.includes("--long"))) {
      for (const cores of experiment.cores)
        cells.push(...(await turns(experiment, cores, network, programs)));
    }
  } finally {
    await network.close();
    programs.remove();
  }
  await writeData("script", { cells });
  if (!words.includes("--json")) process.stdout.write(tableOf(cells));
  return rowsOf(cells);
}

function experiments(long: boolean): Experiment[] {
  const milliseconds = long ? 1000 : 300;
  const rounds = long ? 9 : 3;
  const attempts = ATTEMPTS_MAX[long ? "long" : "quick"];
  const usual = {
    cores: [1, 2] as const,
    version: 4,
    segments: false,
    copyRange: HEADERS,
    rounds,
    attempts,
  } as const;
  const packets = {
    ...usual,
    unit: "packets/s",
    better: "more",
    round: async (network: BenchNetwork, programs: Programs) => ({
      ...(await flood(network, programs, { version: 4, milliseconds })),
    }),
  } as const;
  const trips = (perSecond?: number) =>
    ({
      ...usual,
      unit: "us",
      better: "less",
      mode: "read",
      round: async (network: BenchNetwork, programs: Programs) => ({
        ...(await latency(network, programs, {
          version: 4,
          milliseconds,
          ...(perSecond ? { perSecond } : {}),
        })),
      }),
    }) as const;
  const tcp = {
    ...usual,
    unit: "Gbit/s",
    better: "more",
    rounds: long ? 5 : 1,
    round: async (network: BenchNetwork, _programs: Programs, cores: 1 | 2) => ({
      throughput: await stream(network, { version: 4, milliseconds: long ? 3000 : 1000 }, cores === 1),
    }),
  } as const;
  const short: Experiment[] = [
    { ...packets, name: "60-byte packets, accept", mode: "accept", cores: long ? [1, 2] : [2] },
    { ...packets, name: "60-byte packets, read five fields", mode: "read" },
    { ...packets, name: "60-byte packets, rewrite source", mode: "nat", copyRange: WHOLE_PACKETS },
    { ...trips(), name: "round trip, idle" },
    { ...trips(BESIDE_PER_SECOND), name: `round trip, ${BESIDE_PER_SECOND / 1000}k packets/s beside` },
    { ...tcp, name: "TCP, read, segments whole", mode: "read", segments: true },
    { ...tcp, name: "TCP, read, segments split", mode: "read" },
    { ...tcp, name: "TCP, rewrite, segments split", mode: "nat", copyRange: WHOLE_PACKETS },
  ];
  if (!long) return short;
  return [
    ...short,
    {
      ...packets,
      name: "60-byte packets, read, IPv6",
      mode: "read",
      version: 6,
      round: async (network, programs) => ({
        ...(await flood(network, programs, { version: 6, milliseconds })),
      }),
    },
    {
      ...packets,
      name: "60-byte packets, read, whole copies",
      mode: "read",
      copyRange: WHOLE_PACKETS,
    },
  ];
}

/** All rounds of one experiment: within each round every handler has its turn, in an order that rotates. */
async function turns(
  experiment: Experiment,
  cores: 1 | 2,
  network: BenchNetwork,
  programs: Programs,
): Promise<Cell[]> {
  const { mode, segments, copyRange } = experiment;
  const handlers = HANDLERS.filter((handler) => handler.modes.includes(mode));
  process.stderr.write(`  ${experiment.name}, ${cores} ${cores === 1 ? "core" : "cores"}\n`);
  const optionsOf = (index: number): HandlerOptions => {
    const core = cores === 1 ? 0 : 1;
    return { mode, segments, copyRange, core, queue: 10 + index };
  };
  const running = new Map<Handler, Running>();
  for (const [index, handler] of handlers.entries()) {
    if (handler.rules === "queue")
      running.set(handler, await handler.start(network, programs, optionsOf(index)));
  }
  const figures = handlers.map((): Record<string, number[]> => ({}));
  for (let round = 0; round < experiment.rounds; round++) {
    for (let turn = 0; turn < handlers.length; turn++) {
      const index = (turn + round) % handlers.length;
      const handler = handlers[index] as Handler;
      const own =
        handler.rules === "own" ? await handler.start(network, programs, optionsOf(index)) : undefined;
      if (!own) switchQueue(network, mode, optionsOf(index).queue, true);
      const measured = await quietly(experiment.attempts, () => experiment.round(network, programs, cores));
      if (!own) switchQueue(network, mode, optionsOf(index).queue, false);
      await own?.stop();
      for (const [name, value] of Object.entries(measured)) {
        const values = figures[index] as Record<string, number[]>;
        values[name] = [...(values[name] ?? []), value];
      }
    }
  }
  for (const [handler, one] of running) checkWorked(handler, mode, await one.stop());
  return handlers.map((handler, index) => ({
    experiment: experiment.name,
    unit: experiment.unit,
    better: experiment.better,
    cores,
    handler: handler.name,
    kind: handler.kind,
    rounds: figures[index] ?? {},
  }));
}

/** The figures of the attempt that others disturbed least. */
async function quietly(
  attempts: number,
  action: () => Promise<Record<string, number>>,
): Promise<Record<string, number>> {
  const all = [...(await attempt(attempts, action))].sort((left, right) => left.foreign - right.foreign);
  return { ...all[0]?.result, foreign: all[0]?.foreign ?? Number.NaN };
}

/** A handler past which the packets went would win every comparison. */
function checkWorked(handler: Handler, mode: Experiment["mode"], told: string | undefined): void {
  if (told === undefined) return;
  const done = JSON.parse(told) as { packets: number; counted: number; modified: number };
  const count = { accept: done.packets, read: done.counted, nat: done.modified }[mode];
  if (!(count > 0)) throw new Error(`Cannot compare: ${handler.name} did nothing: ${told}`);
}

/** Ours against the better of the programs it is compared with. */
function rowsOf(cells: readonly Cell[]): Row[] {
  const first = (cell: Cell): readonly number[] => Object.values(cell.rounds)[0] ?? [];
  return cells
    .filter((cell) => cell.kind === "ours")
    .flatMap((ours) => {
      const peers = cells.filter(
        (cell) =>
          cell.kind === "peer" &&
          cell.experiment === ours.experiment &&
          cell.cores === ours.cores &&
          cell.handler.startsWith("C "),
      );
      const sign = ours.better === "more" ? 1 : -1;
      const best = peers.sort((left, right) => sign * (median(first(right)) - median(first(left))))[0];
      if (!best) return [];
      const ratios = first(ours).map((value, round) => value / (first(best)[round] ?? Number.NaN));
      const ratio = ours.better === "more" ? median(ratios) : 1 / median(ratios);
      return [
        {
          what: `${ours.experiment}, ${ours.cores} ${ours.cores === 1 ? "core" : "cores"}`,
          ours: format(median(first(ours)), ours.unit),
          peer: `${best.handler} ${format(median(first(best)), ours.unit)}`,
          ratio,
          target: `>= ${TARGET_RATIO.toFixed(2)} x`,
          met: ratio >= TARGET_RATIO,
        },
      ];
    });
}

/** Everything measured, a line for each experiment and number of cores, a column for each handler. */
function tableOf(cells: readonly Cell[]): string {
  const names = [...new Set(cells.map((cell) => cell.handler))];
  const lines = [
    `| what | cores | ${names.join(" | ")} |`,
    `|${"---|".repeat(names.length + 2)}`,
    ...[...new Set(cells.map((cell) => `${cell.experiment}\n${cell.cores}`))].map((key) => {
      const [experiment, cores] = key.split("\n");
      const own = names.map((name) => {
        const cell = cells.find(
          (one) => one.handler === name && one.experiment === experiment && String(one.cores) === cores,
        );
        return cell ? describe(cell) : "";
      });
      return `| ${experiment} | ${cores} | ${own.join(" | ")} |`;
    }),
  ];
  const foreign = cells.flatMap((cell) => cell.rounds.foreign ?? []);
  const disturbed = foreign.filter((cores) => cores > FOREIGN_CORES_MAX).length;
  return `${lines.join("\n")}\n\n${disturbed} of ${foreign.length} turns disturbed by other programs\n`;
}

function describe({ rounds, unit }: Cell): string {
  const of = (name: string): number => median(rounds[name] ?? []);
  if (rounds.p50) return `${of("p50").toFixed(1)} / ${of("p99").toFixed(1)} us`;
  if (rounds.delivered) return `${format(of("delivered"), unit)}, loss ${(100 * of("loss")).toFixed(0)} %`;
  return format(of("throughput"), unit);
}

function format(value: number, unit: string): string {
  if (unit === "packets/s") return `${Math.round(value / 1000)} k/s`;
  return `${value.toFixed(unit === "us" ? 1 : 2)} ${unit}`;
}
