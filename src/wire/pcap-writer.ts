/**
 * Writes the classic pcap file (draft-ietf-opsawg-pcap): version 2.4, low byte first, nanoseconds unless told
 * otherwise. One link type for the whole file; what is finer than the file's unit is cut off.
 * @module
 */
import { CAPTURE_RECORD_BYTES_MAX } from "./capture-record.ts";
import {
  appendPacket,
  assertWritable,
  type CaptureWriter,
  takeBytes,
  type WrittenRecord,
} from "./capture-writer.ts";
import { Output } from "./output.ts";
import { PCAP_HEADER_BYTES, PCAP_RECORD_HEADER_BYTES, PcapMagic } from "./pcap.ts";

/** The field of the seconds has 32 bits: 2106-02-07. */
const SECONDS_MAX = 0xffff_ffff;

/** What a {@link PcapWriter} can be told. */
export interface PcapWriterOptions {
  /** A LINKTYPE_ value. */
  readonly linkType: number;
  /** What the header says; {@link CAPTURE_RECORD_BYTES_MAX} when not given. Nothing is cut. */
  readonly snapLengthBytes?: number;
  /** "nanoseconds" when not given; old programs read only "microseconds". */
  readonly timeUnit?: "microseconds" | "nanoseconds";
}

/** Writes one file, whose header waits from the start. */
export class PcapWriter implements CaptureWriter {
  readonly #output = new Output();
  readonly #nanosecondsPerFraction: number;

  constructor({ linkType, snapLengthBytes, timeUnit = "nanoseconds" }: PcapWriterOptions) {
    this.#nanosecondsPerFraction = timeUnit === "nanoseconds" ? 1 : 1000;
    const { view } = this.#output;
    view.setUint32(0, PcapMagic[timeUnit], true);
    view.setUint16(4, 2, true);
    view.setUint16(6, 4, true);
    view.setUint32(16, snapLengthBytes ?? CAPTURE_RECORD_BYTES_MAX, true);
    view.setUint32(20, linkType, true);
    this.#output.length = PCAP_HEADER_BYTES;
  }

  get waitingBytes(): number {
    return this.#output.length;
  }

  write(record: WrittenRecord): void {
    assertWritable(record, SECONDS_MAX);
    const output = this.#output;
    output.reserve(PCAP_RECORD_HEADER_BYTES);
    const { view, length: at } = output;
    view.setUint32(at, record.seconds, true);
    view.setUint32(at + 4, Math.floor(record.nanoseconds / this.#nanosecondsPerFraction), true);
    view.setUint32(at + 8, record.capturedBytes, true);
    view.setUint32(at + 12, record.originalBytes, true);
    output.length += PCAP_RECORD_HEADER_BYTES;
    appendPacket(output, record);
  }

  take(): Uint8Array {
    return takeBytes(this.#output);
  }
}
