/**
 * Connections as the kernel tracks them (linux/netfilter/nfnetlink_conntrack.h): the attributes that come
 * with a queued packet (`NFQA_CT`) or as the answer of the connection table itself. Reading never throws.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import {
  decodeNetlinkAttributes,
  decodeUint32Network,
  findAttribute,
  findNested,
  LITTLE_ENDIAN,
  type NetlinkAttribute,
  NetlinkFlag,
  NetlinkWriter,
} from "./netlink.ts";

const Attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  id: 12,
  zone: 18,
} as const;
const TupleAttribute = { address: 1, protocol: 2 } as const;
const AddressAttribute = { source4: 1, target4: 2, source6: 3, target6: 4 } as const;
const ProtocolAttribute = { number: 1, sourcePort: 2, targetPort: 3 } as const;
/** Of IPv4's messages and of IPv6's; code and type have a byte each. */
const ICMP_ATTRIBUTES = { 1: { id: 4, type: 5, code: 6 }, 58: { id: 7, type: 8, code: 9 } } as const;
const FILTER_BY_STATUS = { status: 3, mask: 26 } as const;
const SUBSYSTEM_CONNTRACK = 1;
const MessageType = { new: 0, get: 1 } as const;
const FAMILY = { 4: 2, 16: 10 } as const;
const PROTOCOL_INFO_TCP = 1;
const TCP_STATE = 1;
const TYPE_MASK = 0x3fff;
/** Room for a request about one connection. */
const REQUEST_BYTES = 256;

/** Bits of {@link Conntrack.status} (`IPS_…`). */
export const ConntrackStatus = {
  /** Announced by another connection, as FTP's data by its control connection. */
  expected: 0x1,
  seenReply: 0x2,
  /** Not removed early when the table is full. */
  assured: 0x4,
  /** In the table: its first packet has gone through. */
  confirmed: 0x8,
  sourceNat: 0x10,
  targetNat: 0x20,
} as const;

/**
 * `enum ip_conntrack_info`: what a packet is to its connection. From 3 on it is one of the reply direction.
 */
export const ConntrackInfo = {
  established: 0,
  related: 1,
  new: 2,
  establishedReply: 3,
  relatedReply: 4,
  untracked: 7,
} as const;

/** One direction of a connection. */
export interface ConntrackTuple {
  readonly source: IpAddress;
  readonly target: IpAddress;
  /** As in the IP header: 6 is TCP, 17 UDP. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly targetPort?: number;
  /** What ICMP's queries and their answers have instead of ports. */
  readonly icmp?: IcmpTuple;
}

export interface IcmpTuple {
  readonly type: number;
  readonly code: number;
  readonly id: number;
}

export interface Conntrack {
  readonly original: ConntrackTuple;
  /** What the answers look like: other than `original` turned round when addresses are translated. */
  readonly reply: ConntrackTuple;
  /** Bits of {@link ConntrackStatus}. */
  readonly status: number;
  readonly mark: number;
  /** Absent in a kernel that keeps it to itself; the same as long as the connection lives. */
  readonly id?: number;
  /** What is left before the connection is forgotten, in seconds. */
  readonly timeoutSeconds?: number;
  readonly zone: number;
  /** `enum tcp_conntrack`: 3 is established; TCP only. */
  readonly tcpState?: number;
}

/** Whether a message from the kernel describes a connection; its body is for {@link decodeConntrackMessage}. */
export const CONNTRACK_NEW: number = (SUBSYSTEM_CONNTRACK << 8) | MessageType.new;

/**
 * Asks for the connection that has `tuple` as one of its directions. The answer is one message: the connection, or
 * a refusal (ENOENT).
 */
export function encodeConntrackGet(sequence: number, tuple: ConntrackTuple): Uint8Array {
  const header = { type: typeOf(MessageType.get), flags: NetlinkFlag.request, sequence };
  return encodeRequest(header, tuple, () => undefined);
}

/** Sets the mark of the connection that has `tuple` as one of its directions. Acknowledged, or refused with ENOENT. */
export function encodeConntrackSetMark(sequence: number, tuple: ConntrackTuple, mark: number): Uint8Array {
  const header = { type: typeOf(MessageType.new), flags: NetlinkFlag.request | NetlinkFlag.ack, sequence };
  return encodeRequest(header, tuple, (writer) => writer.uint32Network(Attribute.mark, mark));
}

/**
 * Asks for the list of the connections of which all bits of `status` are set, see {@link ConntrackStatus}. Kernels
 * before 5.19 do not choose and list all.
 */
