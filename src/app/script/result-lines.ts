/**
 * What a contained process writes to the reader of its results, lines above all: not faster than it is
 * taken, and without being held up for it.
 * @module
 */
import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { RESULT_DESCRIPTOR, reportLife } from "./contained.ts";

/** Characters of lines that gather before they are written. */
const LINES_LENGTH = 256 * 1024;

/** Nobody reads any more. */
export class ReaderGoneError extends Error {}

const writeLater: (descriptor: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }> =
  promisify(write);

export class ResultLines {
  readonly #results: Results;
  #parts: string[] = [];
  #length = 0;

  constructor(results: Results) {
    this.#results = results;
  }

  /** @param line without its end */
  add(line: string): void {
    this.#parts.push(line);
    this.#length += line.length + 1;
  }

  /** It is time to {@link flush}. */
  get isFull(): boolean {
    return this.#length >= LINES_LENGTH;
  }

  /** @throws ReaderGoneError */
  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const bytes = Buffer.from(`${this.#parts.join("\n")}\n`);
    this.#parts = [];
    this.#length = 0;
    await this.#results.write(bytes);
  }
}

/** The reader of our results. */
export class Results {
  readonly #descriptor: number = blockingDescriptor();

  /** Resolves when all is written. @throws ReaderGoneError */
  async write(bytes: Uint8Array): Promise<void> {
    reportLife("waiting");
    for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(await this.#write(rest));
    reportLife("busy");
  }

  async #write(bytes: Uint8Array): Promise<number> {
    try {
      if (this.#descriptor === RESULT_DESCRIPTOR) return writeSync(RESULT_DESCRIPTOR, bytes);
      return (await writeLater(this.#descriptor, bytes)).bytesWritten;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") throw new ReaderGoneError();
      if (code !== "EAGAIN") throw error;
      // A socket whose reader is slower than we are.
      await sleep(5);
      return 0;
    }
  }
}

/**
 * Pipes and terminals are opened once more: somebody who shares ours may have made it one that does not wait.
 * Files keep their place, so theirs is used as it is.
 */
function blockingDescriptor(): number {
  try {
    const state = fstatSync(RESULT_DESCRIPTOR);
    if (!state.isFIFO() && !state.isCharacterDevice()) return RESULT_DESCRIPTOR;
    return openSync(`/proc/self/fd/${RESULT_DESCRIPTOR}`, constants.O_WRONLY | constants.O_NOCTTY);
  } catch {
    return RESULT_DESCRIPTOR;
  }
}
