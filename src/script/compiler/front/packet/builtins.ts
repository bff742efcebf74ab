/**
 * What the packet layer's own protocols have besides their fields: how long their headers are, what they announce and
 * accept, and some of their getters. A test holds each against the declaration in `#packet`.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { type Room, readField } from "./bits.ts";
import { anyOf, both, isAmong, load } from "./code.ts";
import { findUpper, fragmentWord } from "./extensions.ts";
import { optionNumber, optionThere } from "./options.ts";
import type { HeaderFunction, ModelFunction, ModelMember } from "./protocol-model.ts";
import { upperOfIpv4 } from "./upper.ts";

/** What is told of a protocol by hand. */
export interface Builtin {
  readonly headerBytes?: HeaderFunction;
  readonly contentBytes?: ModelFunction;
  readonly accepts?: ModelFunction;
  readonly announces?: ModelFunction;
  readonly announcesToo?: ModelFunction;
  readonly getters?: Readonly<Record<string, ModelMember>>;
  readonly refused?: Readonly<Record<string, string>>;
  readonly shaping?: readonly string[];
  readonly readOnly?: string;
}

/** Where the first bytes of the header are. */
export function roomOf({ pointer, checkedBytes }: LoweredView): Room {
  if (pointer === undefined) throw new TypeError("Cannot read the header: it has no bytes of its own");
  return { pointer, bytes: checkedBytes };
}

function built(lower: (lowering: Lowering, view: LoweredView) => Value): ModelFunction {
  return { kind: "built", lower };
}

/** The number of a field, by its bits. */
function numberAt(lowering: Lowering, view: LoweredView, at: number, bits: number): Value {
  const field = readField(lowering, roomOf(view), { name: "", at, bits, as: "number" });
  if (field.kind !== "integer") throw new TypeError(`Cannot read ${bits} bits as a number`);
  return field.value;
}

function field(at: number, bits: number): ModelFunction {
  return built((lowering, view) => numberAt(lowering, view, at, bits));
}

/** A field plus or times a constant. */
function reckoned(at: number, bits: number, operator: "add" | "multiply", by: number): ModelFunction {
  return built((lowering, view) => lowering.binary(operator, numberAt(lowering, view, at, bits), by));
}

function fieldIs(at: number, bits: number, number: number): ModelFunction {
  return built((lowering, view) => lowering.compare("equal", numberAt(lowering, view, at, bits), number));
}

/** The field, or all bytes that are there when it says 0. */
function orWhole(at: number, bits: number): ModelFunction {
  return built((lowering, view) => {
    const told = numberAt(lowering, view, at, bits);
    const whole = lowering.binary("subtract", view.end, view.start);
    return lowering.select(lowering.compare("equal", told, 0), whole, told);
  });
}

function boolean(value: Value): Lowered {
  return { kind: "boolean", value };
}

function integer(value: Value): Lowered {
  return { kind: "integer", value, isBig: false };
}

const VARIES = "its place or width is told by the header";
const WALKS = "it is found by walking through the message";
const RESIZES = "it may make the header longer or shorter";

const IPV4: Builtin = {
  headerBytes: reckoned(4, 4, "multiply", 4),
  contentBytes: orWhole(16, 16),
  accepts: fieldIs(0, 4, 4),
  announces: built((lowering, view) => {
    const { isFirst, protocol } = upperOfIpv4(lowering, view);
    return lowering.select(isFirst, protocol, lowering.constant(-1));
  }),
  getters: {
    isFragment: (lowering, view) => boolean(lowering.compare("unequal", numberAt(lowering, view, 50, 14), 0)),
  },
  refused: { options: WALKS, option: WALKS, route: WALKS, setOption: RESIZES, removeOption: WALKS },
  shaping: ["version", "headerWords", "totalLength", "fragmentOffset"],
};

