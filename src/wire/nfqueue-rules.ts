/**
 * The rules that hand packets to a queue, as nf_tables has them over netlink: writing what the nft program
 * cannot say on every kernel, and reading back what a rule is made of. Pure; nothing throws.
 * @module
 */
import { decodeUtf8 } from "#base/utf8.ts";
import {
  decodeNetlinkAttributes,
  decodeUint64Network,
  findAttribute,
  findNested,
  LITTLE_ENDIAN,
  NetlinkFlag,
  NetlinkWriter,
} from "./netlink.ts";

const SUBSYSTEM_NFTABLES = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const BATCH_HEADER: Uint8Array = Uint8Array.of(0, 0, 0, SUBSYSTEM_NFTABLES);
const MessageType = { deleteTable: 2, newRule: 6, getRule: 7 } as const;
const TABLE_NAME = 1;
const RuleAttribute = { table: 1, chain: 2, expressions: 4 } as const;
const LIST_ELEMENT = 1;
const Expression = { name: 1, data: 2 } as const;
const Counter = { bytes: 1, packets: 2 } as const;
const QueueAttribute = { number: 1, total: 2, flags: 3 } as const;
const TargetAttribute = { name: 1, revision: 2, info: 3 } as const;
const FLAG_BYPASS = 1;
const TARGET_REVISION = 3;
/** `struct xt_NFQ_info_v3`, padded: number, total and flags in the machine's order. */
const TARGET_INFO_BYTES = 8;

/** Netfilter's numbers of the families. */
export const NFT_FAMILY = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
export type NftFamily = keyof typeof NFT_FAMILY;

/** A chain in a table. */
export interface ChainPlace {
  readonly family: NftFamily;
  readonly table: string;
  readonly chain: string;
}

/** Where packets go. */
export interface QueueTarget {
  readonly queueNumber: number;
  /** Spread over this many queues from `queueNumber` on. */
  readonly queueCount: number;
  /** Packets go on while nobody reads the queue. */
  readonly bypass: boolean;
}

/**
 * One transaction that adds a rule which queues every packet: by nf_tables' own expression (`queue`), or by
 * the target of iptables (`target`) that kernels have which were built without the former. The rule has
 * sequence number `sequence` + 1, is acknowledged, and refused with ENOENT where the kernel does not know the
 * way.
 */
export function encodeAddQueueRule(
  sequence: number,
  place: ChainPlace,
  target: QueueTarget,
  way: "queue" | "target",
): Uint8Array {
  const flags = NetlinkFlag.request | NetlinkFlag.create | NetlinkFlag.ack | NLM_F_APPEND;
  return encodeBatch(sequence, MessageType.newRule, flags, place.family, (writer) => {
    writer.text(RuleAttribute.table, place.table).text(RuleAttribute.chain, place.chain);
    writer.nested(RuleAttribute.expressions, () =>
      writer.nested(LIST_ELEMENT, () => {
        writer.text(Expression.name, way);
        writer.nested(Expression.data, () => (way === "queue" ? writeQueue : writeTarget)(writer, target));
      }),
    );
  });
}

/** NEW: behind the rules that are there. */
const NLM_F_APPEND = 0x800;

/** One transaction that removes a table; ENOENT when it is not there. Sequence numbers as above. */
export function encodeRemoveTable(sequence: number, family: NftFamily, table: string): Uint8Array {
  const flags = NetlinkFlag.request | NetlinkFlag.ack;
  return encodeBatch(sequence, MessageType.deleteTable, flags, family, (writer) =>
    writer.text(TABLE_NAME, table),
  );
}

/** How many sequence numbers each of these transactions takes. */
export const RULE_SEQUENCE_COUNT = 3;

/** Asks for the rules of a table; the answers are for {@link decodeRuleContent}. */
export function encodeListFamilyRules(sequence: number, family: NftFamily, table: string): Uint8Array {
  const writer = new NetlinkWriter();
  const type = (SUBSYSTEM_NFTABLES << 8) | MessageType.getRule;
  writer.message({ type, flags: NetlinkFlag.request | NetlinkFlag.dump, sequence }, () => {
    writer.raw(Uint8Array.of(NFT_FAMILY[family], 0, 0, 0));
    writer.text(RuleAttribute.table, table);
  });
  return writer.finish();
}

