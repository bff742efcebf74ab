/**
 * Runs a user's module of monitors: loads it, gives it an engine, and gives that the packets of a capture or of an
 * interface.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError } from "#base/errors.ts";
import { Filter } from "#flow/frame-filter.ts";
import { type CaptureFile, readCapture } from "../capture-file.ts";
import { FlowEngine, type FlowFrame, type FlowProgram, type FlowStatistics } from "../flow.ts";
import { loadScript } from "../script/modules.ts";
import { formatPlace, placeOf, withoutVersions } from "../script/place.ts";
import { type EngineChoice, engineOptions } from "./engine-choice.ts";
import { FrameShare, type Share } from "./frame-share.ts";
import { type LiveOrder, openLive } from "./live-source.ts";
import { RunOutput } from "./run-output.ts";

/** What is to be run, on what. */
export interface RunOrder {
  readonly program: string;
  /** The export; the default one when not given. */
  readonly functionName?: string;
  readonly source: { readonly file: string; readonly filter?: string } | { readonly live: LiveOrder };
  readonly engine: EngineChoice;
  /** Where the packets go that no monitor drops. */
  readonly write?: string;
}

/** An error of the program's. */
export interface ProgramFault {
  readonly monitor: string;
  /** `monitors.ts:12:7`; `undefined` when it came from elsewhere. */
  readonly place: string | undefined;
  readonly message: string;
}

/** How it went. */
export interface RunSummary {
  readonly statistics: FlowStatistics;
  readonly faultCount: number;
  readonly droppedCount: number;
  /** Packets that found no room in the ring. */
  readonly lostCount: number;
  /** That the capture ends inside of a record. */
  readonly warning: string | undefined;
}

/** The program fails before it has seen a packet, or after the last. */
export class FlowProgramError extends ConfigurationError {
  override readonly code: string = "flow-program";
}

export class RunLane {
  readonly #order: RunOrder;
  readonly #engine: FlowEngine;
  readonly #tell: (fault: ProgramFault) => void;
  #faultCount = 0;
  #droppedCount = 0;
  #lostCount = 0;
  #warning: string | undefined;
  #end = Promise.withResolvers<void>();
  /** What the program wants to do when all is over. */
  #finish: unknown;

  /** @param tell is told of each error of the program's */
  constructor(order: RunOrder, tell: (fault: ProgramFault) => void) {
    this.#order = order;
    this.#tell = tell;
    this.#engine = new FlowEngine({
      ...engineOptions(order.engine),
      // Packets that were captured have gone: what a program would send to them, or reset, nobody gets.
      output: () => undefined,
      onError: (monitor, error) => {
        this.#faultCount++;
        this.#tell(faultOf(monitor, error));
      },
    });
  }

  /**
   * Loads the program, which adds its monitors.
   * @throws ScriptLoadError, FlowProgramError
   */
  async load(): Promise<void> {
    const { program, functionName } = this.#order;
    const { run } = await loadScript(program, functionName, 0);
    try {
      this.#finish = await (run as unknown as FlowProgram)(this.#engine);
    } catch (error) {
      throw programError(`Cannot run ${program}: it throws before the first packet`, error);
    }
  }

  /**
   * Runs to the end of the capture, or until {@link stop}.
   * @param share of a capture; all when not given
   * @throws ConfigurationError, MalformedCaptureError, CaptureForbiddenError, FilterError, FlowProgramError
   */
  async run(share?: Share, ready: () => void = () => undefined): Promise<RunSummary> {
    const { source, program } = this.#order;
    try {
      if ("live" in source) await this.#runLive(source.live, ready);
      else await this.#runFile(source.file, source.filter, share, ready);
    } finally {
      this.#engine.close();
    }
    try {
      if (typeof this.#finish === "function") await this.#finish();
    } catch (error) {
      throw programError(`Cannot end ${program}: its last function throws`, error);
    }
    return this.summary();
  }

  /** Up to now. */
  summary(): RunSummary {
    return {
      statistics: this.#engine.statistics,
      faultCount: this.#faultCount,
      droppedCount: this.#droppedCount,
      lostCount: this.#lostCount,
      warning: this.#warning,
    };
  }

  /** Ends a live run in order. */
  stop(): void {
    this.#end.resolve();
  }

  async #runFile(
    file: string,
    filter: string | undefined,
    share: Share | undefined,
    ready: () => void,
  ): Promise<void> {
    const passes = filter === undefined || filter.trim() === "" ? undefined : new Filter(filter);
    const frames = share && new FrameShare(share);
    const capture = await readCapture(file);
    const output = await this.#open();
    ready();
    try {
      while (await capture.more()) {
        while (capture.next()) {
          const { record } = capture;
          if (frames?.owns(record) === false)
            this.#engine.advance(record.seconds * 1000 + record.nanoseconds / 1e6);
          else if (passes === undefined || framePasses(passes, record)) this.#handle(record, output);
          else output?.write(record);
          if (output?.pending !== undefined) await output.settle();
        }
        // Promises of the program's, and timers, have their turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#warning = warningOf(capture);
      await output?.close();
    } finally {
      await output?.abandon();
      await capture.close();
    }
  }

  async #runLive(live: LiveOrder, ready: () => void): Promise<void> {
    const capture = openLive(live);
    const output = await this.#open();
    capture.onTrouble((error) => this.#end.reject(error));
    capture.start((batch) => {
      while (batch.next()) this.#handle(batch.packet, output);
      if (output?.pending === undefined) return;
      capture.pause();
      output.settle().then(
        () => capture.resume(),
        (error: unknown) => this.#end.reject(error),
      );
    });
    ready();
    // A flow that nothing comes for times out as well.
    const clock = setInterval(() => this.#engine.advance(Date.now() - RING_DELAY), CLOCK_INTERVAL);
    try {
      await this.#end.promise;
      // What was captured before the end was asked for has come then.
      await sleep(RING_DELAY);
      await output?.close();
    } finally {
      clearInterval(clock);
      this.#lostCount = capture.statistics().droppedCount;
      capture.close();
      await output?.abandon();
    }
  }

  #handle(frame: FlowFrame, output: RunOutput | undefined): void {
    if (this.#engine.handle(frame)) output?.write(frame);
    else this.#droppedCount++;
  }

  async #open(): Promise<RunOutput | undefined> {
    const { write } = this.#order;
    return write === undefined ? undefined : await RunOutput.open(write);
  }
}

/** Packets may lie in the ring for so long; milliseconds. */
const RING_DELAY = 100;
const CLOCK_INTERVAL = 500;

function framePasses(filter: Filter, frame: FlowFrame): boolean {
  const { linkType, bytes, offset, capturedBytes, originalBytes } = frame;
  return filter.passes(linkType, bytes, offset, capturedBytes, originalBytes);
}

function warningOf({ truncation }: CaptureFile): string | undefined {
  return truncation?.message;
}

function faultOf(monitor: string, error: unknown): ProgramFault {
  const place = placeOf(error);
  return { monitor, place: place && formatPlace(place), message: messageOf(error) };
}

function messageOf(error: unknown): string {
  return withoutVersions(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

function programError(begin: string, error: unknown): FlowProgramError {
  const place = placeOf(error);
  const at = place === undefined ? "" : `, at ${formatPlace(place)}`;
  return new FlowProgramError(`${begin}${at}: ${messageOf(error)}`, { cause: error });
}
