/**
 * The bytes of a capture in pieces: of a file, of standard input, out of gzip. A piece holds until the next one is
 * asked for.
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { UnavailableError } from "#base/errors.ts";
import { MalformedCaptureError, TruncatedCaptureError } from "#wire/capture-record.ts";
import { errnoOf } from "./capture-file-open.ts";

/** Two of these are in turn: one is read into while the other is used. */
const READ_BYTES = 2 * 1024 * 1024;
/** What goes into gzip at once: at its best ratio of 1032 it makes 17 MB of it, which must be kept. */
const GZIP_INPUT_BYTES = 16 * 1024;
const GZIP_OUTPUT_BYTES = 256 * 1024;

/** Pieces, in order. */
export type Chunks = AsyncGenerator<Uint8Array, void, void>;

/** The compressed file ends before its compression does. */
export class TruncatedGzipError extends TruncatedCaptureError {}

/** A file from where it is to its end; closes it afterwards. */
export async function* fileChunks(handle: FileHandle, name: string): Chunks {
  const read = async (bytes: Uint8Array): Promise<Uint8Array> =>
    bytes.subarray(0, (await handle.read(bytes, 0, bytes.length, null)).bytesRead);
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const;
  let turn = 0;
  let coming = read(buffers[0]);
  try {
    for (;;) {
      const chunk = await coming;
      if (chunk.length === 0) return;
      turn = 1 - turn;
      coming = read(buffers[turn as 0 | 1]);
      // Awaited in the next round; one that fails while nobody waits is no unhandled rejection.
      coming.catch(() => undefined);
      yield chunk;
    }
  } catch (cause) {
    throw new UnavailableError(`Cannot read ${name}: ${errnoOf(cause)}`, { cause });
  } finally {
    await coming.catch(() => undefined);
    await handle.close();
  }
}

/** Standard input as it comes. */
export async function* standardInputChunks(): Chunks {
  try {
    yield* process.stdin as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new UnavailableError(`Cannot read standard input: ${errnoOf(cause)}`, { cause });
  }
}

/**
 * What `chunks` hold compressed, member by member (RFC 1952 §2.2). What could be decompressed is given before an
 * error is thrown, but for what the damaged piece of the input begins with.
 * @throws TruncatedGzipError, MalformedCaptureError
 */
export async function* gunzipChunks(chunks: Chunks, name: string): Chunks {
  const gunzip = createGunzip({ chunkSize: GZIP_OUTPUT_BYTES });
  let ready: Uint8Array[] = [];
  let failure: Error | undefined;
  let readBytes = 0;
  let isEnded = false;
  // Zeros may follow the last member, as tapes have them; anything else is damage.
  gunzip.on("end", () => {
    isEnded = true;
  });
  gunzip.on("data", (bytes: Uint8Array) => ready.push(bytes));
  gunzip.on("error", (error: Error) => {
    failure = error;
  });
  // Waits for the end of one step: a write's callback comes after its data, also when it fails.
  const step = (act: (done: () => void) => void): Promise<void> =>
    new Promise((resolve) => {
      gunzip.once("close", resolve);
      act(() => {
        gunzip.off("close", resolve);
        resolve();
      });
    });
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length && !failure && !isEnded; at += GZIP_INPUT_BYTES) {
        const part = chunk.subarray(at, at + GZIP_INPUT_BYTES);
        readBytes += part.length;
        await step((done) => gunzip.write(part, done));
        yield* ready;
        ready = [];
      }
      if (failure || isEnded) break;
    }
    if (!failure && !isEnded) await step((done) => gunzip.once("end", done).end());
    yield* ready;
    if (failure) throw gzipError(failure, readBytes, name);
  } finally {
    gunzip.destroy();
  }
}

/** The offset is in the compressed file, and at most one piece too far. */
function gzipError(cause: Error, readBytes: number, name: string): MalformedCaptureError {
  if (errnoOf(cause) === "Z_BUF_ERROR") {
    return new TruncatedGzipError(name, readBytes, "the compressed file ends too early");
  }
  return new MalformedCaptureError(name, readBytes, `gzip is damaged: ${cause.message}`);
}
