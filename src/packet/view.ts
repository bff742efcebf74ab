/**
 * A view: one header of a packet and what follows it, in place. Views are aimed, not made: a packet has one object
 * for each protocol in it and uses it again for the next packet, so nothing is allocated on the way. What begins
 * with `$` is the packet layer's own.
 *
 * Every read is checked against the view's bounds when the view is aimed or when the offset is given; nothing here
 * throws for what a packet contains. Every write keeps the checksums of all headers around it right.
 * @module
 */
import { fold, sumWords } from "#base/checksum.ts";
import type { Packet } from "./packet.ts";
import type { Protocol } from "./protocol.ts";
import { spliceView } from "./resize.ts";

/** Headers in headers in headers: as many views of one protocol a packet can have; deeper ones are not seen. */
export const NESTING_MAX = 16;

export class View {
  readonly packet: Packet;
  /** The protocol this is a view of. */
  readonly $of: Protocol;
  /** The memory of the packet, and where in it this view begins and ends. */
  $data: DataView;
  $start = 0;
  $end = 0;
  /** Bytes of the header, set when the view is aimed. */
  $header = 0;
  /** Something the protocol found when the view was aimed and wants to know again. */
  $note = 0;
  /** The packet's generation when this was aimed; another one means that the view is free. */
  $generation = 0;
  /** Whether a header outside of this one has a checksum over it. */
  $covered = false;
  /** A further view of the same protocol, where a packet has several. */
  $chained: View | undefined = undefined;
  $outer: View | undefined = undefined;

  /** @param packet the packet this is a view of; a packet itself has none */
  constructor(packet: Packet | undefined, protocol: Protocol) {
    this.packet = packet ?? (this as unknown as Packet);
    this.$of = protocol;
    this.$data = packet?.$data ?? NOTHING;
  }

  /** The view this one was made from; `undefined` for the packet itself. */
  get outer(): View | undefined {
    return this.$outer;
  }

  /** Bytes from the start of this header to the end of what it carries. */
  get lengthBytes(): number {
    return this.$end - this.$start;
  }

  /** Bytes of this header, with its options. */
  get headerBytes(): number {
    return this.$header;
  }

  /** Where this header begins, in bytes from the start of the packet. */
  get offsetBytes(): number {
    return this.$start - this.packet.$start;
  }

  /** The view of what this header carries, when it says that it carries this protocol and all of its header is there. */
  payload<V extends View>(protocol: Protocol<V>): V | undefined;
  /** The bytes behind this header, whatever they are. */
  payload(): View;
  payload<V extends View>(protocol?: Protocol<V>): V | View | undefined {
    if (protocol === undefined) return this.packet.$raw(this.$start + this.$header, this.$end, this);
    if (!isCarriedBy(protocol, this)) return undefined;
    return this.as(protocol);
  }

  /** The same without asking the header: a protocol on an unusual port. */
  as<V extends View>(protocol: Protocol<V>): V | undefined {
    // A view whose bytes are gone holds zeros of its own: no place of the packet is behind it.
    if (this.$generation !== this.packet.$generation) return undefined;
    const isCovered = this.$covered || this.$of.coversPayload;
    return protocol.aim(this.packet, this.$start + this.$header, this.$end, this, isCovered);
  }

  /** The part of this view from `at`, with bounds of its own; `undefined` when it does not lie inside. */
  slice(at: number, lengthBytes: number = this.lengthBytes - at): View | undefined {
    if (!this.$has(at, lengthBytes)) return undefined;
    return this.packet.$raw(this.$start + at, this.$start + at + lengthBytes, this);
  }

  /** Whether this is a view of `protocol`. */
  is<V extends View>(protocol: Protocol<V>): this is V {
    return (this.$of as Protocol<View>) === (protocol as unknown as Protocol<View>);
  }

  /** The byte at an offset; `undefined` outside. */
  uint8(at: number): number | undefined {
    return this.$has(at, 1) ? this.$data.getUint8(this.$start + at) : undefined;
  }

  /** Two bytes at an offset, in network order; `undefined` outside. */
  uint16(at: number): number | undefined {
    return this.$has(at, 2) ? this.$data.getUint16(this.$start + at) : undefined;
  }

  /** Four bytes at an offset, in network order; `undefined` outside. */
  uint32(at: number): number | undefined {
    return this.$has(at, 4) ? this.$data.getUint32(this.$start + at) : undefined;
  }

  /**
   * The bytes from `at`, as many as there are up to `lengthBytes`: a view of the packet's memory, good until the
   * verdict. For reading; {@link write} keeps checksums.
   */
  bytes(at = 0, lengthBytes: number = this.lengthBytes): Uint8Array {
    const start = Math.min(Math.max(0, Math.trunc(at) || 0), this.lengthBytes);
    const length = Math.min(Math.max(0, Math.trunc(lengthBytes) || 0), this.lengthBytes - start);
    return new Uint8Array(this.$data.buffer, this.$data.byteOffset + this.$start + start, length);
  }

  /** A copy of the bytes, which stays good after the verdict. */
  copy(at = 0, lengthBytes: number = this.lengthBytes): Uint8Array {
    return Uint8Array.from(this.bytes(at, lengthBytes));
  }

