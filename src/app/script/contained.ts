/**
 * Runs foreign code in a process of its own that is watched from outside: what loops for ever, allocates without end
 * or ends its process becomes an error, and nothing of it is left. A thread would not do: V8 ends the whole process
 * when one thread allocates too fast for its limit.
 * @module
 */
import { type ChildProcess, fork, type Serializable } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ScriptLoadError, type ScriptPlace } from "#script/errors.ts";
import { STARVED_FACTOR } from "./isolate-limits.ts";
import { findStuckPlace, type StuckPlace } from "./stuck-place.ts";

/** How often a process is looked at, in milliseconds. */
const WATCH_INTERVAL = 50;
/** Bytes of a page of memory, as `/proc` counts it on all machines with Node's builds for Linux. */
const PAGE_BYTES = 4096;
/** The end of what a process wrote about itself before it was aborted. */
const LAST_WORDS = /FATAL ERROR|<--- Last few GCs|----- Native stack trace/;
/** What Node says when it is asked where it stands. */
const DEBUGGER_WORDS =
  /^(Debugger (listening|attached|ending)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger)/;
const DEBUGGER_ADDRESS = /^Debugger listening on (ws:\/\/\S+)/m;

/** What a process may take. */
export interface ContainedLimits {
  /** Megabytes of JavaScript's heap. */
  readonly heapMegabytes: number;
  /** Megabytes in all: buffers are not in the heap. */
  readonly memoryMegabytes: number;
  /**
   * Milliseconds that it may be busy without saying that it lives; see {@link reportLife}. Three times as many where it
   * has not had the processor for half of them.
   */
  readonly busyMax: number;
}

/** Why a process is not there any more. */
export type ContainedEnd =
  | { readonly kind: "memory"; readonly megabytes: number }
  | { readonly kind: "stuck"; readonly place: StuckPlace }
  | { readonly kind: "exited"; readonly code: number | null }
  | { readonly kind: "ended-by-us" };

/** A process that runs. */
export interface Contained<Message> {
  /** Its number; `undefined` when it could not be started. */
  readonly processId: number | undefined;
  /** Calls back with everything it says. */
  listen(told: (message: Message) => void): void;
  /** Resolves when it is gone, however it ended. */
  readonly ended: Promise<ContainedEnd>;
  /** Ends it; resolves when it is gone. */
  end(): Promise<void>;
}

/** By these the process says whether it is at work, or waits for a disk or a reader; all else is its own. */
interface LifeSign {
  readonly life: "busy" | "waiting";
  /** From now on, instead of {@link ContainedLimits.busyMax}. */
  readonly busyMax?: number | undefined;
}

/**
 * Starts a process. Its standard input is ours, its results go to our standard output by descriptor
 * {@link RESULT_DESCRIPTOR}; what the foreign code prints goes to our standard error.
 * @param entry the name of a module of this folder, without its ending
 * @param order what it is told first
 */
export function startContained<Message>(
  entry: string,
  order: Serializable,
  limits: ContainedLimits,
): Contained<Message> {
  const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const child = fork(fileURLToPath(new URL(`./${entry}${ending}`, import.meta.url)), [], {
    execArgv: [`--max-old-space-size=${limits.heapMegabytes}`, "--inspect-port=127.0.0.1:0"],
    stdio: ["inherit", 2, "pipe", "ipc", 1],
  });
  const told: ((message: Message) => void)[] = [];
  const watched = new Watch(child, limits);
  child.on("message", (message: Serializable) => {
    if (isLifeSign(message)) watched.sign(message);
    else for (const one of told) one(message as Message);
  });
  child.send(order);
  return {
    processId: child.pid,
    listen: (callback) => void told.push(callback),
    ended: watched.ended,
    end: () => watched.end(),
  };
}

/** Where a contained process writes its results. */
export const RESULT_DESCRIPTOR = 4;

function isLifeSign(message: Serializable): message is Serializable & LifeSign {
  return typeof message === "object" && "life" in message;
}

/** To be called in the process: before and after it waits, and now and then while it works. */
export function reportLife(life: LifeSign["life"], busyMax?: number): void {
  process.send?.({ life, busyMax });
}