export function encodeConntrackList(sequence: number, status: number): Uint8Array {
  const flags = NetlinkFlag.request | NetlinkFlag.dump;
  const writer = new NetlinkWriter();
  writer.message({ type: typeOf(MessageType.get), flags, sequence }, () => {
    writer.raw(new Uint8Array(4));
    writer.uint32Network(FILTER_BY_STATUS.status, status);
    writer.uint32Network(FILTER_BY_STATUS.mask, status);
  });
  return writer.finish();
}

/** The body of a message of type {@link CONNTRACK_NEW}, or `undefined`. */
export function decodeConntrackMessage(body: Uint8Array): Conntrack | undefined {
  return body.length < 4 ? undefined : decodeConntrack(body.subarray(4));
}

/** The same packets seen from the other side. */
export function invertTuple(tuple: ConntrackTuple): ConntrackTuple {
  const { source, target, protocol, sourcePort, targetPort, icmp } = tuple;
  return {
    source: target,
    target: source,
    protocol,
    ...(targetPort === undefined ? {} : { sourcePort: targetPort }),
    ...(sourcePort === undefined ? {} : { targetPort: sourcePort }),
    ...(icmp && { icmp: { ...icmp, type: answerTo(icmp.type) } }),
  };
}

/** The tuple as text: the same for the same packets. Not for people. */
export function tupleKey({ source, target, protocol, sourcePort, targetPort, icmp }: ConntrackTuple): string {
  const ends = String.fromCharCode(...source.bytes, ...target.bytes);
  const message = icmp ? `${icmp.type},${icmp.code},${icmp.id}` : "";
  return `${ends}${protocol},${sourcePort ?? 0},${targetPort ?? 0},${message}`;
}

/** The types of ICMP and ICMPv6 by pairs: question and answer. The kernel tracks no others. */
const ICMP_PAIRS: readonly (readonly [number, number])[] = [
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
  [128, 129],
  [139, 140],
];
const ICMP_ANSWERS: ReadonlyMap<number, number> = new Map(
  ICMP_PAIRS.flatMap(([question, answer]) => [
    [question, answer],
    [answer, question],
  ]),
);

/** Whether ICMP's messages of a type have connections. */
export function isTrackedIcmp(protocol: number, type: number): boolean {
  return ICMP_ANSWERS.has(type) && (protocol === 58) === type >= 128;
}

function answerTo(type: number): number {
  return ICMP_ANSWERS.get(type) ?? type;
}

function typeOf(messageType: number): number {
  return (SUBSYSTEM_CONNTRACK << 8) | messageType;
}

function encodeRequest(
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  tuple: ConntrackTuple,
  more: (writer: NetlinkWriter) => void,
): Uint8Array {
  const writer = new NetlinkWriter(REQUEST_BYTES);
  const isFour = tuple.source.bytes.length === 4;
  writer.message(header, () => {
    writer.raw(Uint8Array.of(isFour ? FAMILY[4] : FAMILY[16], 0, 0, 0));
    writer.nested(Attribute.original, () => writeTuple(writer, tuple, isFour));
    more(writer);
  });
  return writer.finish();
}

function writeTuple(writer: NetlinkWriter, tuple: ConntrackTuple, isFour: boolean): void {
  const { source4, target4, source6, target6 } = AddressAttribute;
  writer.nested(TupleAttribute.address, () => {
    writer.attribute(isFour ? source4 : source6, tuple.source.bytes);
    writer.attribute(isFour ? target4 : target6, tuple.target.bytes);
  });
  writer.nested(TupleAttribute.protocol, () => {
    writer.attribute(ProtocolAttribute.number, Uint8Array.of(tuple.protocol));
    const ports: [number, number | undefined][] = [
      [ProtocolAttribute.sourcePort, tuple.sourcePort],
      [ProtocolAttribute.targetPort, tuple.targetPort],
    ];
    for (const [type, port] of ports) {
      if (port !== undefined) writer.attribute(type, Uint8Array.of(port >> 8, port & 0xff));
    }
    if (tuple.icmp === undefined) return;
    const { type, code, id } = tuple.icmp;
    const attributes = ICMP_ATTRIBUTES[isFour ? 1 : 58];
    writer.attribute(attributes.id, Uint8Array.of(id >> 8, id & 0xff));
    writer.attribute(attributes.type, Uint8Array.of(type));
    writer.attribute(attributes.code, Uint8Array.of(code));
  });
}

