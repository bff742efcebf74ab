/**
 * `metanet lab --once`: runs the story, prints it, cleans up whatever happened, and says by its exit code whether
 * every step held.
 * @module
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { GatewayOptions } from "./gateway.ts";
import type { Lab } from "./lab.ts";
import { STORY_IDLE, storySteps } from "./story.ts";
import { machineState, tracesOf } from "./trace-check.ts";
import { type Step, Transcript, type TranscriptSink } from "./transcript.ts";

export interface OnceOptions {
  readonly json: boolean;
  readonly keep: boolean;
  readonly gateway: Omit<GatewayOptions, "idle">;
  /** Aborted when the user wants the lab to stop. */
  readonly stop: AbortSignal;
  readonly print: (line: string) => void;
}

/** Exit codes of `metanet lab`. */
export const EXIT: { readonly ok: number; readonly failed: number; readonly stopped: number } = {
  ok: 0,
  failed: 1,
  stopped: 130,
};

/** Runs the story on an opened lab; resolves with the exit code. */
export async function runOnce(lab: Lab, options: OnceOptions): Promise<number> {
  const before = await machineState();
  const transcript = new Transcript(sink(lab, options));
  transcript.note(`MetaNet lab ${lab.place.id}: the gateway, end to end, with real programs`, {
    id: lab.place.id,
    kept: lab.place.kept,
  });
  const steps = storySteps(lab, { ...options.gateway, idle: STORY_IDLE });
  for (const step of steps) {
    const running = transcript.step(step);
    await Promise.race([running, aborted(options.stop)]);
    if (!options.stop.aborted) continue;
    lab.keepLogs();
    // What the step was waiting for goes away under it, so it ends soon.
    await Promise.all([lab.remove(), running]);
    break;
  }
  const stopped = options.stop.aborted;
  if (!transcript.held && !stopped) lab.keepLogs();
  if (options.keep && !stopped) {
    transcript.note(`the lab stays until Ctrl-C; METANET_RUN=${lab.place.run}`);
    await aborted(options.stop);
  }
  await transcript.step(cleanStep(lab, before));
  transcript.note(`screenshots${transcript.held ? "" : ", logs"} and transcript: ${lab.place.kept}`);
  transcript.end();
  if (stopped) return EXIT.stopped;
  return transcript.held ? EXIT.ok : EXIT.failed;
}

function cleanStep(lab: Lab, before: Awaited<ReturnType<typeof machineState>>): Step {
  return {
    key: "clean",
    title: "Everything is removed",
    run: async (log) => {
      for (const trouble of await lab.remove()) log.must(false, trouble);
      for (const trace of await tracesOf(lab.place.id, lab.place.work, before)) log.must(false, trace);
      log.saw(
        "no namespace, process or folder is left; the machine's own nft tables, routes and DNS are as before",
      );
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

function sink(lab: Lab, options: OnceOptions): TranscriptSink {
  const file = (name: string): string => join(lab.place.kept, name);
  return {
    text(line) {
      appendFileSync(file("transcript.txt"), `${line}\n`);
      if (!options.json) options.print(line);
    },
    json(record) {
      const line = JSON.stringify(record);
      appendFileSync(file("transcript.jsonl"), `${line}\n`);
      if (options.json) options.print(line);
    },
  };
}
