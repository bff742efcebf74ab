/**
 * Packet scripts in the kernel against Linux's own rules and against C, on one router in the same run: NAT with small
 * packets, round trips and TCP; drops at three places. Handlers take turns within every round, and ratios are medians of
 * the rounds' ratios, against the best peer.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import type { Row } from "./measure.ts";
import { attempt } from "./rig/foreign.ts";
import { DROP_HANDLERS, type KernelHandler, NAT_HANDLERS } from "./rig/kernel-handlers.ts";
import { ECHO_PORT, flood, latency, stream } from "./rig/load.ts";
import { BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords, writeData } from "./rig/results.ts";
import { type Cell, kernelRowsOf, type ScriptData, scriptTable } from "./rig/script-tables.ts";

/** Who takes turns, at what. */
interface KernelExperiment {
  readonly name: string;
  readonly unit: Cell["unit"];
  readonly better: Cell["better"];
  readonly cores: 1 | 2;
  readonly handlers: readonly KernelHandler[];
  readonly round: (network: BenchNetwork, programs: Programs) => Promise<Record<string, number>>;
}

const ATTEMPTS_MAX = { quick: 2, long: 4 };
const ROUNDS = { quick: 3, long: 11 };
const TURN_TRIES_MAX = 4;
const PACKAGES = "clang llvm nftables iproute2 iperf3".split(" ");

/** Empty without root or clang: there is nothing to compare with. */
export async function kernelRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("iperf3", "nft", "clang", "llvm-objcopy");
  if (problem !== false) {
    process.stderr.write(`kernel: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const programs = makePrograms();
  const network = new BenchNetwork();
  const cells: Cell[] = [];
  try {
    const echo = [programs.path("udp-ping"), "serve", String(ECHO_PORT)];
    await network.start("dst", echo, { core: 0, ready: /ready/ });
    for (const experiment of experiments(long)) {
      process.stderr.write(`  ${experiment.name}, ${coreWords(experiment.cores)}\n`);
      cells.push(...(await measure(experiment, network, programs, long)));
    }
  } finally {
    await network.close();
    programs.remove();
  }
  const data: ScriptData = { long, cells };
  await writeData("kernel", data, PACKAGES);
  if (!words.includes("--json")) process.stdout.write(`${scriptTable(data)}\n`);
  return kernelRowsOf(data);
}

function experiments(long: boolean): readonly KernelExperiment[] {
  const milliseconds = long ? 1000 : 300;
  const load = { version: 4, milliseconds } as const;
  const small = async (network: BenchNetwork, programs: Programs): Promise<Record<string, number>> => ({
    ...(await flood(network, programs, load)),
  });
  const nat = { handlers: NAT_HANDLERS } as const;
  return [
    { ...nat, name: "NAT, 60-byte packets", unit: "packets/s", better: "more", cores: 1, round: small },
    {
      ...nat,
      name: "NAT, round trip",
      unit: "us",
      better: "less",
      cores: 1,
      round: async (network, programs) => ({ ...(await latency(network, programs, load)) }),
    },
    ...([1, 2] as const).map(
      (cores): KernelExperiment => ({
        ...nat,
        name: "NAT, TCP",
        unit: "Gbit/s",
        better: "more",
        cores,
        round: async (network) => ({
          throughput: await stream(network, { ...load, milliseconds: long ? 3000 : 1000 }, cores === 1),
        }),
      }),
    ),
    ...Object.entries(DROP_HANDLERS).map(
      ([place, handlers]): KernelExperiment => ({
        name: `drop at ${place}`,
        unit: "packets/s",
        better: "more",
        cores: 1,
        handlers,
        // What the generator gets rid of: it does the router's work as well.
        round: async (network, programs) => ({ handled: (await flood(network, programs, load)).sent }),
      }),
    ),
  ];
}

async function measure(
  { name, unit, better, cores, handlers, round }: KernelExperiment,
  network: BenchNetwork,
  programs: Programs,
  long: boolean,
): Promise<Cell[]> {
  const figures = handlers.map((): Record<string, number[]> => ({}));
  const rounds = ROUNDS[long ? "long" : "quick"];
  for (let turns = 0; turns < rounds * handlers.length; turns++) {
    const index = (turns + Math.floor(turns / handlers.length)) % handlers.length;
    const handler = handlers[index] as KernelHandler;
    const measured = await turn(handler, round, network, programs, ATTEMPTS_MAX[long ? "long" : "quick"]);
    const values = figures[index] ?? {};
    for (const [key, value] of Object.entries(measured)) values[key] = [...(values[key] ?? []), value];
  }
  return handlers.map(({ name: handler, kind }, index) => {
    return { experiment: name, unit, better, cores, handler, kind, rounds: figures[index] ?? {} };
  });
}

/** A turn of one handler, tried again when its connection breaks: that is told, and nothing is measured of it. */
async function turn(
  handler: KernelHandler,
  round: KernelExperiment["round"],
  network: BenchNetwork,
  programs: Programs,
  attemptsMax: number,
): Promise<Record<string, number>> {
  for (let tries = 1; ; tries++) {
    const running = await handler.start(network, programs, NO_QUEUE);
    try {
      const attempts = await attempt(attemptsMax, () => round(network, programs));
      const [quietest] = attempts.toSorted((left, right) => left.foreign - right.foreign);
      return { ...quietest?.result, foreign: quietest?.foreign ?? Number.NaN };
    } catch (error) {
      if (tries === TURN_TRIES_MAX) throw error;
      process.stderr.write(`    ${handler.name} is tried again: ${String(error)}\n`);
    } finally {
      await running.stop();
    }
  }
}

/** These handlers have no queues. */
const NO_QUEUE = {
  mode: "nat",
  segments: false,
  core: undefined,
  queue: 0,
  queueCount: 1,
  copyRange: 0,
} as const;
