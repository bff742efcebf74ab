/**
 * pcapng (draft-ietf-opsawg-pcapng), reading: sections in either byte order, interfaces with their time units, and
 * the three blocks that carry packets. Blocks of other types are skipped, however long; every length is checked.
 * @module
 */
import {
  type CaptureFormat,
  type CaptureInterface,
  CaptureRecordTooLongError,
  MalformedCaptureError,
  type MutableCaptureRecord,
} from "./capture-record.ts";
import { setTicks, type TickUnit } from "./capture-time.ts";
import type { CaptureWindow } from "./capture-window.ts";
import { BlockType, decodeInterface, isLittleOrder } from "./pcapng-block.ts";

/** The most interfaces that a file may have, over all its sections; one more is an error. */
export const CAPTURE_INTERFACE_COUNT_MAX = 65_536;
/** What a block may have beside the packet: its options. */
const OPTION_BYTES_MAX = 1024 * 1024;
/** Type, length, and the length again. */
const BLOCK_BYTES_MIN = 12;
/** The length again, behind the block. */
const TRAILER_BYTES = 4;
/** An Enhanced or obsolete Packet Block without packet and options; its packet is 28 bytes from the block's begin. */
const PACKET_BLOCK_BYTES_MIN = 32;
const PACKET_AT = 28;
/** The same for a Simple Packet Block. */
const SIMPLE_BLOCK_BYTES_MIN = 16;
const SIMPLE_PACKET_AT = 12;
/** Type, length, byte order, version, section length, and the length again. */
const SECTION_BLOCK_BYTES_MIN = 28;
/** Type, length, byte order and version. */
const SECTION_VERSION_END = 16;
/** Link type, reserved and snap length, in a block. */
const INTERFACE_BLOCK_BYTES_MIN = 20;

/** What a pcapng reader is made with. */
export interface PcapngOptions {
  readonly window: CaptureWindow;
  readonly record: MutableCaptureRecord;
  readonly recordBytesMax: number;
  /** What errors call the file. */
  readonly name: string;
}

/** Reads packets from the first Section Header Block on. */
export class PcapngFormat implements CaptureFormat {
  readonly interfaces: CaptureInterface[] = [];
  readonly #units: TickUnit[] = [];
  readonly #window: CaptureWindow;
  readonly #record: MutableCaptureRecord;
  readonly #recordBytesMax: number;
  readonly #blockBytesMax: number;
  readonly #name: string;
  #isLittle = true;
  /** The section's first interface. */
  #firstInterface = 0;
  /** The length of the block that is being skipped, whose trailer is still to come; 0 for none. */
  #skippedBytes = 0;

  constructor({ window, record, recordBytesMax, name }: PcapngOptions) {
    this.#window = window;
    this.#record = record;
    this.#recordBytesMax = recordBytesMax;
    this.#blockBytesMax = recordBytesMax + OPTION_BYTES_MAX;
    this.#name = name;
  }

  get isInside(): boolean {
    return this.#skippedBytes > 0;
  }

