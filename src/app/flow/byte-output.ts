/**
 * Bytes to a file or to standard output, gathered, and not faster than they are taken.
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import { UnavailableError } from "#base/errors.ts";
import { openCaptureFile, reasonOf } from "../capture-file-open.ts";

/** Bytes that gather before they are written. */
const WRITE_BYTES = 256 * 1024;
/** Of a run of zeros, at once. */
const ZEROS = new Uint8Array(64 * 1024);

export class ByteOutput {
  readonly #path: string;
  readonly #file: FileHandle | undefined;
  /** Copies of bytes, or how many zeros. */
  #parts: (Uint8Array | number)[] = [];
  #waitingBytes = 0;

  private constructor(path: string, file: FileHandle | undefined) {
    this.#path = path;
    this.#file = file;
  }

  /** @param path a file, or `-` for standard output; @throws ConfigurationError */
  static async open(path: string): Promise<ByteOutput> {
    return new ByteOutput(path, path === "-" ? undefined : await openCaptureFile("write", path));
  }

  /** @param bytes are copied */
  add(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.#waitingBytes += bytes.length;
  }

  addText(text: string): void {
    this.add(Buffer.from(text));
  }

  /** So many zeros; they take no room here. */
  addZeros(lengthBytes: number): void {
    this.#parts.push(lengthBytes);
    this.#waitingBytes += lengthBytes;
  }

  /** Writes what waits, when it is much. @throws UnavailableError */
  settle(): Promise<void> | undefined {
    return this.#waitingBytes < WRITE_BYTES ? undefined : this.#flush();
  }

  /** Writes all. @throws UnavailableError */
  async close(): Promise<void> {
    try {
      await this.#flush();
    } finally {
      await this.#file?.close();
    }
  }

  async #flush(): Promise<void> {
    const parts = this.#parts;
    this.#parts = [];
    this.#waitingBytes = 0;
    let bytes: Uint8Array[] = [];
    for (const part of parts) {
      if (typeof part !== "number") bytes.push(part);
      else {
        await this.#write(Buffer.concat(bytes));
        bytes = [];
        for (let left = part; left > 0; left -= ZEROS.length) {
          await this.#write(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
        }
      }
    }
    await this.#write(Buffer.concat(bytes));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    try {
      if (this.#file !== undefined) await this.#file.writeFile(bytes);
      else await writeStandardOutput(bytes);
    } catch (cause) {
      const name = this.#path === "-" ? "standard output" : this.#path;
      throw new UnavailableError(`Cannot write ${name}: ${reasonOf(cause)}`, { cause });
    }
  }
}

function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
