/**
 * `metanet script test`: runs a script over a capture, on the capture's clock, without root and without a daemon.
 * @module
 */
import { randomInt } from "node:crypto";
import { Command } from "commander";
import { seconds } from "#base/time.ts";
import type { Hook } from "#packet/packet.ts";
import type { OnError } from "#script/engine.ts";
import type { CaptureOrder } from "../../script/capture-process.ts";
import type { CaptureSummary } from "../../script/capture-run.ts";
import { formatBytes } from "../columns.ts";
import { EXIT } from "../exit-code.ts";
import { readDuration, readWhole, readWord } from "../option.ts";
import { packetProgress } from "../progress.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { UsageError } from "../typed-value.ts";

interface TestOptions {
  readonly function?: string;
  readonly capture: string;
  readonly write?: string;
  readonly json?: boolean;
  readonly hook?: string;
  readonly in?: string;
  readonly seed?: string;
  readonly onError: string;
  readonly deadline?: string;
  readonly timeLimit: string;
}

const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];
const ON_ERROR: readonly OnError[] = ["drop", "accept"];

export function scriptTestCommand(terminal: Terminal): Command {
  return new Command("test")
    .summary("run a script over a capture")
    .description(
      "Runs a function over the packets of a capture (pcap or pcapng, also gzipped). The clock is the capture's: deferred work, delays, deadlines and timers happen between the packets, and up to 10 minutes of it after the last one.",
    )
    .argument("<FILE>", "a script: .ts, .mts, .js or .mjs")
    .option("-f, --function <NAME>", "the exported function; the default export when absent")
    .requiredOption("-c, --capture <FILE>", "the packets; - for standard input")
    .option(
      "-w, --write <FILE>",
      "write the packets that leave, as a capture of the same kind; - for standard output",
    )
    .option("--json", "one line of JSON for each packet, and one for the sum")
    .option("-H, --hook <HOOK>", `${HOOKS.join(", ")}: packets from their IP header`)
    .option("-i, --in <INTERFACE>", "what packet.inInterface says")
    .option("--seed <N>", "for context.random; a new one each time, and told, when absent")
    .option("--on-error <VERDICT>", "drop or accept: what becomes of packets whose script fails", "accept")
    .option(
      "--deadline <DURATION>",
      "how long later verdicts are waited for, by the capture's clock; 2s when absent",
    )
    .option("--time-limit <DURATION>", "how long one packet may take, by the real clock", "1s")
    .addHelpText("after", MORE)
    .action(async (file: string, options: TestOptions) => await run(terminal, file, options));
}

const MORE = `
Without --hook a script sees each packet from the first header of the capture: Ethernet where there is one, so that
packet.payload(ethernet) works, else IP. With --hook it sees it from the IP header, as netfilter gives it; what is not
IP is then not shown to it, and passes. packet.payload(ipv4) and packet.find(...) give the same either way. With
--write, what stands in front (Ethernet, VLAN, PPP ...) goes along unchanged.

A line of JSON, in the order of the verdicts:
  {"packet":1,"time":SECONDS,"length":BYTES,"verdict":"accept|drop|continue|queue N",
   "mark":N, "changed":true, "held":SECONDS, "error":{"kind":...,"place":"nat.ts:12:7","message":...}}
The verdict is null for a packet the script is not shown. {"sent":...}, {"log":...} and {"error":...} tell what happened
outside of a packet, {"summary":...} stands last.

Exit codes: 0 done, 1 the script failed on a packet (each is counted), does not load, does not come back or takes too
much memory, or the capture is damaged (what was whole has been run); 2 usage.

Examples:
  metanet script test nat.ts --function snat --capture in.pcap --write out.pcap
  metanet script test nat.ts -f snat -c in.pcap --json | jq -c 'select(.changed)'
  tcpdump -w - -c 100 | metanet script test filter.ts -f filter -c - --hook forward`;

async function run(terminal: Terminal, file: string, options: TestOptions): Promise<void> {
  if (options.write === "-" && options.json) {
    throw new UsageError("Cannot use --json with --write -: both go to standard output; name a file");
  }
  const order = orderOf(file, options);
  const { testScript } = await import("../../script/capture-test.ts");
  const progress = packetProgress();
  try {
    const result = await testScript(order, {
      progress: progress.show,
      log: (text) => {
        progress.clear();
        terminal.note(`metanet: ${printable(text)}`);
      },
    });
    progress.clear();
    const { summary, warning, problem } = result;
    if (summary === undefined) return;
    if (summary.errors > 0) process.exitCode = EXIT.failed;
    // With the packets on standard output, the sum is for people beside them.
    const out = options.write === "-" ? terminal.note : terminal.out;
    if (!options.json) for (const line of summaryLines(summary, order)) out(line);
    if (warning !== undefined) terminal.note(`metanet: Warning: ${warning}; the packets before were run`);
    if (problem !== undefined) throw problem;
  } finally {
    progress.clear();
  }
}

function orderOf(file: string, options: TestOptions): CaptureOrder {
  const { function: functionName, capture, write, json = false, hook, in: inInterface, deadline } = options;
  const seed =
    options.seed === undefined ? randomInt(2 ** 31) : readWhole(options.seed, "--seed", 0, 2 ** 32 - 1);
  return {
    file,
    capture,
    json,
    seed,
    onError: readWord(options.onError, "--on-error", ON_ERROR),
    timeLimit: Math.max(seconds(0.05), readDuration(options.timeLimit, "--time-limit")),
    ...(functionName === undefined ? {} : { functionName }),
    ...(write === undefined ? {} : { write }),
    ...(hook === undefined ? {} : { hook: readWord(hook, "--hook", HOOKS) }),
    ...(inInterface === undefined ? {} : { inInterface }),
    ...(deadline === undefined ? {} : { deadline: readDuration(deadline, "--deadline") }),
  };
}

function* summaryLines(
  summary: CaptureSummary,
  { seed, functionName, write }: CaptureOrder,
): Iterable<string> {
  const { packets, bytes, duration, verdicts, unseen, changed, held, sent, deferred, errors } = summary;
  const number = (count: number): string => count.toLocaleString("en");
  yield `${functionName ?? "default"}: ${number(packets)} packets, ${formatBytes(bytes)}, in ${duration.toFixed(3)} s of the capture; seed ${seed}`;
  const counted = Object.entries(verdicts).filter(([kind, count]) => count > 0 && kind !== "later");
  yield `  verdicts   ${counted.map(([kind, count]) => `${kind} ${number(count)}`).join(", ") || "none"}`;
  const more: [name: string, count: number][] = [
    ["changed", changed],
    ["held", held],
    ["sent", sent],
    ["deferred", deferred],
    ["not shown", unseen],
    ["unwritten", write === undefined ? 0 : summary.unwritten],
    ["errors", errors],
  ];
  for (const [name, count] of more) if (count > 0) yield `  ${name.padEnd(9)}  ${number(count)}`;
  for (const { kind, place, message, count } of summary.faults) {
    yield `    ${number(count)} × ${kind} at ${place}: ${printable(message)}`;
  }
  for (const [name, count] of Object.entries(summary.counters))
    yield `  counter    ${printable(name)} ${number(count)}`;
  if (summary.isCutOff) yield "  not everything that was put off was done 10 minutes after the last packet";
}
