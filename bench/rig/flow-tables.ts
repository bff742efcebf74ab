/**
 * The figures of flow engines as tables, and ours against each of the others as rows of ratios.
 * @module
 */
import { median, type Row } from "../measure.ts";
import type { Checksums, EngineKind } from "./flow-programs.ts";
import type { TraceName } from "./flow-trace.ts";
import { disturbedText } from "./foreign.ts";

/** One engine over one trace. */
export interface SpeedCell {
  readonly trace: TraceName;
  readonly packets: number;
  readonly engine: string;
  readonly kind: EngineKind;
  readonly checksums: Checksums;
  /** Of processor time, a value for each round. */
  readonly seconds: readonly number[];
  /** How many cores others kept busy meanwhile. */
  readonly foreign: readonly number[];
  /** How many bytes more than there are it counted; undefined of an engine that does not say. */
  readonly bytesBeyondTruth: number | undefined;
  readonly bytesOfTruth: number;
  /** Whether it counted all of IPv4 and nothing of IPv6. */
  readonly isIpv4Only: boolean;
}

/** The memory that one engine's process had before, in the middle and at the end of a trace. */
export interface MemoryCell {
  readonly trace: TraceName;
  readonly flows: number;
  readonly engine: string;
  readonly kind: EngineKind;
  readonly startBytes: number;
  readonly halfBytes: number;
  readonly endBytes: number;
}

/** What `docs/benchmarks/flow.json` holds beside the conditions. */
export interface FlowData {
  readonly long: boolean;
  /** Packets per second of the reference trace that ours only reads, a value for each round. */
  readonly reading: readonly number[];
  readonly speeds: readonly SpeedCell[];
  readonly memory: readonly MemoryCell[];
}

/** Promised for an idle flow, and for a million of them with everything else that the process has. */
const IDLE_FLOW_BYTES_MAX = 256;
const TOTAL_BYTES_MAX = 1e9;
const TOTAL_FLOWS = 1_000_000;
/** How much the second half of a flood may add, for what garbage collection leaves uneven. */
const FLOOD_GROWTH_MAX = 1.1;

/** Speeds, a line for each trace with checksums on and off; memory, a line for each engine; and what was counted wrongly. */
export function flowTable(data: FlowData): string {
  return [speedTable(data), memoryTable(data.memory), notes(data)].join("\n\n").concat("\n");
}

/** Ours against each engine that counted every byte, and the memory against what is promised. */
export function flowRowsOf({ speeds, memory }: FlowData): Row[] {
  const rows = groupsOf(speeds).flatMap(({ cells }) => {
    const peers = cells.filter((cell) => cell.kind === "peer" && isRight(cell));
    return cells
      .filter((cell) => cell.kind !== "peer")
      .flatMap((ours) => peers.map((peer) => speedRow(ours, peer)));
  });
  return [...rows, ...memoryRows(memory)];
}

interface Group {
  readonly trace: TraceName;
  readonly isVerified: boolean;
  readonly cells: readonly SpeedCell[];
}

/** What has no choice stands with those that trust. */
function groupsOf(speeds: readonly SpeedCell[]): readonly Group[] {
  return [...new Set(speeds.map((cell) => cell.trace))].flatMap((trace) =>
    [true, false].map((isVerified) => {
      const cells = speeds.filter(
        (cell) => cell.trace === trace && (cell.checksums === "verify") === isVerified,
      );
      return { trace, isVerified, cells };
    }),
  );
}

function isRight({ bytesBeyondTruth, bytesOfTruth }: SpeedCell): boolean {
  return bytesBeyondTruth === undefined || Math.abs(bytesBeyondTruth) < bytesOfTruth / 1000;
}

function rateOf({ packets, seconds }: SpeedCell): number {
  return packets / median(seconds);
}

