/**
 * How much of the machine others use while something is measured: programs that this process has not started.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

interface Times {
  readonly parent: number;
  /** In ticks: its own, and its ended children's. */
  readonly ticks: number;
}

/** One try at measuring something, and how many cores others kept busy meanwhile. */
export interface Attempt<R> {
  readonly result: R;
  readonly foreign: number;
}

/** What others may use of a core while something is measured. */
export const FOREIGN_CORES_MAX = 0.1;

/** Measures until nobody disturbs it, `attemptCountMax` times at most; all attempts. */
export async function attempt<R>(
  attemptCountMax: number,
  action: () => Promise<R>,
): Promise<readonly Attempt<R>[]> {
  const attempts: Attempt<R>[] = [];
  while (attempts.length < attemptCountMax) {
    const watched = watchForeign();
    const result = await action();
    attempts.push({ result, foreign: watched() });
    if ((attempts.at(-1)?.foreign ?? 0) <= FOREIGN_CORES_MAX) break;
  }
  return attempts;
}

/** How many turns others disturbed, for below a table. */
export function disturbedText(foreign: readonly number[]): string {
  const disturbed = foreign.filter((cores) => cores > FOREIGN_CORES_MAX).length;
  return `${disturbed} of ${foreign.length} turns disturbed by other programs`;
}

const TICKS_PER_SECOND = 100;
const KERNEL_THREAD = 0x0020_0000;

/** Begins to watch; the function it gives answers the cores that others have kept busy since, 0 for none. */
function watchForeign(): () => number {
  const started = performance.now();
  const before = everybody();
  return () => {
    const seconds = (performance.now() - started) / 1000;
    const after = everybody();
    let ticks = 0;
    for (const [pid, times] of after) {
      if (!isOwn(pid, after)) ticks += Math.max(0, times.ticks - (before.get(pid)?.ticks ?? 0));
    }
    return ticks / TICKS_PER_SECOND / seconds;
  };
}

function everybody(): Map<number, Times> {
  const all = new Map<number, Times>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name in the second field may hold spaces and brackets; the fields are counted after it.
      const fields = readFileSync(`/proc/${name}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ")
        .map(Number);
      const [, parent = 0, , , , , flags = 0] = fields;
      if (flags & KERNEL_THREAD) continue;
      all.set(Number(name), { parent, ticks: fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) });
    } catch {
      // It ended meanwhile.
    }
  }
  return all;
}

function isOwn(pid: number, all: ReadonlyMap<number, Times>): boolean {
  for (let at = pid; at > 1; at = all.get(at)?.parent ?? 0) if (at === process.pid) return true;
  return false;
}
