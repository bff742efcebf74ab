/**
 * nf_tables over netlink (linux/netfilter/nf_tables.h): elements of sets and maps added, removed and listed with
 * their counters and timeouts, and tables that live as long as the socket which made them. Numbers in attributes
 * are in network byte order; a mark, being register data, is in the machine's.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import { decodeUtf8 } from "#base/utf8.ts";
import {
  decodeNetlinkAttributes,
  decodeUint32,
  decodeUint32Network,
  decodeUint64Network,
  findAttribute,
  findNested,
  type NetlinkAttribute,
  NetlinkFlag,
  NetlinkWriter,
} from "./netlink.ts";

/** The part of the machine that listens to these messages: `NETLINK_NETFILTER`. */
export const NETLINK_NETFILTER = 12;

const SUBSYSTEM_NFTABLES = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
/** `NFPROTO_INET`: tables which see IPv4 and IPv6. */
const FAMILY_INET = 1;
const FAMILY_HEADER: Uint8Array = Uint8Array.of(FAMILY_INET, 0, 0, 0);
const BATCH_HEADER: Uint8Array = Uint8Array.of(0, 0, 0, SUBSYSTEM_NFTABLES);

const MessageType = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newRule: 6,
  getRule: 7,
  getSet: 10,
  newSetElement: 12,
  getSetElement: 13,
  deleteSetElement: 14,
} as const;

/** Whether a message from the kernel describes a table. */
export const NFT_NEWTABLE: number = (SUBSYSTEM_NFTABLES << 8) | MessageType.newTable;
/** Whether a message from the kernel describes a rule. */
export const NFT_NEWRULE: number = (SUBSYSTEM_NFTABLES << 8) | MessageType.newRule;
/** Whether a message from the kernel describes elements of a set. */
export const NFT_NEWSETELEM: number = (SUBSYSTEM_NFTABLES << 8) | MessageType.newSetElement;

const TableAttribute = { name: 1, flags: 2, owner: 7 } as const;
/** The table goes when the netlink socket that made it is closed, and nobody else can change it (Linux 5.12). */
const TABLE_FLAG_OWNER = 0x2;
const RuleAttribute = { table: 1, chain: 2, handle: 3 } as const;
const SetAttribute = { table: 1, name: 2 } as const;
const ElementListAttribute = { table: 1, set: 2, elements: 3 } as const;
const LIST_ELEMENT = 1;
const DATA_VALUE = 1;
const Element = {
  key: 1,
  data: 2,
  flags: 3,
  timeout: 4,
  expiration: 5,
  expression: 7,
  expressions: 11,
} as const;
const ELEMENT_FLAG_INTERVAL_END = 0x1;
const Expression = { name: 1, data: 2 } as const;
const Counter = { bytes: 1, packets: 2 } as const;
const COUNTER_NAME: Uint8Array = Uint8Array.of(0x63, 0x6f, 0x75, 0x6e, 0x74, 0x65, 0x72, 0);

/** The types a key is made of, by nft's own names. */
export type KeyType = "ether_addr" | "ipv4_addr" | "ipv6_addr";
/** One part of a key. */
export type KeyPart = MacAddress | IpAddress;

const KEY_BYTES: Record<KeyType, number> = { ether_addr: 6, ipv4_addr: 4, ipv6_addr: 16 };

/** One element of a set (or of a map, when it has a mark). */
export interface NftElement {
  /** In the order of the set's type; several parts make a concatenation. */
  readonly key: readonly KeyPart[];
  readonly mark?: number;
  /** How long the element stays from the moment it is added; absent means for ever. */
  readonly timeout?: Duration;
  /** What is left of the timeout; when adding, the whole timeout if absent. */
  readonly expiresIn?: Duration;
  readonly counter?: { readonly packets: number; readonly bytes: number };
}

/** One step of a transaction. */
export type NftOperation =
  | {
      readonly do: "add-elements" | "remove-elements";
      readonly table: string;
      readonly set: string;
      readonly elements: readonly NftElement[];
    }
  /** Fails with EEXIST when there is one of that name. */
  | { readonly do: "add-owned-table"; readonly table: string }
  | { readonly do: "remove-table"; readonly table: string };

