/**
 * Packet scripts against C programs on the same router in the same run: small packets per second, loss, round trips
 * with and without load, TCP. Handlers take turns within every round, and ratios are medians of the rounds' ratios.
 * @module
 */
import { rootProblem } from "../test/lab/own-namespace.ts";
import type { Row } from "./measure.ts";
import { type Experiment, experiments } from "./rig/experiments.ts";
import { attempt } from "./rig/foreign.ts";
import { type Done, type Handler, type HandlerOptions, type Running, switchQueue } from "./rig/handler.ts";
import { HANDLERS } from "./rig/handlers.ts";
import { ECHO_PORT } from "./rig/load.ts";
import { BenchNetwork } from "./rig/network.ts";
import { makePrograms, missingProblem, type Programs } from "./rig/programs.ts";
import { coreWords, writeData } from "./rig/results.ts";
import { type Cell, type ScriptData, scriptRowsOf, scriptTable } from "./rig/script-tables.ts";

/** How often a turn is measured until nobody disturbs it, and for how many seconds of the run we are so patient. */
const PATIENCE = { quick: { attempts: 2, seconds: 75 }, long: { attempts: 4, seconds: 2400 } };
const QUEUE_FIRST = 10;

interface Setting {
  readonly network: BenchNetwork;
  readonly programs: Programs;
  /** How often the next turn may be measured. */
  readonly attempts: () => number;
}

/** Empty without root or without the peers' library: there is nothing to compare with. */
export async function scriptRows(words: readonly string[] = []): Promise<Row[]> {
  const problem = rootProblem() || missingProblem("iperf3", "iptables", "nft", "ethtool");
  if (problem !== false) {
    process.stderr.write(`script: left out, ${problem}\n`);
    return [];
  }
  const long = words.includes("--long");
  const programs = makePrograms();
  const network = new BenchNetwork();
  const { attempts, seconds } = PATIENCE[long ? "long" : "quick"];
  const patientUntil = performance.now() + seconds * 1000;
  const setting = { network, programs, attempts: () => (performance.now() < patientUntil ? attempts : 1) };
  const cells: Cell[] = [];
  try {
    const echo = [programs.path("udp-ping"), "serve", String(ECHO_PORT)];
    // The server stays where the requests are delivered, as a card's interrupt would have it.
    await network.start("dst", echo, { core: 0, ready: /ready/ });
    for (const experiment of experiments(long)) {
      for (const cores of experiment.cores)
        cells.push(...(await measureExperiment(experiment, cores, setting)));
    }
  } finally {
    await network.close();
    programs.remove();
  }
  const data: ScriptData = { long, cells };
  await writeData("script", data);
  if (!words.includes("--json")) process.stdout.write(`${scriptTable(data)}\n`);
  return scriptRowsOf(data);
}

/** All rounds of one experiment, with the handlers running all the time. */
async function measureExperiment(experiment: Experiment, cores: 1 | 2, setting: Setting): Promise<Cell[]> {
  const { network, programs } = setting;
  const { mode, segments, copyRange, queueCount } = experiment;
  const handlers = HANDLERS.filter((handler) => handler.modes.includes(mode));
  process.stderr.write(`  ${experiment.name}, ${coreWords(cores)}\n`);
  // With several queues, the scheduler has to find a place for each.
  const core = queueCount > 1 ? undefined : cores - 1;
  const optionsOf = (index: number): HandlerOptions => {
    return { mode, segments, copyRange, core, queueCount, queue: QUEUE_FIRST + index * queueCount };
  };
  const running = new Map<Handler, Running>();
  if (!experiment.offload) network.setOffload(false);
  try {
    for (const [index, handler] of handlers.entries()) {
      if (handler.rules === "queue")
        running.set(handler, await handler.start(network, programs, optionsOf(index)));
    }
    const figures = await takeTurns(experiment, cores, handlers, optionsOf, setting);
    const { name, unit, better } = experiment;
    const cells = handlers.map(({ name: handler, kind }, index): Cell => {
      return { experiment: name, unit, better, cores, handler, kind, rounds: figures[index] ?? {} };
    });
    for (const [handler, one] of running) {
      running.delete(handler);
      checkWorked(handler, mode, await one.stop());
    }
    return cells;
  } finally {
    for (const one of running.values()) await one.stop();
    if (!experiment.offload) network.setOffload(true);
  }
}

/** Within each round every handler has its turn, in an order that rotates; figures by handler, name and round. */
async function takeTurns(
  experiment: Experiment,
  cores: 1 | 2,
  handlers: readonly Handler[],
  optionsOf: (index: number) => HandlerOptions,
  { network, programs, attempts }: Setting,
): Promise<Record<string, number[]>[]> {
  const figures = handlers.map((): Record<string, number[]> => ({}));
  for (let round = 0; round < experiment.rounds; round++) {
    for (let turn = 0; turn < handlers.length; turn++) {
      const index = (turn + round) % handlers.length;
      const handler = handlers[index] as Handler;
      const options = optionsOf(index);
      const own = handler.rules === "own" ? await handler.start(network, programs, options) : undefined;
      if (!own) switchQueue(network, options, true);
      const measured = await quietly(attempts(), () => experiment.round(network, programs, cores));
      if (!own) switchQueue(network, options, false);
      await own?.stop();
      const values = figures[index] ?? {};
      for (const [name, value] of Object.entries(measured)) values[name] = [...(values[name] ?? []), value];
    }
  }
  return figures;
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
function checkWorked(handler: Handler, mode: Experiment["mode"], done: Done | undefined): void {
  if (done === undefined) return;
  const count = { accept: done.packets, read: done.counted, nat: done.modified }[mode];
  if (!(count > 0)) throw new Error(`Cannot compare: ${handler.name} did nothing: ${JSON.stringify(done)}`);
}
