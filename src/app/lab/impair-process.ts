/**
 * An impaired link for experiments and tests: `metanet lab impair` as a process of its own, as a network namespace
 * belongs to a thread, and as what is measured shall not share its thread with what delays it.
 * @module
 */
import { join } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import { seconds } from "#base/time.ts";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import { UNTIL_INPUT_ENDS } from "./impair-command.ts";
import type { WayReport } from "./impair-report.ts";
import { LabProcess } from "./lab-process.ts";

/** A link that is impaired. */
export interface Impairing {
  readonly pid: number;
  /** What was understood, with the seed. */
  readonly impairment: ImpairmentOptions;
  /** Ends it and tells what it has done; once. @throws CommandFailedError when it has ended before */
  stop(): Promise<readonly WayReport[]>;
  /** Ends it without a word, as a crash would. */
  kill(): Promise<void>;
}

const START = seconds(20);
const END = seconds(10);

/**
 * Impairs a link until {@link Impairing.stop}, or the end of this process. Needs root.
 * @param link `NAMESPACE:INTERFACE`, or what else `metanet lab impair` takes
 * @param words its options: `["--delay", "20ms", "--seed", "7"]`
 * @throws CommandFailedError with what it said when it does not start; packets go through it otherwise
 */
export async function startImpairing(link: string, words: readonly string[]): Promise<Impairing> {
  const main = join(import.meta.dirname, "../../../bin/metanet");
  const child = await LabProcess.start({
    name: `impair ${link}`,
    command: process.execPath,
    args: [main, "lab", "impair", link, ...words, "--json", UNTIL_INPUT_ENDS],
    logFile: "/dev/null",
  });
  const ready = await child.line(READY, START).catch(async (error: unknown) => {
    await child.stop();
    throw error;
  });
  return {
    pid: child.pid,
    impairment: (JSON.parse(ready) as { impairment: ImpairmentOptions }).impairment,
    stop: async () => {
      const end = child.line(FINISHED, END);
      child.kill("SIGTERM");
      const { directions } = JSON.parse(await end) as { directions?: readonly WayReport[] };
      await child.ended();
      if (directions) return directions;
      throw new UnavailableError(`Cannot impair ${link}: ${child.tail()}`);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await child.ended();
    },
  };
}

const READY = /^\{"event":"ready"/;
const FINISHED = /^\{"(event":"end|error)"/;
