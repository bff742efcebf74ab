/**
 * What both capture writers share: bytes that pile up until somebody takes them, and what cannot be written.
 * @module
 */
import { InvariantError, LimitExceededError } from "#base/errors.ts";
import { CAPTURE_RECORD_BYTES_MAX, type CaptureRecord } from "./capture-record.ts";
import type { Output } from "./output.ts";

/** What a writer needs of a packet; a reader's record fits, of which the writer takes link type and interface as its own. */
export type WrittenRecord = Pick<
  CaptureRecord,
  "seconds" | "nanoseconds" | "capturedBytes" | "originalBytes" | "bytes" | "offset"
>;

/** The packet does not fit into the format: its time or its length is beyond what the fields hold. */
export class UnencodableRecordError extends LimitExceededError {
  override readonly code: string = "unencodable-record";
}

/** Puts a capture's bytes together; who writes them somewhere takes them now and then. */
export interface CaptureWriter {
  /** How many bytes wait to be taken. Nothing bounds them but the caller's `take()`. */
  readonly waitingBytes: number;
  /**
   * Appends a packet, copied.
   * @throws UnencodableRecordError for a time the format cannot hold, or more than
   * {@link CAPTURE_RECORD_BYTES_MAX} bytes.
   */
  write(record: WrittenRecord, interfaceId?: number): void;
  /** The bytes that wait, which are the caller's from now on; the file's header is among the first. */
  take(): Uint8Array;
}

/**
 * Refuses what no format holds.
 * @param secondsMax the last second that the format can say.
 */
export function assertWritable(record: WrittenRecord, secondsMax: number): void {
  const { seconds, nanoseconds, capturedBytes, bytes, offset } = record;
  if (!(seconds >= 0 && seconds <= secondsMax && nanoseconds >= 0 && nanoseconds < 1_000_000_000)) {
    const seen = `a time of ${seconds} s and ${nanoseconds} ns, wanted 0 to ${secondsMax} s`;
    throw new UnencodableRecordError(`Cannot write capture: ${seen}`);
  }
  if (capturedBytes > CAPTURE_RECORD_BYTES_MAX) {
    const seen = `a packet of ${capturedBytes} bytes, the most is ${CAPTURE_RECORD_BYTES_MAX}`;
    throw new UnencodableRecordError(`Cannot write capture: ${seen}`);
  }
  if (!(offset >= 0 && capturedBytes >= 0 && offset + capturedBytes <= bytes.length)) {
    const seen = `bytes ${offset} to ${offset + capturedBytes} of ${bytes.length}`;
    throw new InvariantError(`Cannot write capture: the packet is said to be ${seen}`);
  }
}

/** Appends the packet itself. */
export function appendPacket(output: Output, { bytes, offset, capturedBytes }: WrittenRecord): void {
  output.append(bytes.subarray(offset, offset + capturedBytes));
}

/** Everything written so far; the output goes on in memory of its own. */
export function takeBytes(output: Output): Uint8Array {
  const taken = output.bytes.subarray(0, output.length);
  output.replace(output.bytes.length, output.length);
  return taken;
}
