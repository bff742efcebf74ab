/**
 * Where headers begin in a frame of a link type, and how it says which protocol they carry. Filters of tcpdump look at
 * fixed places, so they do not see through framing that varies (compressed PPP); `vlan`, `mpls` and `pppoes` move the
 * places for all that follows.
 * @module
 */
import { LinkType } from "#packet/link-type.ts";
import { ALWAYS, both, type Condition, compare, either, equals, NEVER, not } from "./condition.ts";
import { FilterError } from "./filter-error.ts";
import type { Value, ValuePool } from "./value.ts";

/** How a link says what it carries. */
type Naming = "ethernet" | "sll" | "sll2" | "hdlc" | "ppp" | "null" | "loop" | "raw" | "ipv4" | "ipv6";

export interface LinkShape {
  readonly naming: Naming;
  /** For messages. */
  readonly name: string;
  /** Where the type stands. */
  readonly typeAt: number;
  /** Where what it names begins. */
  readonly payloadAt: number;
}

const RAW: LinkShape = { naming: "raw", name: "raw IP", typeAt: 0, payloadAt: 0 };
const PPP: LinkShape = { naming: "ppp", name: "PPP", typeAt: 2, payloadAt: 4 };

const SHAPES: ReadonlyMap<number, LinkShape> = new Map<number, LinkShape>([
  [LinkType.ethernet, { naming: "ethernet", name: "Ethernet", typeAt: 12, payloadAt: 14 }],
  [LinkType.linuxCooked, { naming: "sll", name: "Linux cooked", typeAt: 14, payloadAt: 16 }],
  [LinkType.linuxCooked2, { naming: "sll2", name: "Linux cooked 2", typeAt: 0, payloadAt: 20 }],
  [LinkType.ciscoHdlc, { naming: "hdlc", name: "Cisco HDLC", typeAt: 2, payloadAt: 4 }],
  [LinkType.ppp, PPP],
  [LinkType.pppSerial, PPP],
  [LinkType.pppEther, { naming: "ppp", name: "PPPoE", typeAt: 6, payloadAt: 8 }],
  [LinkType.null, { naming: "null", name: "BSD loopback", typeAt: 0, payloadAt: 4 }],
  [LinkType.loop, { naming: "loop", name: "OpenBSD loopback", typeAt: 0, payloadAt: 4 }],
  [LinkType.raw, RAW],
  [LinkType.rawHere, RAW],
  [LinkType.rawOpenBsd, RAW],
  [LinkType.ipv4, { naming: "ipv4", name: "raw IPv4", typeAt: 0, payloadAt: 0 }],
  [LinkType.ipv6, { naming: "ipv6", name: "raw IPv6", typeAt: 0, payloadAt: 0 }],
]);

/** The numbers of {@link LinkType} that filters can be compiled for: all of them. */
export const FILTER_LINK_TYPES: readonly number[] = [...SHAPES.keys()];

export const ETHER_TYPE_IP = 0x0800;
export const ETHER_TYPE_IP6 = 0x86dd;
export const ETHER_TYPE_ARP = 0x0806;
export const ETHER_TYPE_RARP = 0x8035;
export const ETHER_TYPE_PPPOES = 0x8864;
const ETHER_TYPE_IPX = 0x8137;
const ETHER_TYPE_ATALK = 0x809b;
const ETHER_TYPE_AARP = 0x80f3;
const ETHER_TYPE_MPLS = 0x8847;
const VLAN_TYPES = [0x8100, 0x88a8, 0x9100];
/** Above it stands a type, else a length and a header of 802.2 behind. */
const LENGTH_MAX = 1500;

const SAP_STP = 0x42;
const SAP_IPX = 0xe0;
/** Where the source has the same number as the destination, and both are asked for. */
const SAPS_TWICE: readonly number[] = [0x06, 0xf0, 0xfe];

const PPP_TYPES: ReadonlyMap<number, number> = new Map([
  [ETHER_TYPE_IP, 0x21],
  [ETHER_TYPE_IP6, 0x57],
  [0x6003, 0x27],
  [ETHER_TYPE_ATALK, 0x29],
  [0x0600, 0x25],
  [0xfe, 0x23],
  [SAP_STP, 0x31],
  [SAP_IPX, 0x2b],
]);
const PPP_MPLS = 0x281;

