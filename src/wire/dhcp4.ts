/**
 * DHCPv4 messages (RFC 2131 section 2): fixed fields and options, with option overload (RFC 2132 section 9.3) and
 * long options cut and joined (RFC 3396). Reading never throws; what it cannot read is `undefined`, with a reason.
 * @module
 */

/** UDP ports of servers (and relays) and of clients (RFC 2131 section 4.1). */
export const DHCP4_SERVER_PORT = 67;
export const DHCP4_CLIENT_PORT = 68;

/** The smallest message sent, in bytes: BOOTP's (RFC 1542 section 2.1). */
export const DHCP4_BYTES_MIN = 300;
/** The longest UDP payload that every client must take: 576 bytes less IPv4 and UDP headers (RFC 2131 section 2). */
export const DHCP4_BYTES_EVERYONE = 548;

/** The value of option 53 (RFC 2132 section 9.6). */
export const DHCP4_MESSAGE_TYPES = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

export type Dhcp4MessageType = keyof typeof DHCP4_MESSAGE_TYPES;

/** One option, its data joined when it came in pieces. */
export interface Dhcp4Option {
  /** 1 to 254; 0 (pad) and 255 (end) are not options. */
  readonly code: number;
  readonly data: Uint8Array;
}

/** A DHCPv4 message; addresses are unsigned 32-bit integers, 0 when absent. Fields have the RFC's names. */
export interface Dhcp4Message {
  readonly op: "request" | "reply";
  /** Hardware type: 1 is Ethernet. */
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  /** Seconds since the client began. */
  readonly secs: number;
  /** The client cannot receive unicast before it has its address (RFC 2131 section 4.1). */
  readonly broadcast: boolean;
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  /** The client's hardware address, 0 to 16 bytes. */
  readonly chaddr: Uint8Array;
  /** Server host name without its closing NUL; empty when absent or when it held options. At most 63 bytes. */
  readonly sname: Uint8Array;
  /** Boot file name, likewise. At most 127 bytes. */
  readonly file: Uint8Array;
  /** In the order of their first appearance, each code once. */
  readonly options: readonly Dhcp4Option[];
}

/** Why bytes are not a DHCPv4 message. */
export type Dhcp4Fault = "short" | "operation" | "hardware-length" | "cookie" | "option-length";

const OPTIONS_OFFSET = 240;
const SNAME_OFFSET = 44;
const FILE_OFFSET = 108;
const COOKIE_OFFSET = 236;
const COOKIE = 0x63825363;
const CHADDR_BYTES_MAX = 16;
const PIECE_BYTES_MAX = 255;

const PAD = 0;
const END = 255;
const OVERLOAD = 52;
const RELAY_AGENT_INFORMATION = 82;
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;

/**
 * The message in a UDP payload; option data are views of `bytes`. When it is not one, `undefined`, and `onFault`
 * learns why.
 */
export function decodeDhcp4(
  bytes: Uint8Array,
  onFault?: (fault: Dhcp4Fault) => void,
): Dhcp4Message | undefined {
  const fault = checkFixed(bytes);
  if (fault !== undefined) {
    onFault?.(fault);
    return undefined;
  }
  const pieces: Dhcp4Option[] = [];
  let isWhole = collectPieces(bytes, OPTIONS_OFFSET, bytes.length, pieces);
  const overload = pieces.find(({ code }) => code === OVERLOAD)?.data[0] ?? 0;
  // RFC 3396 section 5: options in `file` come before those in `sname`.
  if (overload & OVERLOAD_FILE) isWhole &&= collectPieces(bytes, FILE_OFFSET, COOKIE_OFFSET, pieces);
  if (overload & OVERLOAD_SNAME) isWhole &&= collectPieces(bytes, SNAME_OFFSET, FILE_OFFSET, pieces);
  if (!isWhole) {
    onFault?.("option-length");
    return undefined;
  }
  return {
    op: bytes[0] === 1 ? "request" : "reply",
    htype: byteAt(bytes, 1),
    hops: byteAt(bytes, 3),
    xid: uint32At(bytes, 4),
    secs: (byteAt(bytes, 8) << 8) | byteAt(bytes, 9),
    broadcast: (byteAt(bytes, 10) & 0x80) !== 0,
    ciaddr: uint32At(bytes, 12),
    yiaddr: uint32At(bytes, 16),
    siaddr: uint32At(bytes, 20),
    giaddr: uint32At(bytes, 24),
    chaddr: bytes.subarray(28, 28 + byteAt(bytes, 2)),
    sname: overload & OVERLOAD_SNAME ? EMPTY : untilNul(bytes, SNAME_OFFSET, FILE_OFFSET),
    file: overload & OVERLOAD_FILE ? EMPTY : untilNul(bytes, FILE_OFFSET, COOKIE_OFFSET),
    options: joinPieces(pieces),
  };
}

