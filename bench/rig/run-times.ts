/**
 * Has the kernel keep the times of its programs, as long as it takes.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";

const SETTING = "/proc/sys/kernel/bpf_stats_enabled";

/** With times kept while `action` runs; they are not, afterwards, unless they were before. It costs each run something. */
export async function withRunTimes<R>(action: () => Promise<R>): Promise<R> {
  const before = readFileSync(SETTING, "utf8");
  const restore = (): void => writeFileSync(SETTING, before);
  process.on("exit", restore);
  writeFileSync(SETTING, "1");
  try {
    return await action();
  } finally {
    restore();
    process.off("exit", restore);
  }
}