/**
 * One transaction: the kernel does all operations or none. `sequence` numbers the message that begins it, and
 * the operations follow by one each. Only the last one asks for an acknowledgement, so that exactly one answer
 * tells that everything is done; failed ones are always reported, each under its own number.
 */
export function encodeNftBatch(sequence: number, operations: readonly NftOperation[]): Uint8Array {
  const writer = new NetlinkWriter();
  const mark = (type: number, at: number): void => {
    writer.message({ type, flags: NetlinkFlag.request, sequence: at }, () => writer.raw(BATCH_HEADER));
  };
  mark(BATCH_BEGIN, sequence);
  operations.forEach((operation, index) => {
    const last = index === operations.length - 1;
    writeOperation(writer, operation, sequence + 1 + index, last ? NetlinkFlag.ack : 0);
  });
  mark(BATCH_END, sequence + 1 + operations.length);
  return writer.finish();
}

/** How many sequence numbers a batch uses up. */
export function nftBatchSequenceCount(operationCount: number): number {
  return operationCount + 2;
}

/** Asks for every element of a set; the answers are of type {@link NFT_NEWSETELEM}. */
export function encodeNftListElements(sequence: number, table: string, set: string): Uint8Array {
  const writer = new NetlinkWriter();
  writeRequest(writer, MessageType.getSetElement, NetlinkFlag.dump, sequence, () =>
    writer.text(ElementListAttribute.table, table).text(ElementListAttribute.set, set),
  );
  return writer.finish();
}

/** Asks for one element of a set: the answer is of type {@link NFT_NEWSETELEM}, or ENOENT. */
export function encodeNftGetElement(
  sequence: number,
  table: string,
  set: string,
  key: readonly KeyPart[],
): Uint8Array {
  const writer = new NetlinkWriter();
  writeRequest(writer, MessageType.getSetElement, NetlinkFlag.ack, sequence, () =>
    writeElements(writer, { table, set, elements: [{ key }] }, writeKey),
  );
  return writer.finish();
}

/** Asks for every inet table; the answers are of type {@link NFT_NEWTABLE}. */
export function encodeNftListTables(sequence: number): Uint8Array {
  const writer = new NetlinkWriter();
  writeRequest(writer, MessageType.getTable, NetlinkFlag.dump, sequence);
  return writer.finish();
}

/** Asks for the rules of a table, in the order of their chains; the answers are of type {@link NFT_NEWRULE}. */
export function encodeNftListRules(sequence: number, table: string): Uint8Array {
  const writer = new NetlinkWriter();
  writeRequest(writer, MessageType.getRule, NetlinkFlag.dump, sequence, () =>
    writer.text(RuleAttribute.table, table),
  );
  return writer.finish();
}

/** Asks whether a set exists: acknowledged, or refused with ENOENT. */
export function encodeNftGetSet(sequence: number, table: string, set: string): Uint8Array {
  const writer = new NetlinkWriter();
  writeRequest(writer, MessageType.getSet, NetlinkFlag.ack, sequence, () =>
    writer.text(SetAttribute.table, table).text(SetAttribute.name, set),
  );
  return writer.finish();
}

function writeRequest(
  writer: NetlinkWriter,
  messageType: number,
  flags: number,
  sequence: number,
  body?: () => void,
): void {
  const type = (SUBSYSTEM_NFTABLES << 8) | messageType;
  writer.message({ type, flags: NetlinkFlag.request | flags, sequence }, () => {
    writer.raw(FAMILY_HEADER);
    body?.();
  });
}

function writeOperation(writer: NetlinkWriter, operation: NftOperation, sequence: number, ack: number): void {
  const { create, exclusive } = NetlinkFlag;
  switch (operation.do) {
    case "add-elements":
      writeRequest(writer, MessageType.newSetElement, create | ack, sequence, () =>
        writeElements(writer, operation, writeElement),
      );
      break;
    case "remove-elements":
      writeRequest(writer, MessageType.deleteSetElement, ack, sequence, () =>
        writeElements(writer, operation, writeKey),
      );
      break;
    case "add-owned-table":
      writeRequest(writer, MessageType.newTable, create | exclusive | ack, sequence, () =>
        writer
          .text(TableAttribute.name, operation.table)
          .uint32Network(TableAttribute.flags, TABLE_FLAG_OWNER),
      );
      break;
    case "remove-table":
      writeRequest(writer, MessageType.deleteTable, ack, sequence, () =>
        writer.text(TableAttribute.name, operation.table),
      );
  }
}

