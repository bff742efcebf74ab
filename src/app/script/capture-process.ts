/**
 * The process of `script test`: reads the capture, runs the script, writes lines and packets.
 * @module
 */
import { MetanetError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { Hook } from "#packet/packet.ts";
import type { OnError } from "#script/engine.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { type CaptureFile, readCapture } from "../capture-file.ts";
import type { CaptureClock } from "./capture-clock.ts";
import { formatEvent } from "./capture-lines.ts";
import { CaptureOutput } from "./capture-output.ts";
import { CaptureRun, type CaptureSummary } from "./capture-run.ts";
import { type CarriedError, carryError, reportLife } from "./contained.ts";
import { loadScript } from "./modules.ts";
import { ReaderGoneError, ResultLines, Results } from "./result-lines.ts";
import { markProgress } from "./stuck-place.ts";

/** What the process is told. */
export interface CaptureOrder {
  readonly file: string;
  readonly functionName?: string;
  /** A file, or `-` for standard input. */
  readonly capture: string;
  /** A file, or `-` for standard output. */
  readonly write?: string;
  readonly json: boolean;
  readonly hook?: Hook;
  readonly inInterface?: string;
  readonly seed: number;
  readonly onError: OnError;
  readonly deadline?: number;
  /** Milliseconds for one packet. */
  readonly timeLimit: number;
}

/** What it says. */
export type CaptureAnswer =
  | { readonly say: "loaded" }
  | { readonly say: "progress"; readonly packets: number }
  | { readonly say: "log"; readonly text: string }
  | { readonly say: "done"; readonly summary: CaptureSummary; readonly warning: string | undefined }
  /** The reader of the lines went away. */
  | { readonly say: "closed" }
  | {
      readonly say: "failed";
      readonly code: string;
      readonly failure: CarriedError;
      readonly summary?: CaptureSummary;
    };

/** Packets between two looks at the real clock. */
const SLICE_COUNT = 64;
/** Milliseconds between two signs of life. */
const SIGN_INTERVAL = 100;
function say(answer: CaptureAnswer): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(answer, () => resolve());
  });
}

/** Timers of the script go by the capture's clock, as everything it is given does. */
function replaceTimers(clock: CaptureClock): void {
  const after = (action: (...args: unknown[]) => void, delay = 0, ...args: unknown[]): object => {
    const timer = clock.after(delay as Duration, () => action(...args));
    const handle = {
      cancel: () => timer.cancel(),
      ref: () => handle,
      unref: () => handle,
      hasRef: () => false,
    };
    return handle;
  };
  const every = (action: (...args: unknown[]) => void, delay = 0, ...args: unknown[]): object => {
    const again = (): { cancel(): void } =>
      clock.after(Math.max(1, delay) as Duration, () => {
        timer = again();
        action(...args);
      });
    let timer = again();
    const handle = {
      cancel: () => timer.cancel(),
      ref: () => handle,
      unref: () => handle,
      hasRef: () => false,
    };
    return handle;
  };
  const clear = (handle?: { cancel?(): void }): void => handle?.cancel?.();
  Object.assign(globalThis, {
    setTimeout: after,
    setInterval: every,
    clearTimeout: clear,
    clearInterval: clear,
  });
}

async function run(order: CaptureOrder, lines: ResultLines, results: Results): Promise<CaptureAnswer> {
  reportLife("busy");
  const module = await loadScript(order.file, order.functionName, 1);
  await say({ say: "loaded" });
  reportLife("waiting");
  const capture = await readCapture(order.capture);
  let output: CaptureOutput | undefined;
  try {
    const first = await firstPiece(capture);
    output = order.write === undefined ? undefined : await openOutput(order.write, capture, results);
    return await replay({ order, module, lines, capture, output, first });
  } finally {
    await output?.abandon();
    await capture.close();
  }
}

/** Whether there is a piece, or what is wrong with it. */
type FirstPiece = boolean | MalformedCaptureError;

