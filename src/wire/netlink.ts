/**
 * Netlink messages and attributes (RFC 3549 §2.3): what every netlink family has in common. Reading is
 * bounds-checked and gives `undefined` where the bytes do not add up; it never throws. Headers and plain numbers
 * are in the byte order of the machine, as the kernel has it.
 * @module
 */
import { encodeUtf8 } from "#base/utf8.ts";

/** Length, type, flags, sequence number and port id (RFC 3549 §2.3.2). */
const NETLINK_HEADER_BYTES = 16;
/** Length and type. */
const ATTRIBUTE_HEADER_BYTES = 4;
/** Whether this machine stores the low byte first. */
export const LITTLE_ENDIAN: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Flags of a message (RFC 3549 §2.3.2.2); the high ones depend on the kind of request. */
export const NetlinkFlag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** The kernel's tables changed while it was listing them: the list may have holes. */
  dumpInterrupted: 0x10,
  /** GET: the whole table. */
  dump: 0x300,
  /** NEW: refuse when it exists. */
  exclusive: 0x200,
  /** NEW: make it when it does not exist. */
  create: 0x400,
} as const;

/** Message types below 16 belong to netlink itself. */
export const NetlinkType = { noop: 1, error: 2, done: 3 } as const;

const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** One message, without its header's length field. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The sender's netlink address; 0 is the kernel. */
  readonly portId: number;
  /** What follows the header: a view of the bytes given, not a copy. */
  readonly body: Uint8Array;
}

/** One attribute: a type and a value, which may itself be attributes. */
export interface NetlinkAttribute {
  /** Without the flag bits. */
  readonly type: number;
  /** A view of the bytes given, without padding. */
  readonly value: Uint8Array;
}

/** The messages of one datagram, or `undefined` when a length points outside of it. */
export function decodeNetlinkMessages(bytes: Uint8Array): NetlinkMessage[] | undefined {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < NETLINK_HEADER_BYTES) return undefined;
    const lengthBytes = view.getUint32(at, LITTLE_ENDIAN);
    if (lengthBytes < NETLINK_HEADER_BYTES || lengthBytes > bytes.length - at) return undefined;
    messages.push({
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(at + 8, LITTLE_ENDIAN),
      portId: view.getUint32(at + 12, LITTLE_ENDIAN),
      body: bytes.subarray(at + NETLINK_HEADER_BYTES, at + lengthBytes),
    });
    at += align(lengthBytes);
  }
  return messages;
}

/** The attributes of a message's body behind its family's header, or `undefined` on a wrong length. */
export function decodeNetlinkAttributes(bytes: Uint8Array): NetlinkAttribute[] | undefined {
  const attributes: NetlinkAttribute[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < ATTRIBUTE_HEADER_BYTES) return undefined;
    const lengthBytes = uint16At(bytes, at);
    if (lengthBytes < ATTRIBUTE_HEADER_BYTES || lengthBytes > bytes.length - at) return undefined;
    attributes.push({
      type: uint16At(bytes, at + 2) & TYPE_MASK,
      value: bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + lengthBytes),
    });
    at += align(lengthBytes);
  }
  return attributes;
}

/** The value of the first attribute of a type. */
export function findAttribute(
  attributes: readonly NetlinkAttribute[] | undefined,
  type: number,
): Uint8Array | undefined {
  return attributes?.find((attribute) => attribute.type === type)?.value;
}

/** The attributes nested in the first attribute of a type. */
export function findNested(
  attributes: readonly NetlinkAttribute[] | undefined,
  type: number,
): NetlinkAttribute[] | undefined {
  const value = findAttribute(attributes, type);
  return value && decodeNetlinkAttributes(value);
}

/** What the kernel answers to a request that asked for an acknowledgement, or that failed. */
export interface NetlinkReply {
  /** 0 for success, else a positive errno. */
  readonly errno: number;
}

/** The body of a message of type {@link NetlinkType.error} or {@link NetlinkType.done}. */
export function decodeNetlinkReply(body: Uint8Array): NetlinkReply | undefined {
  if (body.length < 4) return undefined;
  const code = viewOf(body).getInt32(0, LITTLE_ENDIAN);
  return code <= 0 ? { errno: 0 - code } : undefined;
}

