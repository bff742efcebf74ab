/**
 * Netfilter's packet queue over netlink (the kernel's linux/netfilter/nfnetlink_queue.h): settings, queued
 * packets, verdicts. Packets are read in place and without allocation; nothing here throws, and nothing
 * outside of the message is read.
 * @module
 */
import { LITTLE_ENDIAN, NetlinkFlag, NetlinkType, NetlinkWriter } from "./netlink.ts";
import type { QueueColumns } from "./nfqueue-columns.ts";

/**
 * What stands around a packet in its message, at most: headers 20, and the attributes packet header 12, four
 * interfaces 32, mark 8, hardware address 16, tag 20, link-layer header 40, time 20, owner 16, connection
 * 600, state 8, length 8, flags 8, payload's header 4; rounded up.
 */
export const MESSAGE_OVERHEAD_BYTES = 1024;
/** The longest thing {@link encodeVerdict} writes in front of a packet. */
export const VERDICT_HEADER_BYTES = 96;
/** What {@link encodePlainVerdict} writes. */
export const PLAIN_VERDICT_BYTES = 40;

const SUBSYSTEM_QUEUE = 3;
const MessageType = { packet: 0, verdict: 1, config: 2, verdictBatch: 3 } as const;
const TYPE_PACKET = (SUBSYSTEM_QUEUE << 8) | MessageType.packet;

const Attribute = {
  packetHeader: 1,
  verdictHeader: 2,
  mark: 3,
  timestamp: 4,
  inInterface: 5,
  outInterface: 6,
  physicalInInterface: 7,
  physicalOutInterface: 8,
  hardwareAddress: 9,
  payload: 10,
  conntrack: 11,
  conntrackInfo: 12,
  capturedLength: 13,
  packetInfo: 14,
  vlan: 19,
  linkHeader: 20,
} as const;
const VLAN_TAG = 2;
const CONNTRACK_MARK = 8;

const ConfigAttribute = { command: 1, params: 2, queueLengthMax: 3, mask: 4, flags: 5 } as const;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;

/** Flags of a queue; the kernel refuses those it does not know. */
export const QueueFlag = { failOpen: 1, conntrack: 2, segmented: 4 } as const;

const MESSAGE_HEADER_BYTES = 20;
const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

/** How a queue is configured. */
export interface QueueSettings {
  /** 0 to 65535. */
  readonly queueNumber: number;
  /** At most 65,531: the kernel copies no more of a packet than fits into one attribute. */
  readonly copyRangeBytes: number;
  readonly queueLengthMax: number;
  /** Bits of {@link QueueFlag}. */
  readonly flags: number;
}

/**
 * Makes the sender the reader of a queue, all settings at once. The kernel says nothing when it does so, and
 * answers a refusal: EBUSY (EPERM before Linux 3.8) when there is another reader, EOPNOTSUPP when it is built
 * without what a flag asks for.
 */
export function encodeQueueOpen(settings: QueueSettings): Uint8Array {
  const { queueNumber, copyRangeBytes, queueLengthMax, flags } = settings;
  const params = new Uint8Array(5);
  new DataView(params.buffer).setUint32(0, copyRangeBytes);
  params[4] = COPY_PACKET;
  const writer = new NetlinkWriter();
  const type = (SUBSYSTEM_QUEUE << 8) | MessageType.config;
  writer.message({ type, flags: NetlinkFlag.request, sequence: 0 }, () => {
    writer.raw(Uint8Array.of(0, 0, queueNumber >> 8, queueNumber & 0xff));
    writer.attribute(ConfigAttribute.command, Uint8Array.of(COMMAND_BIND, 0, 0, 0));
    writer.attribute(ConfigAttribute.params, params);
    writer.uint32Network(ConfigAttribute.queueLengthMax, queueLengthMax);
    writer.uint32Network(ConfigAttribute.mask, flags).uint32Network(ConfigAttribute.flags, flags);
  });
  return writer.finish();
}

/** What {@link decodeQueued} found. */
export const Queued = {
  /** A packet; its row is filled. */
  packet: 0,
  /** The kernel refused a message of ours; the row's `id` is its sequence number, `mark` its errno. */
  refusal: 1,
  /** Nothing that can be read. */
  malformed: 2,
  /** A packet that cannot be read but wants a verdict; only the row's `id` is filled. */
  malformedPacket: 3,
} as const;

/**
 * Reads the message between `start` and `end` of the slab into a row that was cleared. A packet whose message
 * was cut off is one with less of it captured.
 */