const IPV6: Builtin = {
  headerBytes: { kind: "noted", lower: findUpper },
  contentBytes: built((lowering, view) => {
    const told = numberAt(lowering, view, 32, 16);
    const isOpen = both(
      lowering,
      lowering.compare("equal", told, 0),
      lowering.compare("unequal", numberAt(lowering, view, 48, 8), 59),
    );
    const whole = lowering.binary("subtract", view.end, view.start);
    return lowering.select(isOpen, whole, lowering.binary("add", told, 40));
  }),
  accepts: fieldIs(0, 4, 6),
  announces: built((lowering, view) => view.note ?? lowering.constant(-1)),
  getters: {
    upperProtocol: (lowering, view) => integer(view.note ?? lowering.constant(-1)),
    isFragment: (lowering, view) => {
      const word = fragmentWord(lowering, view);
      return boolean(lowering.compare("unequal", lowering.binary("and", word, 0xfff9), 0));
    },
    fragmentOffset: (lowering, view) =>
      integer(lowering.binary("shiftRight", fragmentWord(lowering, view), 3)),
    moreFragments: (lowering, view) => {
      const word = fragmentWord(lowering, view);
      return boolean(lowering.compare("unequal", lowering.binary("and", word, 1), 0));
    },
  },
  refused: { identification: WALKS, extension: WALKS },
  shaping: ["version", "payloadLength"],
};

const TCP: Builtin = {
  headerBytes: reckoned(96, 4, "multiply", 4),
  announces: field(16, 16),
  announcesToo: field(0, 16),
  getters: {
    maximumSegmentSize: (lowering, view) => optionNumber(lowering, view, { kind: 2, dataBytes: 2 }),
    windowScale: (lowering, view) => optionNumber(lowering, view, { kind: 3, dataBytes: 1 }),
    sackPermitted: (lowering, view) => boolean(optionThere(lowering, view, 4)),
    timestamp: (lowering, view) => optionNumber(lowering, view, { kind: 8, dataBytes: 8, at: 2, bytes: 4 }),
    timestampEcho: (lowering, view) =>
      optionNumber(lowering, view, { kind: 8, dataBytes: 8, at: 6, bytes: 4 }),
  },
  refused: { options: WALKS, option: WALKS, sackBlocks: WALKS, setOption: RESIZES, removeOption: WALKS },
  shaping: ["dataOffset"],
};

const UDP: Builtin = {
  contentBytes: orWhole(32, 16),
  announces: field(16, 16),
  announcesToo: field(0, 16),
  shaping: ["length"],
};

const ICMP: Builtin = {
  announces: built((lowering, view) => asNumber(lowering, isIcmpError(lowering, view))),
  getters: { isError: (lowering, view) => boolean(isIcmpError(lowering, view)) },
};

const ICMPV6: Builtin = {
  headerBytes: { kind: "constant", value: 8 },
  announces: built((lowering, view) => asNumber(lowering, isIcmpv6Error(lowering, view))),
  getters: { isError: (lowering, view) => boolean(isIcmpv6Error(lowering, view)) },
  refused: { target: VARIES, option: WALKS },
};

const PPPOE: Builtin = {
  contentBytes: reckoned(32, 16, "add", 6),
  accepts: fieldIs(0, 8, 0x11),
  announces: field(48, 16),
  shaping: ["version", "type", "length"],
};

const GRE: Builtin = {
  headerBytes: built((lowering, view) => {
    const flags = load(lowering, roomOf(view).pointer, 0, 1);
    // Checksum, key and sequence number have a bit and four bytes each.
    const counts = [7, 5, 4].map((bit) =>
      lowering.binary("and", lowering.binary("shiftRight", flags, bit), 1),
    );
    const count = counts.reduce((sum, one) => lowering.binary("add", sum, one));
    return lowering.binary("add", lowering.binary("multiply", count, 4), 4);
  }),
  accepts: fieldIs(13, 3, 0),
  announces: field(16, 16),
  refused: { checksum: VARIES, key: VARIES, sequence: VARIES },
  readOnly: "GRE's checksum is there in some headers only",
};