function formatRate(perSecond: number): string {
  return perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(2)} M/s` : `${(perSecond / 1000).toFixed(0)} k/s`;
}

function formatMegabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
}

function speedTable({ speeds }: FlowData): string {
  const names = [...new Set(speeds.map((cell) => cell.engine))];
  const lines = groupsOf(speeds).map(({ trace, isVerified, cells }) => {
    const own = names.map((name) => {
      const cell = cells.find((one) => one.engine === name);
      return cell ? `${formatRate(rateOf(cell))}${isRight(cell) ? "" : " (not all)"}` : "";
    });
    const packets = (cells[0]?.packets ?? 0).toLocaleString("en");
    return `| ${trace} | ${packets} | ${isVerified ? "on" : "off"} | ${own.join(" | ")} |`;
  });
  const heads = ["trace", "packets", "checksums", ...names];
  return [`| ${heads.join(" | ")} |`, `|${"---|".repeat(heads.length)}`, ...lines].join("\n");
}

function memoryTable(memory: readonly MemoryCell[]): string {
  const heads = [
    "open connections",
    "memory at the end",
    "for each",
    "flood, in its middle",
    "flood, at its end",
  ];
  const lines = [...new Set(memory.map((cell) => cell.engine))].map((name) => {
    const many = memory.find((cell) => cell.engine === name && cell.trace === "many");
    const flood = memory.find((cell) => cell.engine === name && cell.trace === "synflood");
    const cells = [
      (many?.flows ?? 0).toLocaleString("en"),
      formatMegabytes(many?.endBytes ?? 0),
      `${Math.round(many ? bytesPerFlow(many) : 0)} B`,
      formatMegabytes(flood?.halfBytes ?? 0),
      formatMegabytes(flood?.endBytes ?? 0),
    ];
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  return [`| memory | ${heads.join(" | ")} |`, `|${"---|".repeat(heads.length + 1)}`, ...lines].join("\n");
}

function notes({ reading, speeds }: FlowData): string {
  const differences = speeds
    .filter(({ bytesBeyondTruth = 0, checksums }) => bytesBeyondTruth !== 0 && checksums !== "verify")
    .map(({ engine, trace, bytesBeyondTruth = 0, bytesOfTruth, isIpv4Only }) => {
      const way = bytesBeyondTruth > 0 ? "more" : "fewer";
      const count = Math.abs(bytesBeyondTruth).toLocaleString("en");
      const why = isIpv4Only ? " (no IPv6)" : "";
      return `${engine}, ${trace}: ${count} of ${bytesOfTruth.toLocaleString("en")} bytes ${way}${why}`;
    });
  const counted = speeds.map((cell) => cell.seconds.length);
  return [
    `Medians of ${Math.max(...counted)} rounds (${Math.min(...counted)} of slow programs); `,
    `${disturbedText(speeds.flatMap((cell) => cell.foreign))}. `,
    `Reading the reference trace alone, ours: ${formatRate(median(reading))}. `,
    `Counted otherwise than is true: ${differences.length > 0 ? differences.join("; ") : "none"}.`,
  ].join("");
}

function speedRow(ours: SpeedCell, peer: SpeedCell): Row {
  const ratio = median(peer.seconds.map((seconds, round) => seconds / (ours.seconds[round] ?? Number.NaN)));
  return {
    what: `flows, ${ours.trace}, checksums ${ours.checksums === "verify" ? "on" : "off"}${ours.kind === "warm" ? ", warm" : ""}`,
    ours: formatRate(rateOf(ours)),
    peer: `${peer.engine} ${formatRate(rateOf(peer))}`,
    ratio,
    target: ">= 1.00 x",
    met: ratio >= 1,
  };
}

function bytesPerFlow({ startBytes, endBytes, flows }: MemoryCell): number {
  return (endBytes - startBytes) / flows;
}

function memoryRows(memory: readonly MemoryCell[]): Row[] {
  const many = memory.find((cell) => cell.kind === "ours" && cell.trace === "many");
  const flood = memory.find((cell) => cell.kind === "ours" && cell.trace === "synflood");
  if (!many || !flood) return [];
  const growth = flood.endBytes / flood.halfBytes;
  const total = many.startBytes + bytesPerFlow(many) * TOTAL_FLOWS;
  return [
    ...memory
      .filter((cell) => cell.kind === "peer" && cell.trace === "many")
      .map((peer) => ({
        what: "flows, memory of an idle one",
        ours: `${Math.round(bytesPerFlow(many))} B`,
        peer: `${peer.engine} ${Math.round(bytesPerFlow(peer))} B`,
        ratio: bytesPerFlow(many) / bytesPerFlow(peer),
        target: "no target",
        met: true,
      })),
    limitRow(
      "flows, memory of an idle one",
      bytesPerFlow(many),
      IDLE_FLOW_BYTES_MAX,
      (bytes) => `${Math.round(bytes)} B`,
    ),
    limitRow("flows, the process with 1,000,000", total, TOTAL_BYTES_MAX, formatMegabytes),
    {
      what: "flows, second half of a flood",
      ours: formatMegabytes(flood.endBytes),
      peer: `first half ${formatMegabytes(flood.halfBytes)}`,
      ratio: growth,
      target: `<= ${FLOOD_GROWTH_MAX.toFixed(2)} x`,
      met: growth <= FLOOD_GROWTH_MAX,
    },
  ];
}

function limitRow(what: string, value: number, most: number, format: (bytes: number) => string): Row {
  const ratio = value / most;
  return {
    what,
    ours: format(value),
    peer: `${format(most)} wanted`,
    ratio,
    target: "<= 1.00 x",
    met: ratio <= 1,
  };
}