  next(): boolean {
    const window = this.#window;
    for (;;) {
      if (this.#skippedBytes > 0 && !this.#endSkipped()) return false;
      if (!window.has(BLOCK_BYTES_MIN)) return false;
      const type = window.view.getUint32(window.at, this.#isLittle);
      if (type === BlockType.section) {
        if (!this.#beginSection()) return false;
        continue;
      }
      const totalBytes = window.view.getUint32(window.at + 4, this.#isLittle);
      if (totalBytes < BLOCK_BYTES_MIN || totalBytes % 4 !== 0) throw this.#wrongLength(totalBytes);
      if (!isRead(type)) {
        this.#skip(totalBytes);
        continue;
      }
      if (totalBytes > this.#blockBytesMax) throw this.#tooLong("a block", totalBytes);
      if (!window.has(totalBytes)) return false;
      this.#checkTrailer(window.at + totalBytes - TRAILER_BYTES, totalBytes);
      if (type === BlockType.interface) this.#addInterface(totalBytes);
      else {
        if (type === BlockType.simple) this.#readSimple(totalBytes);
        else this.#readPacket(totalBytes, type === BlockType.enhanced);
        window.at += totalBytes;
        return true;
      }
    }
  }

  /** The section says itself in which order its numbers are; its length is of no use to who reads everything. */
  #beginSection(): boolean {
    if (!this.#window.has(SECTION_VERSION_END)) return false;
    const { view, at } = this.#window;
    const isLittle = isLittleOrder(view.getUint32(at + 8, true));
    if (isLittle === undefined) {
      throw this.#malformed(8, "a section that does not say its byte order (0x1a2b3c4d)");
    }
    this.#isLittle = isLittle;
    const totalBytes = view.getUint32(at + 4, isLittle);
    if (totalBytes < SECTION_BLOCK_BYTES_MIN || totalBytes % 4 !== 0) throw this.#wrongLength(totalBytes);
    const major = view.getUint16(at + 12, isLittle);
    if (major !== 1) throw this.#malformed(12, `version ${major} of pcapng, wanted 1`);
    this.#firstInterface = this.interfaces.length;
    this.#skip(totalBytes);
    return true;
  }

  #addInterface(totalBytes: number): void {
    const window = this.#window;
    if (totalBytes < INTERFACE_BLOCK_BYTES_MIN) throw this.#wrongLength(totalBytes);
    if (this.interfaces.length === CAPTURE_INTERFACE_COUNT_MAX) {
      throw this.#malformed(0, `more than ${CAPTURE_INTERFACE_COUNT_MAX} interfaces`);
    }
    const block = window.bytes.subarray(window.at, window.at + totalBytes);
    const found = decodeInterface(block, this.#isLittle);
    if (!found) throw this.#malformed(16, "an interface's options that do not add up");
    this.interfaces.push(found);
    this.#units.push(found.unit);
    window.at += totalBytes;
  }

  #readPacket(totalBytes: number, isEnhanced: boolean): void {
    if (totalBytes < PACKET_BLOCK_BYTES_MIN) throw this.#wrongLength(totalBytes);
    const { view, at } = this.#window;
    const isLittle = this.#isLittle;
    const ordinal = isEnhanced ? view.getUint32(at + 8, isLittle) : view.getUint16(at + 8, isLittle);
    const captured = view.getUint32(at + 20, isLittle);
    if (captured > totalBytes - PACKET_BLOCK_BYTES_MIN) throw this.#wrongPacket(20, captured, totalBytes);
    if (captured > this.#recordBytesMax) throw this.#tooLong("a packet", captured);
    const record = this.#record;
    const unit = this.#setInterface(ordinal);
    setTicks(record, view.getUint32(at + 12, isLittle), view.getUint32(at + 16, isLittle), unit);
    record.isTimed = true;
    record.capturedBytes = captured;
    record.originalBytes = view.getUint32(at + 24, isLittle);
    record.bytes = this.#window.bytes;
    record.offset = at + PACKET_AT;
  }

  /** Of the section's first interface, whose snap length says how much of the packet there is. */
  #readSimple(totalBytes: number): void {
    if (totalBytes < SIMPLE_BLOCK_BYTES_MIN) throw this.#wrongLength(totalBytes);
    const { view, at } = this.#window;
    const original = view.getUint32(at + 8, this.#isLittle);
    this.#setInterface(0);
    const snap = this.interfaces[this.#firstInterface]?.snapLengthBytes ?? 0;
    const captured = snap > 0 ? Math.min(original, snap) : original;
    if (captured > totalBytes - SIMPLE_BLOCK_BYTES_MIN) throw this.#wrongPacket(8, captured, totalBytes);
    if (captured > this.#recordBytesMax) throw this.#tooLong("a packet", captured);
    const record = this.#record;
    record.seconds = 0;
    record.nanoseconds = 0;
    record.isTimed = false;
    record.capturedBytes = captured;
    record.originalBytes = original;
    record.bytes = this.#window.bytes;
    record.offset = at + SIMPLE_PACKET_AT;
  }

  #setInterface(ordinal: number): TickUnit {
    const id = this.#firstInterface + ordinal;
    const found = this.interfaces[id];
    const unit = this.#units[id];
    if (!found || !unit) {
      const count = this.interfaces.length - this.#firstInterface;
      throw this.#malformed(8, `a packet of interface ${ordinal}, the section has ${count} so far`);
    }
    this.#record.interfaceId = id;
    this.#record.linkType = found.linkType;
    return unit;
  }

  #skip(totalBytes: number): void {
    this.#window.skip(totalBytes - TRAILER_BYTES);
    this.#skippedBytes = totalBytes;
  }

  #endSkipped(): boolean {
    const window = this.#window;
    if (!window.has(TRAILER_BYTES)) return false;
    this.#checkTrailer(window.at, this.#skippedBytes);
    this.#skippedBytes = 0;
    window.at += TRAILER_BYTES;
    return true;
  }

  #checkTrailer(at: number, totalBytes: number): void {
    const again = this.#window.view.getUint32(at, this.#isLittle);
    if (again === totalBytes) return;
    const seen = `a block of ${totalBytes} bytes that says ${again} at its end`;
    throw this.#malformed(at - this.#window.at, seen);
  }

  #wrongLength(totalBytes: number): MalformedCaptureError {
    return this.#malformed(4, `a block of ${totalBytes} bytes, which its type cannot have`);
  }

  #wrongPacket(at: number, captured: number, totalBytes: number): MalformedCaptureError {
    return this.#malformed(at, `a packet of ${captured} bytes in a block of ${totalBytes}`);
  }

  #tooLong(what: string, lengthBytes: number): CaptureRecordTooLongError {
    const seen = `${what} of ${lengthBytes} bytes, the most is ${this.#recordBytesMax} for a packet`;
    return new CaptureRecordTooLongError(this.#name, this.#window.fileOffset + 4, seen);
  }

  #malformed(at: number, seen: string): MalformedCaptureError {
    return new MalformedCaptureError(this.#name, this.#window.fileOffset + at, seen);
  }
}

function isRead(type: number): boolean {
  return (
    type === BlockType.enhanced ||
    type === BlockType.simple ||
    type === BlockType.packet ||
    type === BlockType.interface
  );
}