export function decodeQueued(columns: QueueColumns, row: number, start: number, end: number): number {
  const { view } = columns;
  if (start < 0 || end > view.byteLength || end - start < MESSAGE_HEADER_BYTES) return Queued.malformed;
  const type = view.getUint16(start + 4, LITTLE_ENDIAN);
  if (type === NetlinkType.error) {
    columns.mark[row] = -view.getInt32(start + 16, LITTLE_ENDIAN);
    columns.id[row] = view.getUint32(start + 8, LITTLE_ENDIAN);
    return Queued.refusal;
  }
  const announced = start + view.getUint32(start, LITTLE_ENDIAN);
  if (type !== TYPE_PACKET || announced < start + MESSAGE_HEADER_BYTES) return Queued.malformed;
  columns.family[row] = view.getUint8(start + 16);
  columns.offset[row] = -1;
  columns.etherType[row] = 0;
  let hasHeader = false;
  const stop = Math.min(announced, end);
  for (let at = start + MESSAGE_HEADER_BYTES; at + 4 <= stop; ) {
    const lengthBytes = view.getUint16(at, LITTLE_ENDIAN);
    const attribute = view.getUint16(at + 2, LITTLE_ENDIAN) & TYPE_MASK;
    const isCutOff = at + lengthBytes > stop;
    if (lengthBytes < 4 || (isCutOff && attribute !== Attribute.payload)) break;
    if (attribute === Attribute.packetHeader && lengthBytes >= 11) hasHeader = true;
    readAttribute(columns, row, attribute, at + 4, Math.min(at + lengthBytes, stop), lengthBytes - 4);
    at += (lengthBytes + 3) & ~3;
  }
  if (!hasHeader) return Queued.malformed;
  if ((columns.offset[row] ?? -1) < 0) return Queued.malformedPacket;
  columns.newOffset[row] = columns.offset[row] ?? 0;
  return Queued.packet;
}

/** @param announced the value's length in bytes; more than is there when the message was cut off. */
function readAttribute(
  columns: QueueColumns,
  row: number,
  type: number,
  at: number,
  end: number,
  announced: number,
): void {
  const { view } = columns;
  const lengthBytes = end - at;
  switch (type) {
    case Attribute.packetHeader:
      if (lengthBytes < 7) return;
      columns.id[row] = view.getUint32(at);
      columns.etherType[row] = view.getUint16(at + 4);
      columns.hook[row] = view.getUint8(at + 6);
      return;
    case Attribute.payload:
      columns.offset[row] = at;
      columns.lengthBytes[row] = lengthBytes;
      // A captured length says more, and stands in front.
      if ((columns.fullLengthBytes[row] ?? 0) < announced) columns.fullLengthBytes[row] = announced;
      return;
    case Attribute.linkHeader:
      columns.linkHeaderOffset[row] = at;
      columns.linkHeaderLengthBytes[row] = lengthBytes;
      return;
    case Attribute.hardwareAddress:
      // Its length, two bytes of padding, and room for eight.
      if (lengthBytes >= 10 && view.getUint16(at) === 6) columns.sourceLinkOffset[row] = at + 4;
      return;
    case Attribute.timestamp:
      if (lengthBytes < 16) return;
      columns.arrivedMicroseconds[row] =
        (view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4)) * 1e6 + view.getUint32(at + 12);
      return;
    case Attribute.conntrack:
      columns.conntrackOffset[row] = at;
      columns.conntrackLengthBytes[row] = lengthBytes;
      return;
    case Attribute.vlan:
      columns.vlanTag[row] = readVlan(view, at, end);
      return;
    default:
      if (lengthBytes >= 4) readNumber(columns, row, type, view.getUint32(at));
  }
}

function readNumber(columns: QueueColumns, row: number, type: number, value: number): void {
  switch (type) {
    case Attribute.mark:
      columns.mark[row] = value;
      break;
    case Attribute.inInterface:
      columns.inInterface[row] = value;
      break;
    case Attribute.outInterface:
      columns.outInterface[row] = value;
      break;
    case Attribute.physicalInInterface:
      columns.physicalInInterface[row] = value;
      break;
    case Attribute.physicalOutInterface:
      columns.physicalOutInterface[row] = value;
      break;
    case Attribute.capturedLength:
      if ((columns.fullLengthBytes[row] ?? 0) < value)
        columns.fullLengthBytes[row] = Math.min(value, 0x7fff_ffff);
      break;
    case Attribute.packetInfo:
      columns.packetFlags[row] = value;
      break;
    case Attribute.conntrackInfo:
      columns.conntrackState[row] = value;
  }
}

/** The tag control information among the nested attributes, or -1. */
function readVlan(view: DataView, start: number, end: number): number {
  for (let at = start; at + 4 <= end; ) {
    const lengthBytes = view.getUint16(at, LITTLE_ENDIAN);
    if (lengthBytes < 4 || at + lengthBytes > end) break;
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & TYPE_MASK;
    if (type === VLAN_TAG && lengthBytes >= 6) return view.getUint16(at + 4);
    at += (lengthBytes + 3) & ~3;
  }
  return -1;
}

/** What a plain verdict says; `isBatch` is for every waiting packet up to the id, which is older ones too. */
export interface PlainVerdict {
  readonly queueNumber: number;
  readonly id: number;
  readonly verdict: number;
  /** Undefined leaves the packets' marks alone. */
  readonly mark: number | undefined;
  readonly isBatch: boolean;
}

