/**
 * How long the kernel says that a program ran, while `kernel.bpf_stats_enabled` is set.
 * @module
 */
import { attribute, bpf } from "#linux/bpf/bpf-call.ts";

/** Places in `struct bpf_prog_info` of Linux 5.12 and later. */
const INFO_BYTES = 216;
const RUN_TIME_AT = 192;
const RUN_COUNT_AT = 200;

/** All runs of a program, and how long they took together. */
export interface RunTime {
  readonly nanoseconds: number;
  readonly runs: number;
}

/** Since it was loaded. What it takes to look at the clock is in it: some tens of nanoseconds a run. */
export function runTimeOf(program: { readonly descriptor: number }): RunTime {
  const info = new Uint8Array(INFO_BYTES);
  bpf("describe", attribute(16, [0, program.descriptor], [4, info.length]), info);
  const told = new DataView(info.buffer);
  const numberAt = (at: number): number => Number(told.getBigUint64(at, true));
  return { nanoseconds: numberAt(RUN_TIME_AT), runs: numberAt(RUN_COUNT_AT) };
}

/** The runs after `before`. */
export function runTimeSince(before: RunTime, now: RunTime): RunTime {
  return { nanoseconds: now.nanoseconds - before.nanoseconds, runs: now.runs - before.runs };
}
