/**
 * The figures of programs in the kernel as tables, and ours against Linux's rules and against C as rows of ratios, each
 * with the limits between which it lies.
 * @module
 */
import type { Row } from "../measure.ts";
import type { PlacedInfo } from "../peers/router-orders.ts";
import { disturbedText } from "./foreign.ts";
import { C_BARE, C_SAME } from "./kernel-handlers.ts";
import { coreWords } from "./results.ts";
import { type Cell, formatFigure } from "./script-tables.ts";
import { CONFIDENCE, CONFIDENT_COUNT_MIN, type Spread, spreadOf } from "./spread.ts";

/** The figures of one handler in one experiment. Rounds that failed have no figure: `null` in the file. */
export interface KernelCell extends Omit<Cell, "rounds" | "unit"> {
  readonly part: "NAT" | "drop";
  readonly unit: Cell["unit"] | "ns";
  readonly rounds: Readonly<Record<string, readonly (number | null)[]>>;
  /** Its programs, where it has some. */
  readonly placed?: readonly PlacedInfo[];
}

/** What `docs/benchmarks/kernel.json` holds beside the conditions. */
export interface KernelData {
  readonly long: boolean;
  readonly cells: readonly KernelCell[];
}

/** Inside of the kernel nobody is to be faster. */
const TARGET = 1;
/** Ours for each instruction of clang's. */
const INSTRUCTIONS_TARGET = 1.2;
const LOSS_TOLD = 0.005;

/** Everything measured: a table for NAT, one for drops, and one of the programs' sizes. */
export function kernelTable({ cells }: KernelData): string {
  const parts = [...new Set(cells.map(({ part }) => part))];
  const tables = parts.map((part) =>
    partTable(
      part,
      cells.filter((cell) => cell.part === part),
    ),
  );
  const counts = cells.map((cell) => firstOf(cell).length);
  const failed = cells.reduce((sum, cell) => sum + firstOf(cell).filter((value) => value === null).length, 0);
  const foreign = cells.flatMap((cell) => numbers(cell.rounds.foreign ?? []));
  const told = [
    `Medians of ${[...new Set(counts)].join(" or ")} rounds`,
    Math.min(...counts) < CONFIDENT_COUNT_MIN
      ? "in brackets the least and the most"
      : `in brackets where the true median is with ${CONFIDENCE * 100} % confidence or more`,
    ...(failed > 0 ? [`${failed} turns failed and are left out`] : []),
    disturbedText(foreign),
  ];
  return `${[...tables, `${told.join("; ")}.`, ...sizeTable(cells)].join("\n\n")}\n`;
}

function partTable(part: KernelCell["part"], cells: readonly KernelCell[]): string {
  const names = [...new Set(cells.map((cell) => cell.handler))];
  const lines = groupsOf(cells).map((group) => {
    const [{ experiment, cores }] = group;
    const own = names.map((name) => {
      const cell = group.find((one) => one.handler === name);
      return cell ? describe(cell) : "";
    });
    return `| ${part === "drop" ? "drop at " : "NAT, "}${experiment} | ${cores} | ${own.join(" | ")} |`;
  });
  return [`| what | cores | ${names.join(" | ")} |`, `|${"---|".repeat(names.length + 2)}`, ...lines].join(
    "\n",
  );
}

/** Of programs that are there in C as well, once each. */
function sizeTable(cells: readonly KernelCell[]): string[] {
  const lines = pairsOf(cells).map(({ ours, same, bare }) => {
    const figures = [ours, same, bare].map((one) => (one ? `${one.instructions}` : ""));
    const bytes = [ours, same, bare].map((one) => (one ? `${one.machineBytes}` : ""));
    return `| ${ours.name} | ${figures.join(" | ")} | ${bytes.join(" | ")} |`;
  });
  if (lines.length === 0) return [];
  const columns = ["script", C_SAME, C_BARE];
  const heads = ["instructions", "bytes of machine code"].flatMap((unit) =>
    columns.map((name, index) => (index === 0 ? `${unit}: ${name}` : name)),
  );
  return [[`| program | ${heads.join(" | ")} |`, `|${"---|".repeat(heads.length + 1)}`, ...lines].join("\n")];
}

interface Pair {
  readonly ours: PlacedInfo;
  readonly same: PlacedInfo;
  readonly bare: PlacedInfo | undefined;
}

function pairsOf(cells: readonly KernelCell[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const group of groupsOf(cells)) {
    const placed = (handler: string) => group.find((cell) => cell.handler === handler)?.placed ?? [];
    const sames = placed(C_SAME);
    const bares = placed(C_BARE);
    for (const [index, ours] of (group.find(({ kind }) => kind === "ours")?.placed ?? []).entries()) {
      const same = sames[index];
      if (same && !pairs.has(ours.name)) pairs.set(ours.name, { ours, same, bare: bares[index] });
    }
  }
  return [...pairs.values()];
}