/** One expression of a rule: its name, and whether it changes something of the packet or the connection. */
export interface RuleExpression {
  readonly name: string;
  readonly isSetting: boolean;
}

/** What a rule consists of. */
export interface RuleContent {
  readonly chain: string;
  readonly expressions: readonly RuleExpression[];
  /** Of its first counter. */
  readonly counter?: { readonly packets: number; readonly bytes: number };
}

/** The body of a message about a rule, or `undefined`. */
export function decodeRuleContent(body: Uint8Array): RuleContent | undefined {
  const attributes = body.length < 4 ? undefined : decodeNetlinkAttributes(body.subarray(4));
  const chain = decodeText(findAttribute(attributes, RuleAttribute.chain));
  if (chain === undefined) return undefined;
  // A rule without expressions has no list.
  const list = decodeNetlinkAttributes(
    findAttribute(attributes, RuleAttribute.expressions) ?? new Uint8Array(),
  );
  const expressions: RuleExpression[] = [];
  let counter: RuleContent["counter"];
  for (const { value } of list ?? []) {
    const parts = decodeNetlinkAttributes(value);
    const name = decodeText(findAttribute(parts, Expression.name));
    if (name === undefined) return undefined;
    const data = findNested(parts, Expression.data);
    const source = SOURCE_ATTRIBUTE[name];
    expressions.push({ name, isSetting: source !== undefined && findAttribute(data, source) !== undefined });
    if (name !== "counter") continue;
    const packets = decodeUint64Network(findAttribute(data, Counter.packets));
    const bytes = decodeUint64Network(findAttribute(data, Counter.bytes));
    if (packets !== undefined && bytes !== undefined) counter ??= { packets, bytes };
  }
  return list === undefined ? undefined : { chain, expressions, ...(counter ? { counter } : {}) };
}

/** The attribute (`NFTA_…_SREG`) with which an expression that else reads something writes it. */
const SOURCE_ATTRIBUTE: Readonly<Record<string, number>> = { meta: 3, ct: 4, payload: 5, exthdr: 7 };

function writeQueue(writer: NetlinkWriter, { queueNumber, queueCount, bypass }: QueueTarget): void {
  writer.attribute(QueueAttribute.number, Uint8Array.of(queueNumber >> 8, queueNumber & 0xff));
  writer.attribute(QueueAttribute.total, Uint8Array.of(queueCount >> 8, queueCount & 0xff));
  writer.attribute(QueueAttribute.flags, Uint8Array.of(0, bypass ? FLAG_BYPASS : 0));
}

function writeTarget(writer: NetlinkWriter, { queueNumber, queueCount, bypass }: QueueTarget): void {
  const info = new Uint8Array(TARGET_INFO_BYTES);
  const view = new DataView(info.buffer);
  view.setUint16(0, queueNumber, LITTLE_ENDIAN);
  view.setUint16(2, queueCount, LITTLE_ENDIAN);
  view.setUint16(4, bypass ? FLAG_BYPASS : 0, LITTLE_ENDIAN);
  writer.text(TargetAttribute.name, "NFQUEUE");
  writer.uint32Network(TargetAttribute.revision, TARGET_REVISION);
  writer.attribute(TargetAttribute.info, info);
}

function encodeBatch(
  sequence: number,
  messageType: number,
  flags: number,
  family: NftFamily,
  body: (writer: NetlinkWriter) => void,
): Uint8Array {
  const writer = new NetlinkWriter();
  const mark = (type: number, at: number): void => {
    writer.message({ type, flags: NetlinkFlag.request, sequence: at }, () => writer.raw(BATCH_HEADER));
  };
  mark(BATCH_BEGIN, sequence);
  const type = (SUBSYSTEM_NFTABLES << 8) | messageType;
  writer.message({ type, flags, sequence: sequence + 1 }, () => {
    writer.raw(Uint8Array.of(NFT_FAMILY[family], 0, 0, 0));
    body(writer);
  });
  mark(BATCH_END, sequence + 2);
  return writer.finish();
}

/** Text without the zero byte that ends it. */
function decodeText(bytes: Uint8Array | undefined): string | undefined {
  return bytes?.at(-1) === 0 ? decodeUtf8(bytes.subarray(0, -1)) : undefined;
}
