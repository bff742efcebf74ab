/**
 * Offline flow engines over the same captures on one core: ours against libnids, libtins, gopacket, tcpflow and tshark.
 * Packets per second of processor time with checksums on and off, what each counted against what is true, and the
 * memory of a million open connections and of a flood of SYNs. Engines take turns within every round, and ratios are
 * medians of the rounds' ratios.
 * @module
 */
import type { Row } from "./measure.ts";
import {
  type Checksums,
  type Figures,
  FLOW_CACHE,
  FLOW_ENGINES,
  type FlowEngineProgram,
  missingFor,
  readAlone,
} from "./rig/flow-programs.ts";
import { type FlowData, flowRowsOf, flowTable, type MemoryCell, type SpeedCell } from "./rig/flow-tables.ts";
import { FLOW_COUNTS, makeTrace, type Trace, type TraceName } from "./rig/flow-trace.ts";
import { attempt } from "./rig/foreign.ts";
import { writeData } from "./rig/results.ts";

/** How often each engine has its turn, until nobody disturbs it, and for how many seconds of the run we are so patient. */
const PATIENCE = {
  quick: { rounds: 3, attempts: 2, seconds: 30 },
  long: { rounds: 5, attempts: 4, seconds: 600 },
};
/** One turn is enough of engines that take ten times as long. */
const SLOW_ENGINES: ReadonlySet<string> = new Set(["tcpflow", "tshark"]);
/** Flows of a quick run: speeds are of whole traces, as a short one measures how long V8 compiles. */
const QUICK_COUNTS: Readonly<Record<TraceName, number>> = {
  ...FLOW_COUNTS,
  many: 250_000,
  synflood: 300_000,
};
const SPEED_TRACES: readonly TraceName[] = ["reference", "small", "disorder", "mix"];
/** Only these run on every trace: tcpflow writes a file a stream, and tshark dissects. */
const TRACES_OF: Readonly<Record<string, readonly TraceName[]>> = {
  tcpflow: ["reference"],
  tshark: ["small"],
};
/** What the flood may fill: full in the middle of a quick run, too. */
const FLOOD_FLOWS = 65_536;
const PACKAGES = [
  ...["gcc", "g++", "golang-go", "libnids1.21", "libtins4.0", "golang-github-google-gopacket-dev"],
  ...["tcpflow", "tshark"],
];

interface Setting {
  readonly rounds: number;
  readonly attempts: () => number;
}

export async function flowRows(words: readonly string[] = []): Promise<Row[]> {
  const long = words.includes("--long");
  const counts = long ? FLOW_COUNTS : QUICK_COUNTS;
  const engines = FLOW_ENGINES.filter((engine) => {
    const missing = missingFor(engine);
    if (missing !== undefined) process.stderr.write(`flow: ${engine.name} left out, needs ${missing}\n`);
    return missing === undefined;
  });
  const { rounds, attempts, seconds } = PATIENCE[long ? "long" : "quick"];
  const patientUntil = performance.now() + seconds * 1000;
  const setting = { rounds, attempts: () => (performance.now() < patientUntil ? attempts : 1) };
  const speeds: SpeedCell[] = [];
  let reading: number[] = [];
  for (const name of SPEED_TRACES) {
    const trace = trackedTrace(name, counts[name]);
    if (name === "reference") reading = await readingRates(trace, rounds);
    speeds.push(...(await measureTrace(trace, engines, setting)));
  }
  const memory = [
    ...(await measureMemory(trackedTrace("many", counts.many), engines, counts.many)),
    ...(await measureMemory(trackedTrace("synflood", counts.synflood), engines, FLOOD_FLOWS)),
  ];
  const data: FlowData = { long, reading, speeds, memory };
  await writeData("flow", data, PACKAGES);
  if (!words.includes("--json")) process.stdout.write(`${flowTable(data)}\n`);
  return flowRowsOf(data);
}

function trackedTrace(name: TraceName, flowCount: number): Trace {
  process.stderr.write(`  ${name}, ${flowCount.toLocaleString("en")} flows\n`);
  return makeTrace(name, flowCount, FLOW_CACHE);
}

/** Packets per second of reading the file, which ours cannot pass. */
async function readingRates(trace: Trace, rounds: number): Promise<number[]> {
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) rates.push(trace.packets / (await readAlone(trace)).seconds);
  return rates;
}

interface Subject {
  readonly engine: FlowEngineProgram;
  readonly checksums: Checksums;
  readonly seconds: number[];
  readonly foreign: number[];
  last: Figures | undefined;
}

/** All rounds of one trace; the order rotates. */
async function measureTrace(
  trace: Trace,
  engines: readonly FlowEngineProgram[],
  { rounds, attempts }: Setting,
): Promise<SpeedCell[]> {
  const subjects = engines
    .filter(({ name }) => TRACES_OF[name]?.includes(trace.name) ?? true)
    .flatMap((engine) =>
      engine.checksums.map((checksums): Subject => {
        return { engine, checksums, seconds: [], foreign: [], last: undefined };
      }),
    );
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(turn + round) % subjects.length] as Subject;
      if (subject.seconds.length > 0 && SLOW_ENGINES.has(subject.engine.name)) continue;
      await takeTurn(subject, trace, attempts());
    }
  }
  return subjects.map(({ engine, checksums, seconds, foreign, last }) => ({
    trace: trace.name,
    packets: trace.packets,
    engine: engine.name,
    kind: engine.kind,
    checksums,
    seconds,
    foreign,
    bytesBeyondTruth: last?.bytes === undefined ? undefined : last.bytes - trace.bytes,
    bytesOfTruth: trace.bytes,
    isIpv4Only: last?.bytes === trace.ipv4Bytes && trace.ipv4Bytes !== trace.bytes,
  }));
}

async function takeTurn(subject: Subject, trace: Trace, attempts: number): Promise<void> {
  const { engine, checksums } = subject;
  const all = await attempt(attempts, () => engine.run(trace, checksums, trace.flows));
  const [best] = [...all].sort((left, right) => left.foreign - right.foreign);
  if (best === undefined) return;
  subject.seconds.push(best.result.seconds);
  subject.foreign.push(best.foreign);
  subject.last = best.result;
  // An engine past which the packets went would win every comparison.
  if (engine.kind !== "peer" && best.result.bytes !== trace.bytes) {
    const seen = `ours counted ${best.result.bytes} bytes of ${trace.name}, which has ${trace.bytes}`;
    throw new Error(`Cannot compare flow engines: ${seen}`);
  }
}

/** Once each: memory is the same in every run. */
async function measureMemory(
  trace: Trace,
  engines: readonly FlowEngineProgram[],
  flowCountMax: number,
): Promise<MemoryCell[]> {
  const cells: MemoryCell[] = [];
  for (const engine of engines) {
    if (TRACES_OF[engine.name] !== undefined || engine.kind === "warm") continue;
    const { rssStartBytes, rssHalfBytes, rssEndBytes } = await engine.run(trace, "verify", flowCountMax);
    if (rssStartBytes === undefined || rssHalfBytes === undefined || rssEndBytes === undefined) continue;
    const { name, kind } = engine;
    const sizes = { startBytes: rssStartBytes, halfBytes: rssHalfBytes, endBytes: rssEndBytes };
    cells.push({ trace: trace.name, flows: trace.flows, engine: name, kind, ...sizes });
  }
  return cells;
}