type ElementWriter = (writer: NetlinkWriter, element: NftElement) => void;

function writeElements(
  writer: NetlinkWriter,
  target: { table: string; set: string; elements: readonly NftElement[] },
  write: ElementWriter,
): void {
  writer.text(ElementListAttribute.table, target.table).text(ElementListAttribute.set, target.set);
  writer.nested(ElementListAttribute.elements, () => {
    for (const element of target.elements) writer.nested(LIST_ELEMENT, () => write(writer, element));
  });
}

function writeKey(writer: NetlinkWriter, element: NftElement): void {
  writer.nested(Element.key, () => writer.attribute(DATA_VALUE, encodeKey(element.key)));
}

function writeElement(writer: NetlinkWriter, element: NftElement): void {
  const { mark, timeout, expiresIn, counter } = element;
  if (timeout !== undefined) writer.uint64Network(Element.timeout, timeout);
  if (expiresIn !== undefined) writer.uint64Network(Element.expiration, expiresIn);
  writeKey(writer, element);
  if (mark !== undefined) writer.nested(Element.data, () => writer.uint32(DATA_VALUE, mark));
  if (counter !== undefined) {
    writer.nested(Element.expression, () => {
      writer.attribute(Expression.name, COUNTER_NAME);
      writer.nested(Expression.data, () => {
        writer.uint64Network(Counter.bytes, counter.bytes);
        writer.uint64Network(Counter.packets, counter.packets);
      });
    });
  }
}

/** The parts of a concatenation each start at a multiple of four; a key of one part is not padded. */
function encodeKey(key: readonly KeyPart[]): Uint8Array {
  const [only] = key;
  if (key.length === 1 && only !== undefined) return only.bytes;
  const bytes = new Uint8Array(key.reduce((sum, part) => sum + padded(part.bytes.length), 0));
  let at = 0;
  for (const part of key) {
    bytes.set(part.bytes, at);
    at += padded(part.bytes.length);
  }
  return bytes;
}

/** The parts of a key of these types, or `undefined` when the length is another. */
export function decodeNftKey(bytes: Uint8Array, types: readonly KeyType[]): KeyPart[] | undefined {
  const concatenated = types.length > 1;
  const parts: KeyPart[] = [];
  let at = 0;
  for (const type of types) {
    const value = bytes.subarray(at, at + KEY_BYTES[type]);
    if (value.length !== KEY_BYTES[type]) return undefined;
    parts.push(type === "ether_addr" ? mac(value) : ip(value));
    at += concatenated ? padded(value.length) : value.length;
  }
  return at === bytes.length ? parts : undefined;
}

/** Which set the elements of a message belong to, and the elements. */
export interface NftElementList {
  readonly table: string;
  readonly set: string;
  readonly elements: readonly NftElement[];
}

/** The body of a {@link NFT_NEWSETELEM} message of a set with keys of `types`, or `undefined`. */
export function decodeNftElements(body: Uint8Array, types: readonly KeyType[]): NftElementList | undefined {
  const attributes = decodeFamilyBody(body);
  const table = decodeText(findAttribute(attributes, ElementListAttribute.table));
  const set = decodeText(findAttribute(attributes, ElementListAttribute.set));
  if (table === undefined || set === undefined) return undefined;
  // An empty set is listed without the attribute.
  const list = findAttribute(attributes, ElementListAttribute.elements) ?? new Uint8Array();
  const elements: NftElement[] = [];
  for (const { value } of decodeNetlinkAttributes(list) ?? [BROKEN]) {
    const element = decodeElement(decodeNetlinkAttributes(value), types);
    if (element === undefined) return undefined;
    if (element !== "end") elements.push(element);
  }
  return { table, set, elements };
}

