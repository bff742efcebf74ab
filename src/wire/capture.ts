/**
 * Reads a capture, pcap or pcapng, from bytes that come in chunks of any size:
 *
 *     for each chunk: reader.push(chunk); while (reader.next()) use(reader.record);
 *     reader.end()
 *
 * No object is made for a packet, and no more is kept than one packet. Decompression is for who has a decompressor
 * and stands in front of `push`; {@link compressionOf} says by the first bytes whether one is needed.
 * @module
 */
import {
  CAPTURE_RECORD_BYTES_MAX,
  type CaptureFormat,
  type CaptureInterface,
  type CaptureRecord,
  CompressedCaptureError,
  MalformedCaptureError,
  MutableCaptureRecord,
  TruncatedCaptureError,
} from "./capture-record.ts";
import { CaptureWindow } from "./capture-window.ts";
import { isPcapMagic, PCAP_HEADER_BYTES, PcapFormat } from "./pcap.ts";
import { PcapngFormat } from "./pcapng.ts";
import { BlockType } from "./pcapng-block.ts";

/** What a {@link CaptureReader} can be told. */
export interface CaptureReaderOptions {
  /** What errors call the file: "Cannot read NAME: …"; "capture" when not given. */
  readonly name?: string;
  /** A longer record is an error; {@link CAPTURE_RECORD_BYTES_MAX} when not given. */
  readonly recordBytesMax?: number;
}

/** Which of the formats a capture has. */
export type CaptureFormatName = "pcap" | "pcapng";

/** Names of compressions. */
export type Compression = "gzip" | "xz" | "zstd" | "bzip2" | "lz4" | "zip";

/** The bytes that compressed files begin with. */
const COMPRESSIONS: Readonly<Record<Compression, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  xz: [0xfd, 0x37, 0x7a, 0x58],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  bzip2: [0x42, 0x5a, 0x68],
  lz4: [0x04, 0x22, 0x4d, 0x18],
  zip: [0x50, 0x4b, 0x03, 0x04],
};

/** The name of the compression that a file begins with, by its first four bytes, of gzip two; undefined for none known. */
export function compressionOf(bytes: Uint8Array): Compression | undefined {
  for (const [name, begin] of Object.entries(COMPRESSIONS)) {
    if (begin.every((byte, index) => bytes[index] === byte)) return name as Compression;
  }
  return undefined;
}

/** Fed with chunks, gives records. After an error it gives the same error again. */
export class CaptureReader {
  readonly #window = new CaptureWindow();
  readonly #record = new MutableCaptureRecord();
  readonly #name: string;
  readonly #recordBytesMax: number;
  #format: CaptureFormat | undefined;
  #formatName: CaptureFormatName | undefined;

  constructor(options: CaptureReaderOptions = {}) {
    this.#name = options.name ?? "capture";
    this.#recordBytesMax = options.recordBytesMax ?? CAPTURE_RECORD_BYTES_MAX;
  }

  /** The packet that `next()` has found: one object for all of them. */
  get record(): CaptureRecord {
    return this.#record;
  }

  /** Undefined until the file's header has been read. */
  get formatName(): CaptureFormatName | undefined {
    return this.#formatName;
  }

  /** Those read so far; a record's `interfaceId` counts them. */
  get interfaces(): readonly CaptureInterface[] {
    return this.#format?.interfaces ?? [];
  }

  /**
   * Gives the file's next bytes, which must not change until `next()` has said false.
   * @throws InvariantError when it has not said false since the last chunk.
   */
  push(chunk: Uint8Array): void {
    this.#window.push(chunk);
  }

  /**
   * Fills `record` with the next packet; false when more bytes are needed.
   * @throws MalformedCaptureError with the offset in the file, or one of its kinds.
   */
  next(): boolean {
    const format = this.#format ?? this.#recognise();
    return format?.next() ?? false;
  }

  /** When the file has ended: undefined when it ended between two records, else where and how much was left. */
  end(): TruncatedCaptureError | undefined {
    const window = this.#window;
    const where = this.#format ? "a record" : "the file's header";
    if (this.#format && !window.isInside && !this.#format.isInside) return undefined;
    if (window.pushedBytes === 0) return new TruncatedCaptureError(this.#name, 0, "the file is empty");
    return new TruncatedCaptureError(this.#name, window.pushedBytes, `the file ends inside of ${where}`);
  }

  #recognise(): CaptureFormat | undefined {
    const window = this.#window;
    if (!window.has(4)) return undefined;
    const { view, at, bytes } = window;
    const options = {
      window,
      record: this.#record,
      recordBytesMax: this.#recordBytesMax,
      name: this.#name,
    };
    if (isPcapMagic(view.getUint32(at)) || isPcapMagic(view.getUint32(at, true))) {
      if (!window.has(PCAP_HEADER_BYTES)) return undefined;
      this.#format = new PcapFormat(options);
      this.#formatName = "pcap";
    } else if (view.getUint32(at) === BlockType.section) {
      this.#format = new PcapngFormat(options);
      this.#formatName = "pcapng";
    } else {
      const compression = compressionOf(bytes.subarray(at));
      if (compression) throw new CompressedCaptureError(this.#name, compression);
      const magic = view.getUint32(at).toString(16).padStart(8, "0");
      const fix = "editcap makes pcapng of other formats";
      throw new MalformedCaptureError(this.#name, 0, `0x${magic} begins neither pcap nor pcapng; ${fix}`);
    }
    return this.#format;
  }
}