/** Writes a verdict that changes no bytes, of at most {@link PLAIN_VERDICT_BYTES}; gives the end. */
export function encodePlainVerdict(view: DataView, at: number, plain: PlainVerdict): number {
  const { queueNumber, id, verdict, mark, isBatch } = plain;
  return writePlainVerdict(view, at, queueNumber, id, verdict, mark ?? 0, mark !== undefined, isBatch);
}

/** {@link encodePlainVerdict} without an object, for the packet path. */
export function writePlainVerdict(
  view: DataView,
  at: number,
  queueNumber: number,
  id: number,
  verdict: number,
  mark: number,
  hasMark: boolean,
  isBatch: boolean,
): number {
  const end = at + (hasMark ? 40 : 32);
  writeHeader(view, at, end - at, isBatch ? MessageType.verdictBatch : MessageType.verdict, queueNumber, id);
  writeVerdictHeader(view, at + MESSAGE_HEADER_BYTES, verdict, id);
  if (hasMark) writeNumber(view, at + 32, Attribute.mark, mark);
  return end;
}

/** What else than its bytes {@link encodeVerdict} changes: bits of the column `changes`. */
const CHANGE_MARK = 1;
const CHANGE_CONNTRACK_MARK = 2;
const CHANGE_LINK_HEADER = 4;

/**
 * Writes the verdict of a row with all its changes directly in front of the packet's new bytes, over what
 * stands there; gives where the message starts, or -1 when there is no room behind `floor`. With changed
 * bytes it ends with them, else at `newOffset`.
 */
export function encodeVerdict(
  columns: QueueColumns,
  row: number,
  queueNumber: number,
  floor: number,
): number {
  const { view, bytes } = columns;
  const changes = columns.changes[row] ?? 0;
  const newLengthBytes = columns.newLengthBytes[row] ?? 0;
  const linkBytes = (changes & CHANGE_LINK_HEADER) !== 0 ? (columns.linkHeaderLengthBytes[row] ?? 0) : 0;
  const hasMark = (changes & CHANGE_MARK) !== 0;
  const hasConntrackMark = (changes & CHANGE_CONNTRACK_MARK) !== 0;
  const linkAttributeBytes = linkBytes > 0 ? (4 + linkBytes + 3) & ~3 : 0;
  const headerBytes =
    32 + (hasMark ? 8 : 0) + (hasConntrackMark ? 12 : 0) + linkAttributeBytes + (newLengthBytes > 0 ? 4 : 0);
  const packetStart = columns.newOffset[row] ?? 0;
  const start = packetStart - headerBytes;
  if (start < floor || packetStart + newLengthBytes > bytes.length) return -1;
  let at = start + 32;
  // First what is read from the place that the rest is written to.
  if (linkBytes > 0) {
    const source = columns.linkHeaderOffset[row] ?? 0;
    bytes.copyWithin(at + 4, source, source + linkBytes);
    writeAttributeHeader(view, at, Attribute.linkHeader, linkBytes);
    at += linkAttributeBytes;
  }
  if (hasMark) {
    writeNumber(view, at, Attribute.mark, columns.newMark[row] ?? 0);
    at += 8;
  }
  if (hasConntrackMark) {
    writeAttributeHeader(view, at, Attribute.conntrack | NESTED, 8);
    writeNumber(view, at + 4, CONNTRACK_MARK, columns.newConntrackMark[row] ?? 0);
    at += 12;
  }
  if (newLengthBytes > 0) writeAttributeHeader(view, at, Attribute.payload, newLengthBytes);
  const id = columns.id[row] ?? 0;
  writeHeader(view, start, headerBytes + newLengthBytes, MessageType.verdict, queueNumber, id);
  writeVerdictHeader(view, start + MESSAGE_HEADER_BYTES, columns.verdict[row] ?? 0, id);
  return start;
}

/** The sequence number is the packet's id, so that a refusal tells which it was. */
function writeHeader(
  view: DataView,
  at: number,
  lengthBytes: number,
  type: number,
  queueNumber: number,
  id: number,
): void {
  view.setUint32(at, lengthBytes, LITTLE_ENDIAN);
  view.setUint16(at + 4, (SUBSYSTEM_QUEUE << 8) | type, LITTLE_ENDIAN);
  view.setUint16(at + 6, NetlinkFlag.request, LITTLE_ENDIAN);
  view.setUint32(at + 8, id, LITTLE_ENDIAN);
  view.setUint32(at + 12, 0);
  view.setUint16(at + 16, 0);
  view.setUint16(at + 18, queueNumber);
}

function writeVerdictHeader(view: DataView, at: number, verdict: number, id: number): void {
  writeAttributeHeader(view, at, Attribute.verdictHeader, 8);
  view.setUint32(at + 4, verdict);
  view.setUint32(at + 8, id);
}

function writeNumber(view: DataView, at: number, type: number, value: number): void {
  writeAttributeHeader(view, at, type, 4);
  view.setUint32(at + 4, value);
}

function writeAttributeHeader(view: DataView, at: number, type: number, lengthBytes: number): void {
  view.setUint16(at, lengthBytes + 4, LITTLE_ENDIAN);
  view.setUint16(at + 2, type, LITTLE_ENDIAN);
}
