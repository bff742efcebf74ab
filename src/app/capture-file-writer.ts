/**
 * Writes captures into files and standard output, behind a buffer, and into place only when they are whole:
 *
 *     const file = await writeCapture("out.pcap", { writer: new PcapWriter({ linkType }) });
 *     try {
 *       for (const record of records) await file.write(record);
 *       await file.close();
 *     } finally {
 *       await file.abandon();
 *     }
 *
 * @module
 */
import { type FileHandle, lstat, rename, rm } from "node:fs/promises";
import { UnavailableError } from "#base/errors.ts";
import type { CaptureWriter, WrittenRecord } from "#wire/capture-writer.ts";
import { errnoOf, openCaptureFile, reasonOf } from "./capture-file-open.ts";

/** What gathers before it is written. */
const WRITE_BYTES = 1024 * 1024;

/** What {@link writeCapture} can be told. */
export interface WriteCaptureOptions {
  /** Makes the bytes: a PcapWriter or a PcapngWriter. */
  readonly writer: CaptureWriter;
  /**
   * Whether the file comes into place as a whole by `close()`, and not at all without it; true when not given.
   * Standard output and devices are written as it goes.
   */
  readonly isAtomic?: boolean;
}

/** A capture that is being written. */
export interface CaptureFileWriter {
  /**
   * Appends a packet, copied. A promise is to be awaited before the next: the buffer is being written.
   * @throws UnencodableRecordError when the format cannot hold it.
   * @throws UnavailableError, by the promise, when the disk is full or fails.
   */
  write(record: WrittenRecord, interfaceId?: number): Promise<void> | undefined;
  /** Writes what waits; with an atomic one, the file is in place afterwards. */
  close(): Promise<void>;
  /** Lets go of what was written: an atomic one leaves no file. Does nothing after `close()`. */
  abandon(): Promise<void>;
}

/**
 * Begins a capture file, or replaces one.
 * @param path a file, or `-` for standard output.
 * @throws ConfigurationError when the folder is not there, the file is a directory, or may not be written.
 */
export async function writeCapture(path: string, options: WriteCaptureOptions): Promise<CaptureFileWriter> {
  if (path === "-") return new StandardOutput(options.writer);
  const isAtomic = (options.isAtomic ?? true) && (await isReplaceable(path));
  const writtenPath = isAtomic ? `${path}.${process.pid}.next` : path;
  const handle = await openCaptureFile("write", writtenPath, path);
  return new WrittenFile(options.writer, { handle, path, writtenPath });
}

abstract class BufferedWriter implements CaptureFileWriter {
  protected readonly writer: CaptureWriter;

  constructor(writer: CaptureWriter) {
    this.writer = writer;
  }

  write(record: WrittenRecord, interfaceId = 0): Promise<void> | undefined {
    this.writer.write(record, interfaceId);
    return this.writer.waitingBytes < WRITE_BYTES ? undefined : this.flush(this.writer.take());
  }

  protected abstract flush(bytes: Uint8Array): Promise<void>;
  abstract close(): Promise<void>;
  abstract abandon(): Promise<void>;
}

interface WrittenPlace {
  readonly handle: FileHandle;
  readonly path: string;
  /** The same as `path`, or beside it. */
  readonly writtenPath: string;
}

class WrittenFile extends BufferedWriter {
  readonly #place: WrittenPlace;
  #isOpen = true;

  constructor(writer: CaptureWriter, place: WrittenPlace) {
    super(writer);
    this.#place = place;
  }

  protected async flush(bytes: Uint8Array): Promise<void> {
    const { handle, path } = this.#place;
    try {
      await handle.writeFile(bytes);
    } catch (cause) {
      throw new UnavailableError(`Cannot write ${path}: ${reasonOf(cause)}`, { cause });
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    const { handle, path, writtenPath } = this.#place;
    try {
      await this.flush(this.writer.take());
      await handle.close();
      this.#isOpen = false;
      if (writtenPath !== path) await rename(writtenPath, path);
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  async abandon(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { handle, path, writtenPath } = this.#place;
    await handle.close();
    if (writtenPath !== path) await rm(writtenPath, { force: true });
  }
}

class StandardOutput extends BufferedWriter {
  protected flush(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(bytes, (cause) => {
        if (!cause) resolve();
        else reject(new UnavailableError(`Cannot write standard output: ${reasonOf(cause)}`, { cause }));
      });
    });
  }

  close(): Promise<void> {
    return this.flush(this.writer.take());
  }

  async abandon(): Promise<void> {}
}

/** Whether the path can be taken by another file: nothing stands there, or a plain file. */
async function isReplaceable(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (cause) {
    return errnoOf(cause) === "ENOENT";
  }
}