/** The connection that the attributes in `bytes` describe, or `undefined`. */
export function decodeConntrack(bytes: Uint8Array): Conntrack | undefined {
  const attributes = decodeNetlinkAttributes(bytes);
  const original = decodeTuple(findNested(attributes, Attribute.original));
  const reply = decodeTuple(findNested(attributes, Attribute.reply));
  if (original === undefined || reply === undefined) return undefined;
  const id = decodeUint32Network(findAttribute(attributes, Attribute.id));
  const timeoutSeconds = decodeUint32Network(findAttribute(attributes, Attribute.timeout));
  const info = findNested(findNested(attributes, Attribute.protocolInfo), PROTOCOL_INFO_TCP);
  const [tcpState] = findAttribute(info, TCP_STATE) ?? [];
  return {
    original,
    reply,
    status: decodeUint32Network(findAttribute(attributes, Attribute.status)) ?? 0,
    mark: decodeUint32Network(findAttribute(attributes, Attribute.mark)) ?? 0,
    zone: decodeUint16Network(findAttribute(attributes, Attribute.zone)) ?? 0,
    ...(id === undefined ? {} : { id }),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(tcpState === undefined ? {} : { tcpState }),
  };
}

/**
 * The mark alone, without allocation: of the attributes in `lengthBytes` bytes from `offset` on. 0 when there
 * is none, as the kernel leaves a mark of 0 out.
 */
export function readConntrackMark(view: DataView, offset: number, lengthBytes: number): number {
  const at = findValue(view, offset, lengthBytes, Attribute.mark);
  return at < 0 ? 0 : view.getUint32(at);
}

/** The bits of {@link ConntrackStatus} alone, as {@link readConntrackMark}. */
export function readConntrackStatus(view: DataView, offset: number, lengthBytes: number): number {
  const at = findValue(view, offset, lengthBytes, Attribute.status);
  return at < 0 ? 0 : view.getUint32(at);
}

/** Where the value of a 32-bit attribute starts, or -1. */
function findValue(view: DataView, offset: number, lengthBytes: number, type: number): number {
  if (offset < 0 || lengthBytes < 0 || offset + lengthBytes > view.byteLength) return -1;
  const end = offset + lengthBytes;
  for (let at = offset; at + 4 <= end; ) {
    const attributeBytes = view.getUint16(at, LITTLE_ENDIAN);
    if (attributeBytes < 4 || at + attributeBytes > end) return -1;
    const found = view.getUint16(at + 2, LITTLE_ENDIAN) & TYPE_MASK;
    if (found === type) return attributeBytes === 8 ? at + 4 : -1;
    at += (attributeBytes + 3) & ~3;
  }
  return -1;
}

function decodeTuple(attributes: readonly NetlinkAttribute[] | undefined): ConntrackTuple | undefined {
  const addresses = findNested(attributes, TupleAttribute.address);
  const { source4, target4, source6, target6 } = AddressAttribute;
  const source = findAttribute(addresses, source4) ?? findAttribute(addresses, source6);
  const target = findAttribute(addresses, target4) ?? findAttribute(addresses, target6);
  const details = findNested(attributes, TupleAttribute.protocol);
  const [protocol] = findAttribute(details, ProtocolAttribute.number) ?? [];
  if (!isAddress(source) || !isAddress(target) || protocol === undefined) return undefined;
  const sourcePort = decodeUint16Network(findAttribute(details, ProtocolAttribute.sourcePort));
  const targetPort = decodeUint16Network(findAttribute(details, ProtocolAttribute.targetPort));
  const icmp = decodeIcmp(details, protocol);
  return {
    source: ip(source),
    target: ip(target),
    protocol,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(targetPort === undefined ? {} : { targetPort }),
    ...(icmp && { icmp }),
  };
}

function decodeIcmp(
  details: readonly NetlinkAttribute[] | undefined,
  protocol: number,
): IcmpTuple | undefined {
  if (protocol !== 1 && protocol !== 58) return undefined;
  const attributes = ICMP_ATTRIBUTES[protocol];
  const id = decodeUint16Network(findAttribute(details, attributes.id));
  const [type] = findAttribute(details, attributes.type) ?? [];
  const [code] = findAttribute(details, attributes.code) ?? [];
  return id === undefined || type === undefined || code === undefined ? undefined : { type, code, id };
}

function isAddress(bytes: Uint8Array | undefined): bytes is Uint8Array {
  return bytes?.length === 4 || bytes?.length === 16;
}

function decodeUint16Network(bytes: Uint8Array | undefined): number | undefined {
  const [high, low] = bytes?.length === 2 ? bytes : [];
  return high === undefined || low === undefined ? undefined : (high << 8) | low;
}
