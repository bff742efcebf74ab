/**
 * Reads captures from files and standard input, through gzip where they are compressed, in large pieces of which
 * the next is on its way while one is used.
 *
 *     const capture = await readCapture("in.pcap");
 *     try {
 *       while (await capture.more()) while (capture.next()) use(capture.record);
 *       if (capture.truncation) tell(capture.truncation);
 *     } finally {
 *       await capture.close();
 *     }
 *
 * @module
 */
import { CaptureReader, compressionOf } from "#wire/capture.ts";
import { type CaptureInterface, type CaptureRecord, TruncatedCaptureError } from "#wire/capture-record.ts";
import {
  type Chunks,
  fileChunks,
  gunzipChunks,
  standardInputChunks,
  TruncatedGzipError,
} from "./capture-file-chunks.ts";
import { openCaptureFile } from "./capture-file-open.ts";

/** What {@link readCapture} can be told. */
export interface ReadCaptureOptions {
  /** A longer packet is an error; CAPTURE_RECORD_BYTES_MAX when not given. */
  readonly recordBytesMax?: number;
}

/** A capture that is being read. */
export interface CaptureFile {
  /** The packet that `next()` has found: one object for all of them, good until the next call of either. */
  readonly record: CaptureRecord;
  readonly format: "pcap" | "pcapng";
  /** Those read so far. */
  readonly interfaces: readonly CaptureInterface[];
  /** Once `more()` has said false: that the file ends inside of a record. What was whole has been given. */
  readonly truncation: TruncatedCaptureError | undefined;
  /**
   * Fetches the next piece of the file; false at its end. To be called when `next()` has said false.
   * @throws UnavailableError when the disk fails.
   */
  more(): Promise<boolean>;
  /**
   * Fills `record` with the next packet of the piece; false when there is none left.
   * @throws MalformedCaptureError with the offset.
   */
  next(): boolean;
  /** Lets the file go; may be called at any time. */
  close(): Promise<void>;
}

/**
 * Opens a capture and reads its header.
 * @param path a file, or `-` for standard input.
 * @throws ConfigurationError when there is no such file, it is a directory, or may not be read.
 * @throws MalformedCaptureError when it is no capture.
 */
export async function readCapture(path: string, options: ReadCaptureOptions = {}): Promise<CaptureFile> {
  const name = path === "-" ? "standard input" : path;
  const handle = path === "-" ? undefined : await openCaptureFile("read", path);
  const chunks = handle ? fileChunks(handle, name) : standardInputChunks();
  const capture = new OpenCapture(new CaptureReader({ ...options, name }), decompressed(chunks, name));
  try {
    await capture.open(name);
  } catch (error) {
    await capture.close();
    throw error;
  }
  return capture;
}

/** As they are, or through gzip when the first says so. Standard input may begin with a single byte. */
async function* decompressed(chunks: Chunks, name: string): Chunks {
  const first = await chunks.next();
  if (first.done) return;
  // The piece itself holds only until the next is asked for.
  let head = first.value.length < 2 ? first.value.slice() : first.value;
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = prepend(head, chunks);
  yield* compressionOf(head) === "gzip" ? gunzipChunks(whole, name) : whole;
}

async function* prepend(head: Uint8Array, rest: Chunks): Chunks {
  try {
    yield head;
    yield* rest;
  } finally {
    await rest.return();
  }
}

class OpenCapture implements CaptureFile {
  readonly record: CaptureRecord;
  readonly #reader: CaptureReader;
  readonly #chunks: Chunks;
  #truncation: TruncatedCaptureError | undefined;
  /** A packet was found while the header was looked for. */
  #hasFirst = false;
  #isEnded = false;
  /** The piece that `open()` has fetched is there for the first `more()`. */
  #isPrimed = false;

  constructor(reader: CaptureReader, chunks: Chunks) {
    this.#reader = reader;
    this.#chunks = chunks;
    this.record = reader.record;
  }

  get format(): "pcap" | "pcapng" {
    return this.#reader.formatName ?? "pcap";
  }

  get interfaces(): readonly CaptureInterface[] {
    return this.#reader.interfaces;
  }

  get truncation(): TruncatedCaptureError | undefined {
    return this.#truncation;
  }

  /** Reads on until the format is known. */
  async open(name: string): Promise<void> {
    while (!this.#reader.formatName) {
      if (!(await this.#fetch())) {
        throw this.#truncation ?? new TruncatedCaptureError(name, 0, "the file is empty");
      }
      this.#hasFirst = this.#reader.next();
    }
    this.#isPrimed = true;
  }

  async more(): Promise<boolean> {
    if (this.#isPrimed) {
      this.#isPrimed = false;
      return true;
    }
    return this.#fetch();
  }

  next(): boolean {
    if (this.#hasFirst) {
      this.#hasFirst = false;
      return true;
    }
    return this.#reader.next();
  }

  async close(): Promise<void> {
    this.#isEnded = true;
    await this.#chunks.return();
  }

  async #fetch(): Promise<boolean> {
    if (this.#isEnded) return false;
    try {
      const { value, done } = await this.#chunks.next();
      if (!done) {
        this.#reader.push(value);
        return true;
      }
      this.#truncation = this.#reader.end();
    } catch (error) {
      if (!(error instanceof TruncatedGzipError)) throw error;
      this.#truncation = error;
    }
    this.#isEnded = true;
    return false;
  }
}