/** Families of IPv6 in captures: Linux, NetBSD and OpenBSD, FreeBSD, Darwin. */
const IP6_FAMILIES = [10, 24, 28, 30];

/** The places as they are behind the words read so far. */
export class Place {
  readonly #pool: ValuePool;
  #shape: LinkShape;
  /** Where the innermost link's header begins. */
  linkAt = 0;
  #typeAt: number;
  #payloadAt: number;
  /** Labels of MPLS between the payload and the network's header. */
  #labels = 0;
  /** What is to be added to the places of the type and of the payload, where it is not known beforehand. */
  #shift: Value | undefined;

  /** @throws FilterError for a link type that nobody knows */
  constructor(pool: ValuePool, linkType: number) {
    const shape = SHAPES.get(linkType);
    if (shape === undefined) {
      throw new FilterError({
        column: 0,
        seen: `link type ${linkType} is not known`,
        expected: "use no filter",
      });
    }
    this.#pool = pool;
    this.#shape = shape;
    this.#typeAt = shape.typeAt;
    this.#payloadAt = shape.payloadAt;
  }

  get naming(): Naming {
    return this.#shape.naming;
  }

  get isLabelled(): boolean {
    return this.#labels > 0;
  }

  /** The first byte of the network's header, to which {@link shift} comes. */
  get networkAt(): number {
    return this.#payloadAt + 4 * this.#labels;
  }

  get shift(): Value | undefined {
    return this.#shift;
  }

  /** What a link cannot do. */
  refuse(what: string, column: number, expected?: string): FilterError {
    return new FilterError({ column, seen: `${this.#shape.name} has no ${what}`, expected });
  }

  /** Bytes behind the network header's first one. */
  network(sizeBytes: 1 | 2 | 4, at: number): Value {
    return this.#pool.load(sizeBytes, this.networkAt + at, this.#shift);
  }

  /** Whether the link carries this, by EtherType or by service access point of 802.2. */
  carries(type: number, column: number): Condition {
    if (this.#labels > 0) return this.#carriesLabelled(type, column);
    const pool = this.#pool;
    switch (this.#shape.naming) {
      case "ethernet":
        return this.#carriesLlc(type, not(compare(">", this.#type(), pool.constant(LENGTH_MAX))));
      case "sll":
        return this.#carriesLlc(type, this.#is(4));
      case "hdlc":
        return this.#is(type === 0xfe ? 0xfefe : type);
      case "sll2":
        return this.#is(type);
      case "ppp":
        return this.#is(PPP_TYPES.get(type) ?? type);
      case "null":
      case "loop":
        return this.#carriesFamily(type);
      case "raw":
        if (type === ETHER_TYPE_IP) return equals(pool, pool.load(1, 0), 0x40, 0xf0);
        return type === ETHER_TYPE_IP6 ? equals(pool, pool.load(1, 0), 0x60, 0xf0) : NEVER;
      case "ipv4":
        return type === ETHER_TYPE_IP ? ALWAYS : NEVER;
      case "ipv6":
        return type === ETHER_TYPE_IP6 ? ALWAYS : NEVER;
    }
  }

  #type(): Value {
    return this.#pool.load(2, this.#typeAt, this.#shift);
  }

  #is(type: number): Condition {
    return equals(this.#pool, this.#type(), type);
  }