  /** The bytes as text, one character each (ISO 8859-1). */
  text(at = 0, lengthBytes: number = this.lengthBytes): string {
    return latin1(this.bytes(at, lengthBytes));
  }

  /** The offset of the first byte of this value from `from` on, below `end`; -1 without one. */
  indexOf(value: number, from = 0, end: number = this.lengthBytes): number {
    const last = Math.min(end, this.lengthBytes);
    for (let at = Math.max(0, from); at < last; at++) {
      if (this.$data.getUint8(this.$start + at) === value) return at;
    }
    return -1;
  }

  /** Writes bytes; `false`, and nothing written, when they do not lie inside. @throws ReadOnlyPacketError */
  write(at: number, bytes: Uint8Array): boolean {
    if (!this.$has(at, bytes.length)) return false;
    const own = this.bytes(at, bytes.length);
    this.$edit(at, bytes.length, () => own.set(bytes));
    return true;
  }

  /** Sets every byte to one value, 0 to 255. @throws ReadOnlyPacketError */
  fill(value: number, at = 0, lengthBytes: number = this.lengthBytes - at): boolean {
    if (!this.$has(at, lengthBytes)) return false;
    const own = this.bytes(at, lengthBytes);
    this.$edit(at, lengthBytes, () => own.fill(value));
    return true;
  }

  /** Writes one byte; `false` outside. @throws ReadOnlyPacketError */
  setUint8(at: number, value: number): boolean {
    if (!this.$has(at, 1)) return false;
    this.$edit(at, 1, () => this.$data.setUint8(this.$start + at, value));
    return true;
  }

  /** Writes two bytes in network order; `false` outside. @throws ReadOnlyPacketError */
  setUint16(at: number, value: number): boolean {
    if (!this.$has(at, 2)) return false;
    this.$edit(at, 2, () => this.$data.setUint16(this.$start + at, value));
    return true;
  }

  /** Writes four bytes in network order; `false` outside. @throws ReadOnlyPacketError */
  setUint32(at: number, value: number): boolean {
    if (!this.$has(at, 4)) return false;
    this.$edit(at, 4, () => this.$data.setUint32(this.$start + at, value));
    return true;
  }

  /**
   * Takes bytes out and puts others in their place, as many or more or fewer: what is behind moves, and with it the
   * views of it; lengths and checksums of this header and of all around it follow. `false`, and nothing changed, when
   * the place does not lie inside or a header would not fit or could not say its length any more.
   * @param remove bytes to take out
   * @param insert what to put there
   * @throws ReadOnlyPacketError also when the packet is an aggregate, or not all of it is here
   */
  splice(at: number, remove: number, insert: Uint8Array = EMPTY): boolean {
    return this.$has(at, remove) && spliceView(this, at, remove, insert);
  }

  /** Whether `lengthBytes` from `at` lie inside. */
  $has(at: number, lengthBytes: number): boolean {
    return at >= 0 && Number.isInteger(at) && lengthBytes >= 0 && this.$start + at + lengthBytes <= this.$end;
  }

  /** Makes a change of some bytes and brings it to the checksums, even words at a time. */
  $edit(at: number, lengthBytes: number, change: () => void): void {
    this.packet.$touch();
    const first = at & ~1;
    const end = Math.min((at + lengthBytes + 1) & ~1, this.lengthBytes);
    if (!this.$of.isChecked) {
      const old = fold(sumWords(this.$data, this.$start + first, end - first));
      change();
      const now = fold(sumWords(this.$data, this.$start + first, end - first));
      this.$wordChanged(first, old, now);
      return;
    }
    // A header whose fields differ in what they mean for checksums: word by word.
    const words: number[] = [];
    for (let word = first; word < end; word += 2) words.push(this.$word(word));
    change();
    for (const [index, old] of words.entries())
      this.$wordChanged(first + index * 2, old, this.$word(first + index * 2));
  }

  /** The 16-bit word at an even offset inside; the last one of an odd length is its byte and zero. */
  $word(at: number): number {
    const start = this.$start + at;
    return start + 1 < this.$end ? this.$data.getUint16(start) : this.$data.getUint8(start) << 8;
  }

  /** A word at an even offset of this header became another; protocols with a checksum replace this. */
  $wordChanged(at: number, old: number, now: number): void {
    if (this.$covered) this.$tellOuter(at, old, now);
  }

  /** Brings a change to the header outside, whose words may lie across ours (RFC 1071 §2 B: then bytes swap). */
  $tellOuter(at: number, old: number, now: number): void {
    const outer = this.$outer;
    if (outer === undefined) return;
    const offset = this.$start - outer.$start + at;
    if ((offset & 1) === 0) outer.$wordChanged(offset, old, now);
    else outer.$wordChanged(offset - 1, swap(old), swap(now));
  }
}

/** Whether a header says that this protocol comes next; classes of protocols have this as code of their own. */
function isCarriedBy(protocol: Protocol, view: View): boolean {
  const numbers = protocol.numbersIn(view.$of);
  return numbers === "any" || numbers.includes(view.$of.announced(view));
}

const EMPTY = new Uint8Array(0);
const NOTHING = new DataView(new ArrayBuffer(0));

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}
