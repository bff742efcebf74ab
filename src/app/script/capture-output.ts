/**
 * Where the packets of a replay go that leave: a capture of the same format and link types as the one they came from.
 * @module
 */
import { LinkType } from "#packet/link-type.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { PcapngWriter } from "#wire/pcapng-writer.ts";
import { type CaptureFileWriter, writeCapture } from "../capture-file-writer.ts";
import { frameOf } from "./capture-frame.ts";

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

  /** @throws ConfigurationError, UnavailableError */
  static async open(path: string, { format, linkType }: CaptureKind): Promise<CaptureOutput> {
    const pcapng = format === "pcapng" ? new PcapngWriter({ application: "metanet script test" }) : undefined;
    const file = await writeCapture(path, { writer: pcapng ?? new PcapWriter({ linkType }) });
    return new CaptureOutput(file, pcapng, linkType);
  }

  /** What has to be awaited before the next packet; `undefined` for nothing. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  /** Appends a frame, in parts. @throws UnencodableRecordError */
  write(parts: readonly Uint8Array[], { seconds, nanoseconds }: CaptureTime, linkType: number): void {
    const capturedBytes = parts.reduce((sum, { length }) => sum + length, 0);
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts, capturedBytes);
    const record = { seconds, nanoseconds, bytes, offset: 0, capturedBytes, originalBytes: capturedBytes };
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