/** Stands for a list that cannot be read: one element that cannot be read. */
const BROKEN: NetlinkAttribute = { type: LIST_ELEMENT, value: new Uint8Array(1) };

function decodeElement(
  attributes: readonly NetlinkAttribute[] | undefined,
  types: readonly KeyType[],
): NftElement | "end" | undefined {
  // Sets with intervals store where a range ends as an element of its own.
  const flags = decodeUint32Network(findAttribute(attributes, Element.flags)) ?? 0;
  if ((flags & ELEMENT_FLAG_INTERVAL_END) !== 0) return "end";
  const keyBytes = findAttribute(findNested(attributes, Element.key), DATA_VALUE);
  const key = keyBytes && decodeNftKey(keyBytes, types);
  if (key === undefined) return undefined;
  const mark = decodeUint32(findAttribute(findNested(attributes, Element.data), DATA_VALUE));
  const timeout = decodeUint64Network(findAttribute(attributes, Element.timeout));
  const expiresIn = decodeUint64Network(findAttribute(attributes, Element.expiration));
  const counter = decodeCounter(attributes);
  return {
    key,
    ...(mark === undefined ? {} : { mark }),
    ...(timeout === undefined ? {} : { timeout: milliseconds(timeout) }),
    ...(expiresIn === undefined ? {} : { expiresIn: milliseconds(expiresIn) }),
    ...(counter === undefined ? {} : { counter }),
  };
}

/** The counter among an element's statements: alone, or in a list when the set has several. */
function decodeCounter(
  attributes: readonly NetlinkAttribute[] | undefined,
): { packets: number; bytes: number } | undefined {
  const alone = findAttribute(attributes, Element.expression);
  const statements = alone ? [alone] : findNested(attributes, Element.expressions)?.map(({ value }) => value);
  for (const statement of statements ?? []) {
    const expression = decodeNetlinkAttributes(statement);
    if (decodeText(findAttribute(expression, Expression.name)) !== "counter") continue;
    const data = findNested(expression, Expression.data);
    const bytes = decodeUint64Network(findAttribute(data, Counter.bytes));
    const packets = decodeUint64Network(findAttribute(data, Counter.packets));
    if (bytes !== undefined && packets !== undefined) return { packets, bytes };
  }
  return undefined;
}

/** A table as the kernel lists it. */
export interface NftTable {
  readonly name: string;
  /** The netlink address of the socket that owns it, by custom its process's id; absent when nobody does. */
  readonly owner?: number;
}

/** The body of a {@link NFT_NEWTABLE} message, or `undefined`. */
export function decodeNftTable(body: Uint8Array): NftTable | undefined {
  const attributes = decodeFamilyBody(body);
  const name = decodeText(findAttribute(attributes, TableAttribute.name));
  if (name === undefined) return undefined;
  const owner = decodeUint32Network(findAttribute(attributes, TableAttribute.owner));
  return owner === undefined ? { name } : { name, owner };
}

/** Which rule it is; a handle is given once in the life of a table. */
export interface NftRule {
  readonly chain: string;
  readonly handle: number;
}

/** The body of a {@link NFT_NEWRULE} message, without what the rule does; or `undefined`. */
export function decodeNftRule(body: Uint8Array): NftRule | undefined {
  const attributes = decodeFamilyBody(body);
  const chain = decodeText(findAttribute(attributes, RuleAttribute.chain));
  const handle = decodeUint64Network(findAttribute(attributes, RuleAttribute.handle));
  return chain === undefined || handle === undefined ? undefined : { chain, handle };
}

function decodeFamilyBody(body: Uint8Array): NetlinkAttribute[] | undefined {
  return body.length < FAMILY_HEADER.length
    ? undefined
    : decodeNetlinkAttributes(body.subarray(FAMILY_HEADER.length));
}

/** Text without the zero byte that ends it. */
function decodeText(bytes: Uint8Array | undefined): string | undefined {
  return bytes?.at(-1) === 0 ? decodeUtf8(bytes.subarray(0, -1)) : undefined;
}

function padded(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}