/** Ours against the best of Linux's own, against the same in C, and for its size. */
export function kernelRowsOf({ cells }: KernelData): Row[] {
  const speeds = groupsOf(cells).flatMap((group) => {
    const ours = group.find((cell) => cell.kind === "ours");
    if (!ours) return [];
    const linux = group.filter(({ kind, handler }) => kind === "peer" && !isC(handler));
    const names = ours.unit === "us" ? ["p50", "p99"] : [Object.keys(ours.rounds)[0] ?? ""];
    // What the kernel's clock says of a program is told beside what comes of it.
    const target = ours.unit === "ns" ? undefined : TARGET;
    return names.flatMap((name) => [
      ...(linux.length > 0 ? [rowOf(ours, bestOf(linux, name), name, TARGET)] : []),
      ...group.filter(({ handler }) => handler === C_SAME).map((cell) => rowOf(ours, cell, name, target)),
      ...group.filter(({ handler }) => handler === C_BARE).map((cell) => rowOf(ours, cell, name, undefined)),
    ]);
  });
  return [...speeds, ...pairsOf(cells).map(sizeRow)];
}

function isC(handler: string): boolean {
  return handler === C_SAME || handler === C_BARE;
}

function bestOf(peers: readonly KernelCell[], name: string): KernelCell {
  const score = (cell: KernelCell): number => {
    const { median } = spreadOf(numbers(cell.rounds[name] ?? []));
    return Number.isNaN(median) ? Number.NEGATIVE_INFINITY : cell.better === "more" ? median : -median;
  };
  return peers.reduce((best, cell) => (score(cell) > score(best) ? cell : best));
}

/** How much better ours is than a peer, by the ratios of their rounds. A target is judged by the digits that are told. */
function rowOf(ours: KernelCell, peer: KernelCell, name: string, target: number | undefined): Row {
  const own = ours.rounds[name] ?? [];
  const ratios = own.map((value, round) => {
    const other = peer.rounds[name]?.[round] ?? null;
    if (value === null || other === null) return Number.NaN;
    return ours.better === "more" ? value / other : other / value;
  });
  const { median: ratio, low, high } = spreadOf(ratios);
  const figure = (cell: KernelCell): string =>
    formatUnit(spreadOf(numbers(cell.rounds[name] ?? [])).median, cell.unit);
  const detail = ours.unit === "us" ? `, ${name}` : "";
  return {
    what: `${ours.part === "drop" ? "drop at " : "NAT, "}${ours.experiment}${detail}, ${coreWords(ours.cores)}`,
    ours: figure(ours),
    peer: `${peer.handler} ${figure(peer)}`,
    ratio,
    limits: [low, high],
    target: target === undefined ? "no target" : `>= ${target.toFixed(2)} x`,
    met: target === undefined || Number(ratio.toFixed(2)) >= target,
  };
}

function sizeRow({ ours, same }: Pair): Row {
  const ratio = ours.instructions / same.instructions;
  return {
    what: `instructions, ${ours.name}`,
    ours: String(ours.instructions),
    peer: `${C_SAME} ${same.instructions}`,
    ratio,
    target: `<= ${INSTRUCTIONS_TARGET.toFixed(2)} x`,
    met: Number(ratio.toFixed(2)) <= INSTRUCTIONS_TARGET,
  };
}

/** The cells of each experiment and number of cores, in the order they were measured. */
function groupsOf(cells: readonly KernelCell[]): (readonly [KernelCell, ...KernelCell[]])[] {
  const groups = new Map<string, [KernelCell, ...KernelCell[]]>();
  for (const cell of cells) {
    const key = `${cell.part}\n${cell.experiment}\n${cell.cores}`;
    const group = groups.get(key);
    if (group) group.push(cell);
    else groups.set(key, [cell]);
  }
  return [...groups.values()];
}

function firstOf(cell: KernelCell): readonly (number | null)[] {
  return Object.values(cell.rounds)[0] ?? [];
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function describe({ rounds, unit }: KernelCell): string {
  const of = (name: string): Spread => spreadOf(numbers(rounds[name] ?? []));
  const name = Object.keys(rounds)[0] ?? "";
  const { median, low, high } = of(name);
  if (Number.isNaN(median)) return "failed";
  const told = `${formatUnit(median, unit)} (${[low, high].map((value) => plain(value, unit)).join("–")})`;
  if (rounds.p99) return `${told}, p99 ${formatUnit(of("p99").median, unit)}`;
  const loss = rounds.loss ? of("loss").median : 0;
  return loss < LOSS_TOLD ? told : `${told}, loss ${(100 * loss).toFixed(0)} %`;
}

function formatUnit(value: number, unit: KernelCell["unit"]): string {
  return unit === "ns" ? `${value.toFixed(0)} ns` : formatFigure(value, unit);
}

/** A figure without its unit. */
function plain(value: number, unit: KernelCell["unit"]): string {
  return formatUnit(value, unit).split(" ")[0] ?? "";
}