/** The interfaces of pcapng are known once there are packets. */
async function firstPiece(capture: CaptureFile): Promise<FirstPiece> {
  try {
    return await capture.more();
  } catch (error) {
    if (error instanceof MalformedCaptureError) return error;
    throw error;
  }
}

function openOutput(path: string, capture: CaptureFile, results: Results): Promise<CaptureOutput> {
  const linkType = capture.interfaces[0]?.linkType ?? 1;
  return CaptureOutput.open(path === "-" ? results : path, { format: capture.format, linkType });
}

interface Replay {
  readonly order: CaptureOrder;
  readonly module: Awaited<ReturnType<typeof loadScript>>;
  readonly lines: ResultLines;
  readonly capture: CaptureFile;
  readonly output: CaptureOutput | undefined;
  readonly first: FirstPiece;
}

async function replay({ order, module, lines, capture, output, first }: Replay): Promise<CaptureAnswer> {
  const { json, hook, inInterface, onError, seed, deadline, functionName } = order;
  const started = new CaptureRun({
    module,
    name: functionName ?? "default",
    hook,
    inInterface,
    onError,
    seed,
    deadline: deadline as Duration | undefined,
    output,
    tell: (event) => {
      if (json) lines.add(formatEvent(event));
      else if (event.kind === "log") void say({ say: "log", text: event.text });
    },
  });
  replaceTimers(started.clock);
  markProgress(() => started.packetCount);
  process.on("uncaughtException", (error) => started.notice(error));
  process.on("unhandledRejection", (error) => started.notice(error));
  const problem = await playAll(started, { capture, lines, first, timeLimit: order.timeLimit });
  const summary = await started.finish();
  if (json) lines.add(JSON.stringify({ summary: { ...summary, faults: summary.faults } }));
  await lines.flush();
  await output?.close();
  if (problem !== undefined) {
    return { say: "failed", code: problem.code, failure: { message: problem.message }, summary };
  }
  return { say: "done", summary, warning: capture.truncation?.message };
}

interface Play {
  readonly capture: CaptureFile;
  readonly lines: ResultLines;
  readonly first: FirstPiece;
  readonly timeLimit: number;
}

/** Everything the capture has; what is wrong with the capture itself ends it, and what came before counts. */
async function playAll(
  run: CaptureRun,
  { capture, lines, first, timeLimit }: Play,
): Promise<MalformedCaptureError | undefined> {
  if (first instanceof MalformedCaptureError) return first;
  let lastSign = 0;
  try {
    for (let goesOn: boolean = first; goesOn; goesOn = await capture.more()) {
      reportLife("busy", timeLimit);
      for (;;) {
        const count = await run.takeFrom(capture, SLICE_COUNT);
        const now = performance.now();
        if (now - lastSign > SIGN_INTERVAL) {
          lastSign = now;
          reportLife("busy");
          void say({ say: "progress", packets: run.packetCount });
        }
        if (lines.isFull) await lines.flush();
        if (count < SLICE_COUNT) break;
      }
      await lines.flush();
      reportLife("waiting");
    }
    return undefined;
  } catch (error) {
    if (error instanceof MalformedCaptureError) return error;
    throw error;
  } finally {
    reportLife("busy");
  }
}

async function main(order: CaptureOrder): Promise<void> {
  const results = new Results();
  const lines = new ResultLines(results);
  let answer: CaptureAnswer;
  try {
    answer = await run(order, lines, results);
  } catch (error) {
    if (error instanceof ReaderGoneError) answer = { say: "closed" };
    else {
      const code = error instanceof MetanetError ? error.code : "internal";
      const failure =
        error instanceof MetanetError && !(error instanceof ScriptLoadError)
          ? { message: error.message }
          : carryError(error);
      answer = { say: "failed", code, failure };
    }
  }
  await say(answer);
  process.exit();
}

process.once("message", (order: CaptureOrder) => void main(order));
