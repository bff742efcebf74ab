/**
 * Where the packets of a replay go that leave: a capture of the same format and link types as the one they came from.
 * @module
 */
import { LinkType } from "#packet/link-type.ts";
import type { CaptureWriter, WrittenRecord } from "#wire/capture-writer.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { PcapngWriter } from "#wire/pcapng-writer.ts";
import { type CaptureFileWriter, writeCapture } from "../capture-file-writer.ts";
import { frameOf } from "./capture-frame.ts";
import type { Results } from "./result-lines.ts";

/** A moment as captures have it. */
export interface CaptureTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What the replayed capture is. */
export interface CaptureKind {
  readonly format: "pcap" | "pcapng";
  readonly linkType: number;
}

/** What gathers before it is written. */
const WRITE_BYTES = 1024 * 1024;

/** A capture that goes where the results go. */
class ResultCapture implements CaptureFileWriter {
  readonly #writer: CaptureWriter;
  readonly #results: Results;

  constructor(writer: CaptureWriter, results: Results) {
    this.#writer = writer;
    this.#results = results;
  }

  write(record: WrittenRecord, interfaceId = 0): Promise<void> | undefined {
    this.#writer.write(record, interfaceId);
    return this.#writer.waitingBytes < WRITE_BYTES ? undefined : this.close();
  }

  close(): Promise<void> {
    return this.#results.write(this.#writer.take());
  }

  async abandon(): Promise<void> {}
}

export class CaptureOutput {
  readonly #file: CaptureFileWriter;
  readonly #pcapng: PcapngWriter | undefined;
  readonly #firstLinkType: number;
  /** Numbers of pcapng's interfaces by their link types. */
  readonly #interfaces = new Map<number, number>();
  #pending: Promise<void> | undefined;

  private constructor(file: CaptureFileWriter, pcapng: PcapngWriter | undefined, linkType: number) {
    this.#file = file;
    this.#pcapng = pcapng;
    this.#firstLinkType = linkType;
  }

  /**
   * @param target a file, or where the results go
   * @throws ConfigurationError, UnavailableError
   */
  static async open(target: string | Results, { format, linkType }: CaptureKind): Promise<CaptureOutput> {
    const pcapng = format === "pcapng" ? new PcapngWriter({ application: "metanet script test" }) : undefined;
    const writer = pcapng ?? new PcapWriter({ linkType });
    const file =
      typeof target === "string" ? await writeCapture(target, { writer }) : new ResultCapture(writer, target);
    return new CaptureOutput(file, pcapng, linkType);
  }

  /** What has to be awaited before the next packet; `undefined` for nothing. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  /**
   * Appends a frame, in parts.
   * @param missingBytes what the capture had not kept of it
   * @throws UnencodableRecordError
   */
  write(
    parts: readonly Uint8Array[],
    { seconds, nanoseconds }: CaptureTime,
    linkType: number,
    missingBytes = 0,
  ): void {
    const capturedBytes = parts.reduce((sum, { length }) => sum + length, 0);
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts, capturedBytes);
    const originalBytes = capturedBytes + Math.max(0, missingBytes);
    const record = { seconds, nanoseconds, bytes, offset: 0, capturedBytes, originalBytes };
    this.#pending = this.#file.write(record, this.#interface(linkType)) ?? this.#pending;
  }

  /** Appends a packet that a script sends; whether the capture's link type can carry it. */
  writeSent(packet: Uint8Array, isFrame: boolean, time: CaptureTime): boolean {
    const linkType = this.#firstLinkType;
    if (isFrame) {
      if (linkType === LinkType.ethernet) this.write([packet], time, linkType);
      return linkType === LinkType.ethernet;
    }
    const frame = frameOf(packet, linkType);
    if (frame !== undefined) this.write([frame], time, linkType);
    return frame !== undefined;
  }

  /** Waits for what is being written. @throws UnavailableError */
  async settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await pending;
  }

  async close(): Promise<void> {
    await this.settle();
    await this.#file.close();
  }

  abandon(): Promise<void> {
    return this.#file.abandon();
  }

  #interface(linkType: number): number {
    if (this.#pcapng === undefined) return 0;
    let id = this.#interfaces.get(linkType);
    if (id === undefined) {
      id = this.#pcapng.addInterface({ linkType });
      this.#interfaces.set(linkType, id);
    }
    return id;
  }
}

function joined(parts: readonly Uint8Array[], lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