/** The data of an option, `undefined` when the message has none. */
export function optionOf(message: Dhcp4Message, code: number): Uint8Array | undefined {
  for (const option of message.options) if (option.code === code) return option.data;
  return undefined;
}

/** The message type (option 53), `undefined` when there is none that we know. */
export function messageTypeOf(message: Dhcp4Message): Dhcp4MessageType | undefined {
  const data = optionOf(message, 53);
  return data?.length === 1 ? TYPE_BY_VALUE[data[0] ?? 0] : undefined;
}

const TYPE_BY_VALUE: readonly (Dhcp4MessageType | undefined)[] = [
  undefined,
  ...(Object.keys(DHCP4_MESSAGE_TYPES) as Dhcp4MessageType[]),
];

const EMPTY = new Uint8Array(0);

function checkFixed(bytes: Uint8Array): Dhcp4Fault | undefined {
  if (bytes.length < OPTIONS_OFFSET) return "short";
  if (bytes[0] !== 1 && bytes[0] !== 2) return "operation";
  if (byteAt(bytes, 2) > CHADDR_BYTES_MAX) return "hardware-length";
  if (uint32At(bytes, COOKIE_OFFSET) !== COOKIE) return "cookie";
  return undefined;
}

/** Appends the options between two offsets; false when one reaches over the end. A missing end mark is forgiven. */
function collectPieces(bytes: Uint8Array, start: number, end: number, pieces: Dhcp4Option[]): boolean {
  let offset = start;
  while (offset < end) {
    const code = byteAt(bytes, offset);
    if (code === END) return true;
    if (code === PAD) {
      offset++;
      continue;
    }
    const dataOffset = offset + 2;
    if (dataOffset > end) return false;
    offset = dataOffset + byteAt(bytes, dataOffset - 1);
    if (offset > end) return false;
    pieces.push({ code, data: bytes.subarray(dataOffset, offset) });
  }
  return true;
}

/** Joins pieces of one code, in order (RFC 3396 section 7); the overload option itself goes. */
function joinPieces(pieces: readonly Dhcp4Option[]): readonly Dhcp4Option[] {
  const counts = new Uint16Array(256);
  let isPlain = true;
  for (const { code } of pieces) {
    const count = (counts[code] as number) + 1;
    counts[code] = count;
    if (count > 1 || code === OVERLOAD) isPlain = false;
  }
  if (isPlain) return pieces;
  const options: Dhcp4Option[] = [];
  for (const piece of pieces) {
    const { code } = piece;
    const count = counts[code] as number;
    if (count === 0 || code === OVERLOAD) continue;
    counts[code] = 0;
    options.push(
      count === 1 ? piece : { code, data: concatenate(pieces.filter((each) => each.code === code)) },
    );
  }
  return options;
}

function concatenate(pieces: readonly Dhcp4Option[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, { data }) => sum + data.length, 0));
  let offset = 0;
  for (const { data } of pieces) {
    joined.set(data, offset);
    offset += data.length;
  }
  return joined;
}

