/**
 * Writes pcapng (draft-ietf-opsawg-pcapng): one section, low byte first, any number of interfaces, nanoseconds,
 * Enhanced Packet Blocks with a comment where there is something to say.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { NANOSECOND_SECONDS_MAX, setNanosecondTicks } from "./capture-time.ts";
import {
  appendPacket,
  assertWritable,
  type CaptureWriter,
  takeBytes,
  UnencodableRecordError,
  type WrittenRecord,
} from "./capture-writer.ts";
import { Output } from "./output.ts";
import { CAPTURE_INTERFACE_COUNT_MAX } from "./pcapng.ts";
import { BlockOption, BlockType, BYTE_ORDER_MAGIC, padded } from "./pcapng-block.ts";

/** The field of an option's length has 16 bits. */
const OPTION_BYTES_MAX = 0xffff;
/** An exponent of ten: nanoseconds. */
const NANOSECOND_RESOLUTION = 9;

/** An interface as it is to be described. */
export interface WrittenInterface {
  /** A LINKTYPE_ value, 0 to 65535. */
  readonly linkType: number;
  readonly name?: string;
  /** The most bytes kept of a packet; no limit when not given. */
  readonly snapLengthBytes?: number;
}

/** What a {@link PcapngWriter} can be told. */
export interface PcapngWriterOptions {
  /** Which program made the file. */
  readonly application?: string;
  readonly comment?: string;
}

/** Writes one section, whose header waits from the start. Interfaces come before their packets. */
export class PcapngWriter implements CaptureWriter {
  readonly #output = new Output();
  #interfaceCount = 0;

  constructor({ application, comment }: PcapngWriterOptions = {}) {
    const start = this.#begin(BlockType.section, 16);
    const { view } = this.#output;
    view.setUint32(start + 8, BYTE_ORDER_MAGIC, true);
    view.setUint16(start + 12, 1, true);
    // The section's length: not said.
    view.setBigInt64(start + 16, -1n, true);
    this.#appendOption(BlockOption.comment, optionText(comment));
    this.#appendOption(BlockOption.sectionApplication, optionText(application));
    this.#end(start);
  }

  get waitingBytes(): number {
    return this.#output.length;
  }

  /**
   * Describes one more interface; the answer is its `interfaceId`.
   * @throws InvariantError beyond {@link CAPTURE_INTERFACE_COUNT_MAX}.
   */
  addInterface({ linkType, name, snapLengthBytes = 0 }: WrittenInterface): number {
    if (this.#interfaceCount === CAPTURE_INTERFACE_COUNT_MAX) {
      throw new InvariantError(`Cannot write capture: more than ${CAPTURE_INTERFACE_COUNT_MAX} interfaces`);
    }
    const text = optionText(name);
    const start = this.#begin(BlockType.interface, 8);
    this.#output.view.setUint16(start + 8, linkType, true);
    this.#output.view.setUint32(start + 12, snapLengthBytes, true);
    this.#appendOption(BlockOption.interfaceName, text);
    this.#appendOption(BlockOption.interfaceTimeResolution, Uint8Array.of(NANOSECOND_RESOLUTION));
    this.#end(start);
    return this.#interfaceCount++;
  }

  /**
   * @param comment what a person is to read beside the packet.
   * @throws UnencodableRecordError also for a comment of more than 65,535 bytes.
   */
  write(record: WrittenRecord, interfaceId = 0, comment?: string): void {
    assertWritable(record, NANOSECOND_SECONDS_MAX);
    if (!(interfaceId >= 0 && interfaceId < this.#interfaceCount)) {
      const seen = `a packet of interface ${interfaceId}, there are ${this.#interfaceCount}`;
      throw new InvariantError(`Cannot write capture: ${seen}; call addInterface() first`);
    }
    const text = optionText(comment);
    const start = this.#begin(BlockType.enhanced, 20);
    const { view } = this.#output;
    view.setUint32(start + 8, interfaceId, true);
    setNanosecondTicks(view, start + 12, record.seconds, record.nanoseconds);
    view.setUint32(start + 20, record.capturedBytes, true);
    view.setUint32(start + 24, record.originalBytes, true);
    appendPacket(this.#output, record);
    this.#pad();
    this.#appendOption(BlockOption.comment, text);
    this.#end(start, text !== undefined);
  }

  take(): Uint8Array {
    return takeBytes(this.#output);
  }

  /** A block's type, room for its length, and zeros for its fixed fields. */
  #begin(type: number, fixedBytes: number): number {
    const output = this.#output;
    output.reserve(8 + fixedBytes);
    const start = output.length;
    for (let at = 8; at < 8 + fixedBytes; at += 4) output.view.setUint32(start + at, 0);
    output.view.setUint32(start, type, true);
    output.length += 8 + fixedBytes;
    return start;
  }

  #end(start: number, hasOptions = true): void {
    const output = this.#output;
    output.reserve(8);
    if (hasOptions) {
      output.view.setUint32(output.length, BlockOption.end, true);
      output.length += 4;
    }
    const totalBytes = output.length + 4 - start;
    output.view.setUint32(start + 4, totalBytes, true);
    output.view.setUint32(output.length, totalBytes, true);
    output.length += 4;
  }

  #appendOption(code: number, value: Uint8Array | undefined): void {
    if (!value) return;
    const output = this.#output;
    output.reserve(4);
    output.view.setUint16(output.length, code, true);
    output.view.setUint16(output.length + 2, value.length, true);
    output.length += 4;
    output.append(value);
    this.#pad();
  }

  /** Blocks and options begin at multiples of four, counted from the block; every block is such a multiple long. */
  #pad(): void {
    const output = this.#output;
    const missing = padded(output.length) - output.length;
    output.reserve(4);
    output.view.setUint32(output.length, 0);
    output.length += missing;
  }
}

/** @throws UnencodableRecordError before anything of the block is written. */
function optionText(text: string | undefined): Uint8Array | undefined {
  const bytes = text === undefined ? undefined : encodeUtf8(text);
  if (!bytes || bytes.length <= OPTION_BYTES_MAX) return bytes;
  const seen = `a text of ${bytes.length} bytes, the most is ${OPTION_BYTES_MAX}`;
  throw new UnencodableRecordError(`Cannot write capture: ${seen}`);
}