class Watch {
  readonly ended: Promise<ContainedEnd>;
  readonly #child: ChildProcess;
  readonly #limits: ContainedLimits;
  readonly #timer: NodeJS.Timeout;
  #end: ContainedEnd | undefined;
  #busyMax: number;
  #isBusy = true;
  #lastSign = performance.now();
  /** What it had had of the processor's time at its last sign, in milliseconds. */
  #usedThen = 0;
  #said = "";
  #isDying = false;
  #isAsking = false;

  constructor(child: ChildProcess, limits: ContainedLimits) {
    this.#child = child;
    this.#limits = limits;
    this.#busyMax = limits.busyMax;
    this.#timer = setInterval(() => this.#look(), WATCH_INTERVAL);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#heard(text));
    const { promise, resolve } = Promise.withResolvers<ContainedEnd>();
    this.ended = promise;
    const gone = (code: number | null): void => {
      clearInterval(this.#timer);
      const isAborted = this.#isDying && code === null;
      const megabytes = limits.heapMegabytes;
      resolve(this.#end ?? (isAborted ? { kind: "memory", megabytes } : { kind: "exited", code }));
    };
    child.on("close", gone);
    child.on("error", () => gone(null));
  }

  sign({ life, busyMax = this.#busyMax }: LifeSign): void {
    this.#busyMax = busyMax;
    this.#isBusy = life === "busy";
    this.#lastSign = performance.now();
    this.#usedThen = processorTime(this.#child.pid);
  }

  async end(): Promise<void> {
    this.#kill({ kind: "ended-by-us" });
    await this.ended;
  }

  #kill(end: ContainedEnd): void {
    this.#end ??= end;
    this.#child.kill("SIGKILL");
  }

  #look(): void {
    const { memoryMegabytes } = this.#limits;
    if (memoryBytes(this.#child.pid) > memoryMegabytes * 1_000_000) {
      this.#kill({ kind: "memory", megabytes: memoryMegabytes });
    } else if (this.#isBusy && !this.#isAsking && this.#isStuck()) {
      this.#isAsking = true;
      void this.#ask();
    }
  }

  /** Without the processor's time being used up, the machine may be busy with others. */
  #isStuck(): boolean {
    const passed = performance.now() - this.#lastSign;
    if (passed <= this.#busyMax) return false;
    const used = processorTime(this.#child.pid) - this.#usedThen;
    return used >= this.#busyMax / 2 || passed > this.#busyMax * STARVED_FACTOR;
  }

  /** It is stuck: where? */
  async #ask(): Promise<void> {
    this.#child.kill("SIGUSR1");
    const address = (): string | undefined => DEBUGGER_ADDRESS.exec(this.#said)?.[1];
    this.#kill({ kind: "stuck", place: await findStuckPlace(address) });
  }

  /** Hands on what it prints, but for what Node says about debuggers and about its own end. */
  #heard(text: string): void {
    const isAboutUs = this.#isAsking || LAST_WORDS.test(text);
    if (!isAboutUs) {
      if (!this.#isDying) process.stderr.write(text);
      return;
    }
    this.#said += text;
    if (LAST_WORDS.test(text)) this.#isDying = true;
    const others = text.split("\n").filter((line) => !DEBUGGER_WORDS.test(line));
    if (!this.#isDying && others.some((line) => line !== "")) process.stderr.write(others.join("\n"));
  }
}

/** Milliseconds that a process has had of the processor's time; 0 when it is gone. A tick is a hundredth of a second. */
function processorTime(pid: number | undefined): number {
  try {
    // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15 (proc_pid_stat(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

/** The memory a process has; 0 when it is gone. */
function memoryBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

/** A {@link ScriptLoadError} as it travels between processes. */
export interface CarriedError {
  readonly message: string;
  readonly place?: ScriptPlace | undefined;
}

/** For the sending side; anything that is no ScriptLoadError is a defect of ours, told as it is. */
export function carryError(error: unknown): CarriedError {
  if (error instanceof ScriptLoadError) return { message: error.message, place: error.place };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** For the receiving side. */
export function carriedError({ message, place }: CarriedError): ScriptLoadError {
  return new ScriptLoadError(message, { place });
}