function untilNul(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (bytes[start] === 0) return EMPTY;
  const nul = bytes.indexOf(0, start);
  return bytes.subarray(start, nul === -1 || nul >= end ? end - 1 : nul);
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

function uint32At(bytes: Uint8Array, offset: number): number {
  return (
    ((byteAt(bytes, offset) << 24) |
      (byteAt(bytes, offset + 1) << 16) |
      (byteAt(bytes, offset + 2) << 8) |
      byteAt(bytes, offset + 3)) >>>
    0
  );
}

/** How a message is to be written. */
export interface Dhcp4EncodeOptions {
  /** The longest UDP payload, in bytes; {@link DHCP4_BYTES_EVERYONE} when not given, never less than 300. */
  readonly bytesMax?: number;
  /** Learns the code of each option there was no room for. */
  readonly onLeftOut?: (code: number) => void;
}

/**
 * The bytes of a message, 300 at least. Options are written in order, those that do not fit go to `file` and
 * `sname` where these are empty, and what still does not fit is left out, whole. Relay agent information stands
 * last in the options field whatever its place (RFC 3046 section 2.1).
 */
export function encodeDhcp4(message: Dhcp4Message, how: Dhcp4EncodeOptions = {}): Uint8Array {
  const bytesMax = Math.max(DHCP4_BYTES_MIN, how.bytesMax ?? DHCP4_BYTES_EVERYONE);
  let optionBytes = 0;
  for (const { data } of message.options) optionBytes += sizeOf(data);
  const wantedBytes = OPTIONS_OFFSET + optionBytes + 1;
  const bytes = new Uint8Array(Math.min(bytesMax, Math.max(DHCP4_BYTES_MIN, wantedBytes)));
  writeFixed(bytes, message);
  if (wantedBytes <= bytesMax) {
    let offset = OPTIONS_OFFSET;
    for (const option of message.options) {
      if (option.code !== RELAY_AGENT_INFORMATION) offset = writeOption(bytes, offset, option);
    }
    for (const option of message.options) {
      if (option.code === RELAY_AGENT_INFORMATION) offset = writeOption(bytes, offset, option);
    }
    bytes[offset] = END;
  } else {
    writeOverloaded(bytes, message, how.onLeftOut);
  }
  return bytes;
}

interface Area {
  readonly bit: number;
  readonly end: number;
  offset: number;
}

function writeOverloaded(bytes: Uint8Array, message: Dhcp4Message, onLeftOut?: (code: number) => void): void {
  const relay = message.options.filter(({ code }) => code === RELAY_AGENT_INFORMATION);
  const relayBytes = relay.reduce((sum, { data }) => sum + sizeOf(data), 0);
  // Each area keeps a byte for its end mark; the first also room for the overload option and the relay's.
  const options: Area = { bit: 0, offset: OPTIONS_OFFSET + 3, end: bytes.length - 1 - relayBytes };
  const areas: Area[] = [options];
  if (message.file.length === 0)
    areas.push({ bit: OVERLOAD_FILE, offset: FILE_OFFSET, end: COOKIE_OFFSET - 1 });
  if (message.sname.length === 0)
    areas.push({ bit: OVERLOAD_SNAME, offset: SNAME_OFFSET, end: FILE_OFFSET - 1 });
  let first = 0;
  let overload = 0;
  for (const option of message.options) {
    if (option.code === RELAY_AGENT_INFORMATION) continue;
    // Never back to an earlier area, so that the reader finds the options in the order they were given.
    const place = areas.findIndex(
      ({ offset, end }, index) => index >= first && offset + sizeOf(option.data) <= end,
    );
    const area = areas[place];
    if (area === undefined) {
      onLeftOut?.(option.code);
      continue;
    }
    first = place;
    overload |= area.bit;
    area.offset = writeOption(bytes, area.offset, option);
  }
  bytes.set(overload === 0 ? [PAD, PAD, PAD] : [OVERLOAD, 1, overload], OPTIONS_OFFSET);
  for (const option of relay) options.offset = writeOption(bytes, options.offset, option);
  bytes[options.offset] = END;
  for (const { bit, offset } of areas) if (overload & bit) bytes[offset] = END;
}

/** What an option takes, in pieces of at most 255 bytes (RFC 3396 section 6). */
function sizeOf(data: Uint8Array): number {
  return data.length + 2 * Math.max(1, Math.ceil(data.length / PIECE_BYTES_MAX));
}

function writeOption(bytes: Uint8Array, start: number, { code, data }: Dhcp4Option): number {
  let offset = start;
  for (let from = 0; from === 0 || from < data.length; from += PIECE_BYTES_MAX) {
    const piece = data.length <= PIECE_BYTES_MAX ? data : data.subarray(from, from + PIECE_BYTES_MAX);
    bytes[offset] = code;
    bytes[offset + 1] = piece.length;
    bytes.set(piece, offset + 2);
    offset += 2 + piece.length;
  }
  return offset;
}

function writeFixed(bytes: Uint8Array, message: Dhcp4Message): void {
  bytes[0] = message.op === "request" ? 1 : 2;
  bytes[1] = message.htype;
  bytes[2] = message.chaddr.length;
  bytes[3] = message.hops;
  putUint32(bytes, 4, message.xid);
  bytes[8] = message.secs >>> 8;
  bytes[9] = message.secs;
  bytes[10] = message.broadcast ? 0x80 : 0;
  putUint32(bytes, 12, message.ciaddr);
  putUint32(bytes, 16, message.yiaddr);
  putUint32(bytes, 20, message.siaddr);
  putUint32(bytes, 24, message.giaddr);
  bytes.set(message.chaddr.subarray(0, CHADDR_BYTES_MAX), 28);
  if (message.sname.length > 0) bytes.set(message.sname.subarray(0, 63), SNAME_OFFSET);
  if (message.file.length > 0) bytes.set(message.file.subarray(0, 127), FILE_OFFSET);
  putUint32(bytes, COOKIE_OFFSET, COOKIE);
}

function putUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
