/**
 * Measures things against one another in the same run: rounds in turn, the median of the rounds' ratios, so that
 * a machine whose speed drifts does not favour either.
 * @module
 */

/** One thing to measure: `run` does it `count` times; another program's own timing is what it gives back, in ns each. */
export interface Subject {
  readonly name: string;
  readonly run: (count: number) => undefined | Promise<undefined | number>;
}

export interface Measured {
  readonly name: string;
  /** Nanoseconds per operation: median of the rounds. */
  readonly nanoseconds: number;
  /** The same of each round, in order. */
  readonly rounds: readonly number[];
}

/** One line of the table that `npm run bench` prints. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  readonly ratio: number;
  /** Between which the true ratio is, where the benchmark can say. */
  readonly limits?: readonly [low: number, high: number];
  /** `ratio <= 1.5`, from the design's table. */
  readonly target: string;
  readonly met: boolean;
}

const ROUND_COUNT = 21;
/** How long one round of one subject should take, in milliseconds. */
const ROUND_MS = 60;

/** How many times as long one subject takes as another: the median of the ratios of their rounds. */
export function ratioOf(ours: Measured, peer: Measured): number {
  return median(ours.rounds.map((nanoseconds, round) => nanoseconds / (peer.rounds[round] ?? Number.NaN)));
}

/** Times the subjects in turn, round by round. */
export async function measure(subjects: readonly Subject[]): Promise<Measured[]> {
  const counts = [];
  for (const subject of subjects) counts.push(await countFor(subject));
  const rounds: number[][] = [];
  for (let round = 0; round < ROUND_COUNT; round++) {
    const times: number[] = [];
    for (const [index, subject] of subjects.entries()) times.push(await time(subject, counts[index] ?? 1));
    rounds.push(times);
  }
  return subjects.map(({ name }, index) => {
    const own = rounds.map((times) => times[index] ?? Number.NaN);
    return { name, nanoseconds: median(own), rounds: own };
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** `1.02 x`, with its limits in brackets where they are known. */
export function formatRatio({ ratio, limits }: Pick<Row, "ratio" | "limits">): string {
  const between = limits === undefined ? "" : ` (${limits.map((limit) => limit.toFixed(2)).join("–")})`;
  return Number.isNaN(ratio) ? "failed" : `${ratio.toFixed(2)} x${between}`;
}

/** `met`, `MISSED`; empty where there is no target. */
export function formatMet({ target, met }: Pick<Row, "target" | "met">): string {
  if (!met) return "MISSED";
  return target === "no target" ? "" : "met";
}

/** A row for a ratio of times, which must not be above the target. */
export function timeRow(what: string, ours: Measured, peer: Measured, atMost: number): Row {
  const ratio = ratioOf(ours, peer);
  return {
    what,
    ours: formatTime(ours.nanoseconds),
    peer: `${peer.name} ${formatTime(peer.nanoseconds)}`,
    ratio,
    target: `<= ${atMost.toFixed(2)} x`,
    met: ratio <= atMost,
  };
}

export function formatTime(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${nanoseconds.toFixed(1)} ns`;
  if (nanoseconds < 1_000_000) return `${(nanoseconds / 1000).toFixed(1)} us`;
  return `${(nanoseconds / 1_000_000).toFixed(2)} ms`;
}

/** How many operations fill a round; also the warm-up. */
async function countFor(subject: Subject): Promise<number> {
  for (let count = 16; ; count *= 4) {
    const took = (await time(subject, count)) * count;
    if (took > 20_000_000) return Math.max(1, Math.round((count * ROUND_MS * 1_000_000) / took));
  }
}

async function time(subject: Subject, count: number): Promise<number> {
  const started = process.hrtime.bigint();
  const own = await subject.run(count);
  if (own !== undefined) return own;
  return Number(process.hrtime.bigint() - started) / count;
}
