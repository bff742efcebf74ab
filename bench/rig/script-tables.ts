/**
 * The figures of packet scripts as a table, and ours against the better of the C programs as rows of ratios.
 * @module
 */
import { median, type Row } from "../measure.ts";
import type { Experiment } from "./experiments.ts";
import { disturbedText } from "./foreign.ts";
import type { Handler } from "./handler.ts";
import { coreWords } from "./results.ts";
import { spreadOf } from "./spread.ts";

/** The figures of one handler in one experiment on one or two cores. */
export interface Cell {
  readonly experiment: string;
  readonly unit: Experiment["unit"];
  readonly better: "more" | "less";
  readonly cores: 1 | 2;
  readonly handler: string;
  readonly kind: Handler["kind"];
  /** By name, a value for each round; `foreign` is how many cores others kept busy meanwhile. */
  readonly rounds: Readonly<Record<string, readonly number[]>>;
}

/** What `docs/benchmarks/script.json` holds beside the conditions. */
export interface ScriptData {
  readonly long: boolean;
  readonly cells: readonly Cell[];
}

const TARGET_RATIO = 0.9;
/** Microseconds: less than this between two round trips is nothing that we can measure. */
const ADDED_MIN = 0.5;

/** Everything measured, a line for each experiment and number of cores, a column for each handler. */
export function scriptTable({ cells }: ScriptData): string {
  const names = [...new Set(cells.map((cell) => cell.handler))];
  const lines = [
    `| what | cores | ${names.join(" | ")} |`,
    `|${"---|".repeat(names.length + 2)}`,
    ...groupsOf(cells).map((group) => {
      const [{ experiment, cores }] = group;
      const own = names.map((name) => {
        const cell = group.find((one) => one.handler === name);
        return cell ? describe(cell) : "";
      });
      return `| ${experiment} | ${cores} | ${own.join(" | ")} |`;
    }),
  ];
  const counts = cells.map((cell) => Object.values(cell.rounds)[0]?.length ?? 0);
  const rounds = `${Math.min(...counts)} to ${Math.max(...counts)} rounds`;
  const foreign = disturbedText(cells.flatMap((cell) => cell.rounds.foreign ?? []));
  return `${lines.join("\n")}\n\nMedians of ${rounds}; ${foreign}\n`;
}

/** Ours against the better of the C programs: what passes, and what they add to a round trip. */
export function scriptRowsOf({ cells }: ScriptData): Row[] {
  return groupsOf(cells).flatMap((group) => {
    const ours = group.find((cell) => cell.kind === "ours");
    const peers = group.filter((cell) => cell.kind === "peer");
    const floor = group.find((cell) => cell.kind === "floor");
    if (!ours || peers.length === 0) return [];
    if (ours.better === "more")
      return [rowOf(ours, peers, (cell) => Object.values(cell.rounds)[0] ?? [], "")];
    return ["p50", "p99"].map((name) => {
      const added = (cell: Cell): readonly number[] =>
        (cell.rounds[name] ?? []).map((value, round) =>
          Math.max(ADDED_MIN, value - (floor?.rounds[name]?.[round] ?? Number.NaN)),
        );
      return rowOf(ours, peers, added, `, added ${name}`);
    });
  });
}

function rowOf(
  ours: Cell,
  peers: readonly Cell[],
  valuesOf: (cell: Cell) => readonly number[],
  suffix: string,
): Row {
  const sign = ours.better === "more" ? 1 : -1;
  const score = (cell: Cell): number => sign * median(valuesOf(cell));
  const best = peers.reduce((before, cell) => (score(cell) > score(before) ? cell : before));
  const values = valuesOf(best);
  const ratios = valuesOf(ours).map((value, round) => {
    const other = values[round] ?? Number.NaN;
    return ours.better === "more" ? value / other : other / value;
  });
  const { median: ratio, ...limits } = spreadOf(ratios);
  return {
    what: `${ours.experiment}${suffix}, ${coreWords(ours.cores)}`,
    ours: formatFigure(median(valuesOf(ours)), ours.unit),
    peer: `${best.handler} ${formatFigure(median(values), ours.unit)}`,
    ratio,
    limits: [limits.low, limits.high],
    target: `>= ${TARGET_RATIO.toFixed(2)} x`,
    met: ratio >= TARGET_RATIO,
  };
}

/** The cells of each experiment and number of cores, in the order they were measured. */
function groupsOf(cells: readonly Cell[]): (readonly [Cell, ...Cell[]])[] {
  const groups = new Map<string, [Cell, ...Cell[]]>();
  for (const cell of cells) {
    const key = `${cell.experiment}\n${cell.cores}`;
    const group = groups.get(key);
    if (group) group.push(cell);
    else groups.set(key, [cell]);
  }
  return [...groups.values()];
}

function describe({ rounds, unit }: Cell): string {
  const of = (name: string): number => median(rounds[name] ?? []);
  if (rounds.p50) return `${of("p50").toFixed(1)} / ${of("p99").toFixed(1)} us`;
  if (rounds.delivered)
    return `${formatFigure(of("delivered"), unit)}, loss ${(100 * of("loss")).toFixed(0)} %`;
  return formatFigure(of(rounds.handled ? "handled" : "throughput"), unit);
}

/** `267 k/s`, `17.0 us`, `13.97 Gbit/s`. */
export function formatFigure(value: number, unit: Experiment["unit"]): string {
  if (unit === "packets/s") return `${Math.round(value / 1000)} k/s`;
  return `${value.toFixed(unit === "us" ? 1 : 2)} ${unit}`;
}