const TFTP: Builtin = {
  headerBytes: built((lowering, view) => {
    const opcode = numberAt(lowering, view, 0, 16);
    const isLong = isAmong(lowering, opcode, [3, 4, 5]);
    return lowering.select(isLong, lowering.constant(4), lowering.constant(2));
  }),
  accepts: built((lowering, view) => isBetween(lowering, numberAt(lowering, view, 0, 16), 1, 6)),
  refused: {
    ...{ block: VARIES, errorCode: VARIES, filename: WALKS, mode: WALKS },
    ...{ errorMessage: WALKS, option: WALKS, options: WALKS },
  },
  shaping: ["opcode"],
};

const TLS: Builtin = {
  contentBytes: reckoned(24, 16, "add", 5),
  accepts: built((lowering, view) =>
    both(
      lowering,
      isBetween(lowering, numberAt(lowering, view, 0, 8), 20, 24),
      lowering.compare("equal", numberAt(lowering, view, 8, 8), 3),
    ),
  ),
  announces: field(0, 8),
  shaping: ["type", "version", "length"],
};

const CLIENT_HELLO: Builtin = {
  contentBytes: reckoned(8, 24, "add", 4),
  accepts: fieldIs(0, 8, 1),
  refused: {
    ...{ state: WALKS, serverName: WALKS, serverNameView: WALKS, applicationProtocols: WALKS },
    ...{ extension: WALKS, versions: WALKS, cipherSuites: WALKS },
  },
  shaping: ["handshakeType", "length"],
};

const DNS: Builtin = {
  refused: {
    ...{ question: WALKS, questions: WALKS, answers: WALKS },
    ...{ authorities: WALKS, additionals: WALKS, records: WALKS },
  },
};

/** By name; `http` is not among them, whose head is text. */
export const BUILTINS: Readonly<Record<string, Builtin>> = {
  ethernet: { announces: field(96, 16) },
  vlan: { announces: field(16, 16) },
  arp: {
    accepts: fieldIs(16, 32, 0x0800_06_04),
    shaping: ["protocolType", "hardwareBytes", "protocolBytes"],
  },
  pppoe: PPPOE,
  mpls: { announces: field(23, 1) },
  ipv4: IPV4,
  ipv6: IPV6,
  icmp: ICMP,
  icmpv6: ICMPV6,
  gre: GRE,
  tcp: TCP,
  udp: UDP,
  vxlan: {
    headerBytes: { kind: "constant", value: 8 },
    accepts: fieldIs(4, 1, 1),
    shaping: ["hasIdentifier"],
  },
  dns: DNS,
  dnsLength: { contentBytes: reckoned(0, 16, "add", 2), shaping: ["length"] },
  dhcp: {
    accepts: fieldIs(236 * 8, 32, 0x6382_5363),
    refused: { messageType: WALKS, option: WALKS, options: WALKS },
    shaping: ["cookie"],
  },
  tftp: TFTP,
  tls: TLS,
  clientHello: CLIENT_HELLO,
};

/** Booleans are 0 and 1, as numbers too. */
function asNumber(lowering: Lowering, condition: Value): Value {
  return lowering.select(condition, lowering.constant(1), lowering.constant(0));
}

function isBetween(lowering: Lowering, value: Value, least: number, most: number): Value {
  const isEnough = lowering.compare("greaterOrEqual", value, least);
  return both(lowering, isEnough, lowering.compare("lessOrEqual", value, most));
}

function isIcmpError(lowering: Lowering, view: LoweredView): Value {
  const type = numberAt(lowering, view, 0, 8);
  return anyOf(lowering, isBetween(lowering, type, 3, 5), isBetween(lowering, type, 11, 12));
}

function isIcmpv6Error(lowering: Lowering, view: LoweredView): Value {
  return lowering.compare("less", numberAt(lowering, view, 0, 8), 128);
}