/** Four bytes in the machine's order, or `undefined` when there are not four. */
export function decodeUint32(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 4 ? viewOf(bytes).getUint32(0, LITTLE_ENDIAN) : undefined;
}

/** Four bytes in network order, or `undefined` when there are not four. */
export function decodeUint32Network(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 4 ? viewOf(bytes).getUint32(0) : undefined;
}

/** Eight bytes in network order, rounded above 2^53, or `undefined` when there are not eight. */
export function decodeUint64Network(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 8 ? Number(viewOf(bytes).getBigUint64(0)) : undefined;
}

/** Writes messages one behind the other into a buffer that grows. */
export class NetlinkWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #lengthBytes = 0;

  /** @param roomBytes what there is room for at first */
  constructor(roomBytes = 4096) {
    this.#bytes = new Uint8Array(roomBytes);
    this.#view = viewOf(this.#bytes);
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#lengthBytes);
  }

  /** One message; `body` writes what follows the header. */
  message(header: { type: number; flags: number; sequence: number }, body?: () => void): this {
    const start = this.#take(NETLINK_HEADER_BYTES);
    body?.();
    this.#view.setUint32(start, this.#lengthBytes - start, LITTLE_ENDIAN);
    this.#view.setUint16(start + 4, header.type, LITTLE_ENDIAN);
    this.#view.setUint16(start + 6, header.flags, LITTLE_ENDIAN);
    this.#view.setUint32(start + 8, header.sequence, LITTLE_ENDIAN);
    return this;
  }

  /** Bytes as they are, padded to four. */
  raw(bytes: Uint8Array): this {
    const start = this.#take(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** An attribute whose value is `bytes`, at most 65,531: its length has 16 bits and counts the header. */
  attribute(type: number, bytes: Uint8Array): this {
    const start = this.#header(type, bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** An attribute which holds text, ended by a zero byte. */
  text(type: number, text: string): this {
    const bytes = encodeUtf8(text);
    const start = this.#header(type, bytes.length + 1);
    this.#bytes.set(bytes, start);
    return this;
  }

  /** An attribute which holds a number in the machine's byte order. */
  uint32(type: number, value: number): this {
    const start = this.#header(type, 4);
    this.#view.setUint32(start, value, LITTLE_ENDIAN);
    return this;
  }

  /** An attribute which holds a number in network byte order. */
  uint32Network(type: number, value: number): this {
    const start = this.#header(type, 4);
    this.#view.setUint32(start, value);
    return this;
  }

  /** An attribute which holds a number of 64 bits in network byte order. */
  uint64Network(type: number, value: number): this {
    const start = this.#header(type, 8);
    this.#view.setUint32(start, Math.floor(value / 2 ** 32));
    this.#view.setUint32(start + 4, value >>> 0);
    return this;
  }

  /** An attribute which holds attributes. */
  nested(type: number, body: () => void): this {
    const start = this.#take(ATTRIBUTE_HEADER_BYTES);
    body();
    this.#view.setUint16(start, this.#lengthBytes - start, LITTLE_ENDIAN);
    this.#view.setUint16(start + 2, type | NESTED, LITTLE_ENDIAN);
    return this;
  }

  /** Writes an attribute's header and gives the place of its value. */
  #header(type: number, valueBytes: number): number {
    const start = this.#take(ATTRIBUTE_HEADER_BYTES + valueBytes);
    this.#view.setUint16(start, ATTRIBUTE_HEADER_BYTES + valueBytes, LITTLE_ENDIAN);
    this.#view.setUint16(start + 2, type, LITTLE_ENDIAN);
    return start + ATTRIBUTE_HEADER_BYTES;
  }

  /** Room for `count` bytes and their padding, all zero; gives its place. */
  #take(count: number): number {
    const start = this.#lengthBytes;
    this.#lengthBytes = start + align(count);
    if (this.#lengthBytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#lengthBytes, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    return start;
  }
}

/** Messages and attributes start at multiples of four (RFC 3549 §2.3.2). */
function align(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}

/** By index, because a view for each attribute of a long list would cost more than the rest of it. */
function uint16At(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  return LITTLE_ENDIAN ? first | (second << 8) : (first << 8) | second;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
