/**
 * The classic pcap file (draft-ietf-opsawg-pcap): a header, then packets with 16 bytes in front. Both byte orders,
 * micro- and nanoseconds, Kuznetzov's longer records, and the swapped lengths of versions before 2.3. A record
 * longer than the snap length of the header is delivered: many programs write such files.
 * @module
 */
import {
  type CaptureFormat,
  type CaptureInterface,
  CaptureRecordTooLongError,
  MalformedCaptureError,
  type MutableCaptureRecord,
} from "./capture-record.ts";
import type { CaptureWindow } from "./capture-window.ts";

/** The first four bytes, read in the file's own order. */
export const PcapMagic = { microseconds: 0xa1b2c3d4, nanoseconds: 0xa1b23c4d, modified: 0xa1b2cd34 } as const;

/** Magic, version, time zone, accuracy, snap length and link type. */
export const PCAP_HEADER_BYTES = 24;
/** Seconds, fraction, captured and original length. */
export const PCAP_RECORD_HEADER_BYTES = 16;
/** The same with interface index, protocol, packet type and a pad byte. */
const MODIFIED_RECORD_HEADER_BYTES = 24;
/** The rest of the field says how long the frames' check sequence is. */
const LINK_TYPE_MASK = 0x03ff_ffff;

/** What a pcap reader is made with. */
export interface PcapOptions {
  readonly window: CaptureWindow;
  readonly record: MutableCaptureRecord;
  readonly recordBytesMax: number;
  /** What errors call the file. */
  readonly name: string;
}

/** Whether four bytes, read in the order of the file, begin a pcap file. */
export function isPcapMagic(magic: number): boolean {
  return magic === PcapMagic.microseconds || magic === PcapMagic.nanoseconds || magic === PcapMagic.modified;
}

/** Reads records behind the file header, which it takes from the window. */
export class PcapFormat implements CaptureFormat {
  readonly interfaces: readonly CaptureInterface[];
  readonly #window: CaptureWindow;
  readonly #record: MutableCaptureRecord;
  readonly #recordBytesMax: number;
  readonly #name: string;
  readonly #isLittle: boolean;
  readonly #headerBytes: number;
  readonly #fractionsPerSecond: number;
  readonly #nanosecondsPerFraction: number;
  readonly #minorVersion: number;

  /**
   * The window must have {@link PCAP_HEADER_BYTES}.
   * @throws MalformedCaptureError for a version that is not 2.
   */
  constructor({ window, record, recordBytesMax, name }: PcapOptions) {
    const { view, at } = window;
    const isLittle = isPcapMagic(view.getUint32(at, true));
    const magic = view.getUint32(at, isLittle);
    const major = view.getUint16(at + 4, isLittle);
    const minor = view.getUint16(at + 6, isLittle);
    if (major !== 2) {
      const seen = `version ${major}.${minor} of pcap, wanted 2.4`;
      throw new MalformedCaptureError(name, window.fileOffset + 4, seen);
    }
    this.#window = window;
    this.#record = record;
    this.#recordBytesMax = recordBytesMax;
    this.#name = name;
    this.#isLittle = isLittle;
    this.#minorVersion = minor;
    this.#headerBytes =
      magic === PcapMagic.modified ? MODIFIED_RECORD_HEADER_BYTES : PCAP_RECORD_HEADER_BYTES;
    this.#nanosecondsPerFraction = magic === PcapMagic.nanoseconds ? 1 : 1000;
    this.#fractionsPerSecond = 1_000_000_000 / this.#nanosecondsPerFraction;
    record.linkType = view.getUint32(at + 20, isLittle) & LINK_TYPE_MASK;
    const snapLengthBytes = view.getUint32(at + 16, isLittle);
    this.interfaces = [{ linkType: record.linkType, snapLengthBytes, name: undefined }];
    window.skip(PCAP_HEADER_BYTES);
  }

  /** A record is taken from the window as a whole. */
  get isInside(): boolean {
    return false;
  }

  next(): boolean {
    const window = this.#window;
    const headerBytes = this.#headerBytes;
    if (!window.has(headerBytes)) return false;
    const isLittle = this.#isLittle;
    let captured = window.view.getUint32(window.at + 8, isLittle);
    let original = window.view.getUint32(window.at + 12, isLittle);
    // Version 2.3 was written both ways.
    if (this.#minorVersion < 4 && (this.#minorVersion < 3 || captured > original)) {
      [captured, original] = [original, captured];
    }
    if (captured > this.#recordBytesMax) throw this.#tooLong(captured);
    if (!window.has(headerBytes + captured)) return false;
    const { view, at } = window;
    const record = this.#record;
    let seconds = view.getUint32(at, isLittle);
    let fraction = view.getUint32(at + 4, isLittle);
    const perSecond = this.#fractionsPerSecond;
    if (fraction >= perSecond) {
      const whole = Math.floor(fraction / perSecond);
      seconds += whole;
      fraction -= whole * perSecond;
    }
    record.seconds = seconds;
    record.nanoseconds = fraction * this.#nanosecondsPerFraction;
    record.capturedBytes = captured;
    record.originalBytes = original;
    record.bytes = window.bytes;
    record.offset = at + headerBytes;
    window.at = at + headerBytes + captured;
    return true;
  }

  #tooLong(captured: number): CaptureRecordTooLongError {
    const seen = `a packet of ${captured} bytes, the most is ${this.#recordBytesMax}`;
    return new CaptureRecordTooLongError(this.#name, this.#window.fileOffset + 8, seen);
  }
}
