/**
 * Packet scripts in the kernel against Linux's own rules and against C, on one router in the same run: NAT with small
 * packets, round trips and TCP; drops at four places. Handlers take turns within every round, and ratios are medians of
 * the rounds' ratios.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import type { Row } from "./measure.ts";
import type { PlacedInfo } from "./peers/router-orders.ts";
import { attempt } from "./rig/foreign.ts";
import { type KernelExperiment, kernelExperiments } from "./rig/kernel-experiments.ts";
import type { KernelHandler } from "./rig/kernel-handlers.ts";
import { type KernelCell, type KernelData, kernelRowsOf, kernelTable } from "./rig/kernel-tables.ts";
import { ECHO_PORT, FAR_ECHO_PORT } from "./rig/load.ts";
import { BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords, writeData } from "./rig/results.ts";
import { withRunTimes } from "./rig/run-times.ts";
import { isTrial, onlyOf, roundsOf } from "./rig/trial.ts";

/** How often each has its turn: the true median is then within the second and the last but one, the fourth at either end. */
const ROUNDS = { quick: 8, long: 13 };
/** How often a turn is measured until nobody disturbs it, and for how many seconds of the run we are so patient. */
const PATIENCE = { quick: { attempts: 2, seconds: 150 }, long: { attempts: 3, seconds: 600 } };
/** A turn that fails is tried again; what fails again is left out of its round. */
const TURN_TRIES_MAX = 2;
const PACKAGES = "clang llvm nftables iproute2 iperf3".split(" ");

/** What all turns share. */
interface Setting {
  readonly network: BenchNetwork;
  readonly programs: Programs;
  readonly rounds: number;
  /** How often the next turn may be measured. */
  readonly attempts: () => number;
}

/** What a turn has measured, and the programs that were in place. */
interface Turn {
  readonly figures: Readonly<Record<string, number>>;
  readonly placed: readonly PlacedInfo[] | undefined;
}

/** Empty without root or clang: there is nothing to compare with. */
export async function kernelRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("iperf3", "nft", "clang", "llvm-objcopy", "llvm-objdump");
  if (problem !== false) {
    process.stderr.write(`kernel: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const length = long ? "long" : "quick";
  const { attempts, seconds } = PATIENCE[length];
  const patientUntil = performance.now() + seconds * 1000;
  const programs = makePrograms();
  const network = new BenchNetwork();
  const setting: Setting = {
    network,
    programs,
    rounds: roundsOf(words) ?? ROUNDS[length],
    attempts: () => (performance.now() < patientUntil ? attempts : 1),
  };
  const cells: KernelCell[] = [];
  try {
    await startServers(setting);
    for (const experiment of kernelExperiments(long)) {
      if (!onlyOf(words, nameOf(experiment))) continue;
      process.stderr.write(`  ${nameOf(experiment)}\n`);
      cells.push(...(await measure(experiment, setting)));
    }
  } finally {
    await network.close();
    programs.remove();
  }
  if (cells.length === 0) {
    const names = kernelExperiments(long).map(nameOf);
    process.stderr.write(`kernel: nothing has such a name; there are\n  ${names.join("\n  ")}\n`);
    return [];
  }
  const data: KernelData = { long, cells };
  if (!isTrial(words)) await writeData("kernel", data, PACKAGES);
  if (!words.includes("--json")) process.stdout.write(`${kernelTable(data)}\n`);
  return kernelRowsOf(data);
}

function nameOf({ part, experiment, cores }: KernelExperiment): string {
  return `${part}, ${experiment}, ${coreWords(cores)}`;
}

/** Echo servers, each on its core. */
async function startServers({ network, programs }: Setting): Promise<void> {
  for (const [core, port] of [ECHO_PORT, FAR_ECHO_PORT].entries())
    await network.start("dst", [programs.path("udp-ping"), "serve", String(port)], { core, ready: /ready/ });
}

async function measure(experiment: KernelExperiment, setting: Setting): Promise<KernelCell[]> {
  const { handlers, part, unit, better, cores } = experiment;
  const turns: (Turn | undefined)[][] = handlers.map(() => []);
  for (let round = 0; round < setting.rounds; round++) {
    // Who is first changes from round to round.
    for (let turn = 0; turn < handlers.length; turn++) {
      const index = (turn + round) % handlers.length;
      turns[index]?.push(await tryTurn(handlers[index] as KernelHandler, experiment, setting));
    }
  }
  const names = Object.keys(turns.flat().find((turn) => turn !== undefined)?.figures ?? { failed: 0 });
  return handlers.map(({ name: handler, kind }, index): KernelCell => {
    const own = turns[index] ?? [];
    const rounds = Object.fromEntries(
      names.map((name) => [name, own.map((turn) => turn?.figures[name] ?? null)]),
    );
    const placed = own.find((turn) => turn?.placed)?.placed;
    const what = { part, experiment: experiment.experiment, unit, better, cores };
    return { ...what, handler, kind, rounds, ...(placed ? { placed } : {}) };
  });
}

/** `undefined` when the turn failed and failed again, which is told. */
async function tryTurn(
  handler: KernelHandler,
  experiment: KernelExperiment,
  setting: Setting,
): Promise<Turn | undefined> {
  for (let tries = 1; tries <= TURN_TRIES_MAX; tries++) {
    try {
      return await takeTurn(handler, experiment, setting);
    } catch (error) {
      const then = tries < TURN_TRIES_MAX ? "it is tried again" : "this round goes on without it";
      process.stderr.write(`    ${handler.name} failed, ${then}: ${String(error)}\n`);
    }
  }
  return undefined;
}

/** The figures of the attempt that others disturbed least. */
async function takeTurn(
  handler: KernelHandler,
  { round, keepsTimes }: KernelExperiment,
  { network, programs, attempts }: Setting,
): Promise<Turn> {
  const running = await handler.start(network, programs);
  let measured: Awaited<ReturnType<typeof attempt<Record<string, number>>>>;
  try {
    // The kernel's own account does not get better by another attempt.
    measured = keepsTimes
      ? await withRunTimes(() => attempt(1, () => round(network, programs)))
      : await attempt(attempts(), () => round(network, programs));
  } catch (error) {
    // What the turn failed of is to be told, and not that its programs saw nothing.
    await running.stop().catch(() => undefined);
    throw error;
  }
  const done = await running.stop();
  const times = keepsTimes && done ? { nanoseconds: done.nanoseconds / done.runs } : {};
  const [quietest] = measured.toSorted((left, right) => left.foreign - right.foreign);
  const figures = { ...times, ...quietest?.result, foreign: quietest?.foreign ?? Number.NaN };
  return { figures, placed: running.placed };
}