  #payload(sizeBytes: 1 | 2 | 4, at: number): Value {
    return this.#pool.load(sizeBytes, this.#payloadAt + at, this.#shift);
  }

  /** RFC 3032 §2.1: nothing says what is behind the last label, so it is asked for IP's version. */
  #carriesLabelled(type: number, column: number): Condition {
    if (type !== ETHER_TYPE_IP && type !== ETHER_TYPE_IP6) {
      throw new FilterError({ column, seen: "behind mpls only ip and ip6 can be told apart" });
    }
    const version = type === ETHER_TYPE_IP ? 0x40 : 0x60;
    const isLast = equals(this.#pool, this.network(1, -2), 1, 1);
    return both(isLast, equals(this.#pool, this.network(1, 0), version, 0xf0));
  }

  #carriesLlc(type: number, hasLlc: Condition): Condition {
    const pool = this.#pool;
    const sap = (number: number): Condition => equals(pool, this.#payload(1, 0), number);
    /** A header of SNAP: the organisation's number and the type in two words. */
    const snap = (inner: number, first = 0xaaaa_0300): Condition =>
      both(equals(pool, this.#payload(4, 4), inner), equals(pool, this.#payload(4, 0), first));
    if (SAPS_TWICE.includes(type)) {
      return both(hasLlc, equals(pool, this.#payload(2, 0), (type << 8) | type));
    }
    if (type === SAP_IPX) {
      const ways = either(sap(SAP_IPX), snap(ETHER_TYPE_IPX));
      if (this.#shape.naming === "sll")
        return either(this.#is(ETHER_TYPE_IPX), this.#is(1), both(hasLlc, ways));
      const inside = either(snap(ETHER_TYPE_IPX), sap(SAP_IPX), equals(pool, this.#payload(2, 0), 0xffff));
      return either(this.#is(ETHER_TYPE_IPX), both(hasLlc, inside));
    }
    if (type === ETHER_TYPE_ATALK) {
      return either(this.#is(type), both(hasLlc, snap(0x0007_809b, 0xaaaa_0308)));
    }
    if (type === ETHER_TYPE_AARP) return either(this.#is(type), both(hasLlc, snap(type)));
    return type <= LENGTH_MAX ? both(hasLlc, sap(type & 0xff)) : this.#is(type);
  }

  /** The null header has the byte order of the machine that captured, which no packet tells: both are taken. */
  #carriesFamily(type: number): Condition {
    if (type !== ETHER_TYPE_IP && type !== ETHER_TYPE_IP6) return NEVER;
    const families = type === ETHER_TYPE_IP ? [2] : IP6_FAMILIES;
    const swapped = families.map((family) => (family << 24) >>> 0);
    const words = this.#shape.naming === "null" ? [...swapped, ...families] : families;
    return either(...words.map((word) => equals(this.#pool, this.#payload(4, -4), word)));
  }

  /**
   * A tag of 802.1Q; what follows looks behind it.
   * @param ancillary the kernel's words of whether it has taken a tag out of the packet, and of the tag
   */
  vlan(id: number | undefined, column: number, ancillary?: readonly [present: Value, tag: Value]): Condition {
    if (this.#labels > 0) throw new FilterError({ column, seen: "vlan cannot stand behind mpls" });
    if (this.#shape.naming !== "ethernet") throw this.refuse("VLANs", column);
    const pool = this.#pool;
    const isTagged = either(...VLAN_TYPES.map((type) => this.#is(type)));
    const tag = this.#payload(2, 0);
    const inPacket = id === undefined ? isTagged : both(isTagged, equals(pool, tag, id, 0xfff));
    if (ancillary === undefined || this.#shift !== undefined) {
      this.#typeAt += 4;
      this.#payloadAt += 4;
      return inPacket;
    }
    const [present, taken] = ancillary;
    const isTaken = equals(pool, present, 1);
    // 4 where the tag is in the packet, 0 where the kernel has it.
    this.#shift = pool.binary("<<", pool.binary("^", present, pool.constant(1)), pool.constant(2));
    const outside = id === undefined ? isTaken : both(isTaken, equals(pool, taken, id, 0xfff));
    return either(outside, both(not(isTaken), inPacket));
  }

  /** A label of MPLS; what follows looks behind it. */
  mpls(label: number | undefined, column: number): Condition {
    const pool = this.#pool;
    let before: Condition;
    const { naming } = this.#shape;
    if (this.#labels > 0) before = not(compare("&", this.network(1, -2), pool.constant(1)));
    else if (naming === "ethernet" || naming === "hdlc") before = this.#is(ETHER_TYPE_MPLS);
    else if (naming === "ppp") before = this.#is(PPP_MPLS);
    else throw this.refuse("MPLS", column);
    const isLabel =
      label === undefined ? ALWAYS : equals(pool, this.network(4, 0), (label << 12) >>> 0, 0xfffff000);
    this.#labels++;
    return both(before, isLabel);
  }

  /** A session of PPPoE; what follows sees the PPP inside as its link. */
  pppoes(session: number | undefined, column: number): Condition {
    const isSession = this.carries(ETHER_TYPE_PPPOES, column);
    const isId = session === undefined ? ALWAYS : equals(this.#pool, this.network(4, 0), session, 0xffff);
    this.linkAt = this.networkAt + 6;
    this.#shape = PPP;
    this.#typeAt = this.linkAt;
    this.#payloadAt = this.linkAt + 2;
    this.#labels = 0;
    return both(isSession, isId);
  }
}
