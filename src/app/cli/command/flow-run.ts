/**
 * `metanet flow run`: a program of monitors over a capture or an interface.
 * @module
 */
import { Command } from "commander";
import type { ProgramFault, RunOrder, RunSummary } from "../../flow/run-lane.ts";
import { EXIT } from "../exit-code.ts";
import { type EngineOptionTexts, engineChoice, withEngineOptions, workerCount } from "../flow-option.ts";
import { untilInterrupted } from "../interrupt.ts";
import { readDuration } from "../option.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";
import { checkReadable, endWithWriter } from "./flow-replay.ts";

interface RunOptions extends EngineOptionTexts {
  readonly function?: string;
  readonly interface?: string;
  readonly filter?: string;
  readonly workers?: string;
  readonly write?: string;
  readonly promiscuous?: boolean;
  readonly for?: string;
}

export function flowRunCommand(terminal: Terminal): Command {
  const command = new Command("run")
    .summary("a program of monitors over a capture or an interface")
    .description(
      "Runs a module that imports metanet/flow: the function it exports is given an engine, adds its monitors, and the engine is given the packets of a capture, or of an interface until Ctrl-C.",
    )
    .argument("<PROGRAM>", "a module: .ts, .mts, .js or .mjs")
    .argument("[FILE]", "a capture; - for standard input")
    .option("--function <NAME>", "the exported function; the default export when absent")
    .option("-i, --interface <NAME>", "an interface instead of a capture, or any for all of them")
    .option("-f, --filter <EXPRESSION>", "only packets that pass, in tcpdump's language")
    .option("-w, --workers <N>", "threads with an engine each that share the flows; 1 when absent")
    .option(
      "--write <FILE>",
      "the packets that no monitor drops, as they are then, as pcapng; - for standard output",
    )
    .option("--for <DURATION>", "of an interface: end after so long")
    .option("-p, --promiscuous", "of an interface: what is meant for others, too");
  return withEngineOptions(command)
    .addHelpText("after", MORE)
    .action(async (program: string, file: string | undefined, options: RunOptions) => {
      await run(terminal, program, file, options);
    });
}

const MORE = `
A program:
  import type { FlowEngine } from "metanet/flow";
  export default (engine: FlowEngine) => {
    const web = engine.monitor({ filter: "tcp port 80" });
    web.on("established", "receiver", (flow) => console.log(flow.client.address));
    return () => console.log("done");
  };
What the function returns (or its promise resolves to) is called when all packets were seen and all flows have ended, if it
is a function. With --workers each thread loads the program for itself and has variables of its own: flows are shared by
their addresses (of an interface: by the kernel). --write changes what a monitor wrote to packets in place; a packet that
was made longer is written as it came.

Errors of callbacks are told with their place and counted; the flows go on.

Exit codes: 0 done, 1 the program does not load, it or one of its callbacks failed, or the capture is damaged; 2 usage; 6
not root.

Examples:
  metanet flow run monitors.ts in.pcap
  metanet flow run monitors.ts in.pcap --function scans --filter 'tcp' --workers 2
  metanet flow run nat.ts in.pcap --write out.pcapng
  sudo metanet flow run monitors.ts -i eth0 --for 1m`;

async function run(
  terminal: Terminal,
  program: string,
  file: string | undefined,
  options: RunOptions,
): Promise<void> {
  const { interface: name, filter, write, promiscuous = false } = options;
  if ((file === undefined) === (name === undefined)) {
    const seen = file === undefined ? "no packets are named" : "a capture and --interface are both given";
    throw new UsageError(`Cannot run: ${seen}; name a capture, or an interface with --interface`);
  }
  const workers = workerCount(options.workers);
  if (workers > 1 && write !== undefined) {
    throw new UsageError("Cannot use --write with --workers: the packets would not be in order");
  }
  if (workers > 1 && file !== undefined) await checkReadable(file);
  if (options.for !== undefined && file !== undefined) {
    throw new UsageError("Cannot use --for with a capture: it ends by itself");
  }
  const limit = options.for === undefined ? undefined : readDuration(options.for, "--for");
  const only = filter === undefined ? {} : { filter };
  const order: RunOrder = {
    program,
    source:
      file === undefined ? { live: { interface: name ?? "any", promiscuous, ...only } } : { file, ...only },
    engine: engineChoice(options),
    ...(options.function === undefined ? {} : { functionName: options.function }),
    ...(write === undefined ? {} : { write }),
  };
  const faults = new FaultReports(terminal);
  const over = Promise.withResolvers<void>();
  const { runProgram } = await import("../../flow/run.ts");
  // A capture ends by itself, and Ctrl-C ends it as it ends every program.
  if (file === "-") endWithWriter();
  const stop =
    file === undefined ? untilInterrupted(limit, over.promise) : new Promise<never>(() => undefined);
  try {
    const { summary, problem } = await runProgram(order, workers, {
      fault: (fault) => faults.add(fault),
      ready: () => {
        if (name !== undefined) terminal.note(`metanet: listening on ${name}; Ctrl-C ends it`);
      },
      stop,
    });
    if (problem === undefined || summary.statistics.frames > 0) tell(terminal, summary, faults);
    if (problem !== undefined) throw problem;
  } finally {
    over.resolve();
  }
}

function tell(terminal: Terminal, summary: RunSummary, faults: FaultReports): void {
  const { statistics, faultCount, droppedCount, lostCount, warning } = summary;
  const number = (count: number): string => count.toLocaleString("en");
  faults.end(faultCount);
  const parts = [`${number(statistics.frames)} packets`, `${number(statistics.flowsSeen)} flows`];
  if (droppedCount > 0) parts.push(`${number(droppedCount)} dropped`);
  if (lostCount > 0) parts.push(`${number(lostCount)} found no room in the ring`);
  if (faultCount > 0) parts.push(`${number(faultCount)} errors`);
  terminal.note(`metanet: ${parts.join(", ")}`);
  if (warning !== undefined) terminal.note(`metanet: Warning: ${warning}; the packets before were run`);
  if (faultCount > 0) process.exitCode = EXIT.failed;
}

/** Different errors that are told. */
const FAULT_KIND_COUNT_MAX = 20;

/** Each error is told when it happens first, and counted at the end. */
class FaultReports {
  readonly #terminal: Terminal;
  readonly #counts = new Map<string, number>();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add({ monitor, place, message }: ProgramFault): void {
    const text = `${printable(monitor)} at ${place ?? "an unknown place"}: ${printable(message)}`;
    const count = this.#counts.get(text) ?? 0;
    if (count === 0) {
      if (this.#counts.size >= FAULT_KIND_COUNT_MAX) return;
      this.#terminal.note(`metanet: ${text}`);
    }
    this.#counts.set(text, count + 1);
  }

  end(total: number): void {
    for (const [text, count] of this.#counts) {
      if (count > 1) this.#terminal.note(`metanet: ${count.toLocaleString("en")} × ${text}`);
    }
    const told = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    if (total > told) this.#terminal.note(`metanet: ${(total - told).toLocaleString("en")} more errors`);
  }
}
