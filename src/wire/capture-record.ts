/**
 * What a capture file gives, one packet at a time, and how it can be wrong: the record, its limits and its errors.
 * The same for pcap and pcapng.
 * @module
 */
import { MalformedMessageError } from "#base/errors.ts";

/**
 * The most bytes of a packet that are read or written unless told otherwise: room for the 512 KiB of BIG TCP and
 * for USB; a length above it is far more likely damage than data.
 */
export const CAPTURE_RECORD_BYTES_MAX: number = 16 * 1024 * 1024;

/**
 * One captured packet. A reader gives the same object again and again: it and `bytes` hold until the reader is
 * asked for the next record or given more bytes, whichever comes first.
 */
export interface CaptureRecord {
  /** Seconds since 1970-01-01T00:00Z; negative only by `if_tsoffset`. Exact below 2^53. */
  readonly seconds: number;
  /** 0 to 999,999,999, to be added to the seconds; what is finer is cut off. */
  readonly nanoseconds: number;
  /** Whether the file says when: a Simple Packet Block does not, and its time is 0. */
  readonly isTimed: boolean;
  /** How many bytes the file has. */
  readonly capturedBytes: number;
  /** How many bytes the packet had on the wire; liars write less than they captured. */
  readonly originalBytes: number;
  /** The number of a LINKTYPE_ value; see `packet/link-type.ts`. */
  readonly linkType: number;
  /** Counts the interfaces of the whole file, over its sections; 0 in pcap. */
  readonly interfaceId: number;
  /** The packet is `capturedBytes` of these from `offset` on. */
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** The record as a reader fills it: a class, so that every field has its place from the start. */
export class MutableCaptureRecord implements CaptureRecord {
  seconds = 0;
  nanoseconds = 0;
  isTimed = true;
  capturedBytes = 0;
  originalBytes = 0;
  linkType = 0;
  interfaceId = 0;
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
}

/** Where packets were captured: a file's in pcap, an Interface Description Block's in pcapng. */
export interface CaptureInterface {
  readonly linkType: number;
  /** The most bytes that were to be kept of a packet; 0 for no limit. Files lie about it. */
  readonly snapLengthBytes: number;
  /** Undefined where the file has none. */
  readonly name: string | undefined;
}

/** Bytes that are no capture, or not one as its format wants it. */
export class MalformedCaptureError extends MalformedMessageError {
  override readonly code: string = "malformed-capture";
  /** Counted from the file's first byte. */
  readonly fileOffset: number;

  /** @param seen completes "Cannot read capture: byte 24: …". */
  constructor(name: string, fileOffset: number, seen: string) {
    super(`Cannot read ${name}: byte ${fileOffset}: ${seen}`);
    this.fileOffset = fileOffset;
  }
}

/** A record says that it has more bytes than the reader takes. */
export class CaptureRecordTooLongError extends MalformedCaptureError {
  override readonly code: string = "capture-record-too-long";
}

/** The file ends inside of a record or of its own header. What was whole has been read. */
export class TruncatedCaptureError extends MalformedCaptureError {
  override readonly code: string = "truncated-capture";
}

/** The file is compressed: whoever has a decompressor puts it in front. */
export class CompressedCaptureError extends MalformedCaptureError {
  override readonly code: string = "compressed-capture";
  /** The name of the compression. */
  readonly compression: string;

  constructor(name: string, compression: string) {
    super(name, 0, `it is compressed with ${compression}; decompress it first`);
    this.compression = compression;
  }
}

/** What one format makes of a window's bytes. */
export interface CaptureFormat {
  readonly interfaces: readonly CaptureInterface[];
  /** Whether a part of the file has been taken from the window and its rest has not. */
  readonly isInside: boolean;
  /** Fills the record; false when the next one is not there as a whole. */
  next(): boolean;
}
