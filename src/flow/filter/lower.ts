/**
 * A filter for one link type: primitives become comparisons of bytes at places, with the rules of tcpdump. Ports are
 * looked for in first fragments of IPv4 only, and in IPv6 right behind the fixed header; bytes of `tcp` and its like are
 * those of IPv4.
 * @module
 */
import { ALWAYS, both, type Condition, compare, either, equals, not } from "./condition.ts";
import type {
  CastPrimitive,
  EtherHostPrimitive,
  FilterAddress,
  FilterDirection,
  FilterExpression,
  FilterProtocol,
  HostPrimitive,
  PortPrimitive,
  RelationPrimitive,
  WayPrimitive,
} from "./expression.ts";
import { Arithmetic } from "./lower-arithmetic.ts";
import { ETHER_TYPES } from "./names.ts";
import { ETHER_TYPE_ARP, ETHER_TYPE_IP, ETHER_TYPE_IP6, ETHER_TYPE_RARP, Place } from "./place.ts";
import type { Value } from "./value.ts";
import { ValuePool } from "./value.ts";

/** Words of the kernel about a packet (linux/filter.h, SKF_AD_OFF plus SKF_AD_…). */
const ANCILLARY_PACKET_TYPE = 0xfffff004;
const ANCILLARY_VLAN_TAG = 0xfffff02c;
const ANCILLARY_VLAN_TAG_PRESENT = 0xfffff030;
/** PACKET_OUTGOING, here and in the cooked headers. */
const OUTGOING = 4;

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const IP_FRAGMENT_HEADER = 44;
const PORT_PROTOCOLS = { any: [SCTP, TCP, UDP], tcp: [TCP], udp: [UDP], sctp: [SCTP] } as const;

/** Protocols in IP that are words; `ip` alone where they are of IPv4 only. */
const IP_WORDS: Readonly<Partial<Record<FilterProtocol, readonly [number, "any" | "ip" | "ip6"]>>> = {
  tcp: [TCP, "any"],
  udp: [UDP, "any"],
  sctp: [SCTP, "any"],
  pim: [103, "any"],
  ah: [51, "any"],
  esp: [50, "any"],
  icmp: [1, "ip"],
  igmp: [2, "ip"],
  igrp: [9, "ip"],
  vrrp: [112, "ip"],
  carp: [112, "ip"],
  icmp6: [58, "ip6"],
};

export interface LowerOptions {
  /** A number of `LinkType`. */
  readonly linkType: number;
  /** The program runs in the kernel on a packet socket, which has the tag and the direction beside the bytes. */
  readonly ancillary?: boolean;
}

export interface Lowered {
  readonly pool: ValuePool;
  readonly condition: Condition;
}

/** @throws FilterError when the link type is not known, or has not what the filter asks for */
export function lower(expression: FilterExpression, { linkType, ancillary = false }: LowerOptions): Lowered {
  const pool = new ValuePool();
  const lowering = new Lowering(pool, new Place(pool, linkType), ancillary);
  return { pool, condition: lowering.expression(expression) };
}

class Lowering {
  readonly #pool: ValuePool;
  readonly #place: Place;
  readonly #arithmetic: Arithmetic;
  readonly #ancillary: boolean;

  constructor(pool: ValuePool, place: Place, ancillary: boolean) {
    this.#pool = pool;
    this.#place = place;
    this.#ancillary = ancillary;
    this.#arithmetic = new Arithmetic(pool, place, (protocol, column) => this.protocol(protocol, column));
  }

  /** In the order of the text, as some primitives move the places of those behind them. */
  expression(expression: FilterExpression): Condition {
    switch (expression.kind) {
      case "all":
        return ALWAYS;
      case "and":
      case "or":
        return this.#terms(expression.kind, flat(expression.kind, expression.terms));
      case "not":
        return not(this.expression(expression.term));
      case "host":
        return this.#hosts([expression]);
      case "ether-host":
        return this.#etherHost(expression);
      case "port":
        return this.#ports([expression]);
      case "protocol":
        return this.protocol(expression.protocol, expression.column);
      case "protocol-number":
        return this.#number(expression.within, expression.number, expression.column);
      case "broadcast":
      case "multicast":
        return this.#cast(expression);
      case "vlan":
        return this.#place.vlan(expression.id, expression.column, this.#vlanWords());
      case "mpls":
        return this.#place.mpls(expression.id, expression.column);
      case "pppoes":
        return this.#place.pppoes(expression.id, expression.column);
      case "inbound":
      case "outbound":
        return this.#way(expression);
      case "relation":
        return this.#relation(expression);
    }
  }

  /** Alternatives that differ in an address or a port only look at each place once. */
  #terms(kind: "and" | "or", terms: readonly FilterExpression[]): Condition {
    const conditions: Condition[] = [];
    for (let at = 0; at < terms.length; ) {
      const first = terms[at] as FilterExpression;
      let end = at + 1;
      while (kind === "or" && end < terms.length && isAlike(first, terms[end] as FilterExpression)) end++;
      const group = terms.slice(at, end);
      if (first.kind === "host") conditions.push(this.#hosts(group as HostPrimitive[]));
      else if (first.kind === "port") conditions.push(this.#ports(group as PortPrimitive[]));
      else conditions.push(this.expression(first));
      at = end;
    }
    return { kind, terms: conditions };
  }

  #vlanWords(): readonly [Value, Value] | undefined {
    if (!this.#ancillary) return undefined;
    return [this.#pool.ancillary(ANCILLARY_VLAN_TAG_PRESENT), this.#pool.ancillary(ANCILLARY_VLAN_TAG)];
  }

  /** All but the addresses are those of the first. */
  #hosts(hosts: readonly HostPrimitive[]): Condition {
    const { protocol, direction, address, column } = hosts[0] as HostPrimitive;
    const is = (start: number, { words, masks }: FilterAddress): Condition =>
      both(
        ...words.map((word, index) =>
          equals(this.#pool, this.#place.network(4, start + 4 * index), word, masks[index]),
        ),
      );
    const isOne = (start: number): Condition => either(...hosts.map((host) => is(start, host.address)));
    const at = (type: number, source: number, target: number): Condition =>
      both(this.#place.carries(type, column), directed(direction, isOne(source), isOne(target)));
    if (address.version === 6) return at(ETHER_TYPE_IP6, 8, 24);
    const isIp = (): Condition => at(ETHER_TYPE_IP, 12, 16);
    const isArp = (type: number): Condition => at(type, 14, 24);
    if (protocol === "ip" || (protocol === "any" && this.#place.isLabelled)) return isIp();
    if (protocol === "arp") return isArp(ETHER_TYPE_ARP);
    if (protocol === "rarp") return isArp(ETHER_TYPE_RARP);
    return either(isIp(), isArp(ETHER_TYPE_ARP), isArp(ETHER_TYPE_RARP));
  }

  #etherHost({ direction, high, low, column }: EtherHostPrimitive): Condition {
    if (this.#place.naming !== "ethernet") throw this.#place.refuse("Ethernet addresses", column);
    return directed(direction, this.#etherAddress(6, high, low), this.#etherAddress(0, high, low));
  }

  #etherAddress(at: number, high: number, low: number): Condition {
    const pool = this.#pool;
    return both(equals(pool, pool.load(4, at + 2), low), equals(pool, pool.load(2, at), high));
  }

  /** All but the ports are those of the first. */
  #ports(ports: readonly PortPrimitive[]): Condition {
    const { protocol, direction, column } = ports[0] as PortPrimitive;
    const pool = this.#pool;
    const isPort = (value: Value): Condition =>
      either(
        ...ports.map(({ low, high, isRange }) =>
          isRange
            ? both(compare(">=", value, pool.constant(low)), not(compare(">", value, pool.constant(high))))
            : equals(pool, value, low),
        ),
      );
    const areAt = (load: (at: number) => Value): Condition =>
      directed(direction, isPort(load(0)), isPort(load(2)));
    const isOf = (at: number): Condition =>
      either(...PORT_PROTOCOLS[protocol].map((number) => equals(pool, this.#place.network(1, at), number)));
    return either(
      both(
        this.#place.carries(ETHER_TYPE_IP6, column),
        isOf(6),
        areAt((at) => this.#place.network(2, 40 + at)),
      ),
      both(
        this.#place.carries(ETHER_TYPE_IP, column),
        isOf(9),
        this.#arithmetic.isFirstFragment(),
        areAt((at) => this.#arithmetic.behindIpHeader(2, at)),
      ),
    );
  }

  /** A protocol's word alone. */
  protocol(protocol: FilterProtocol, column: number): Condition {
    const word = IP_WORDS[protocol];
    if (word !== undefined) return this.#number(word[1], word[0], column);
    return this.#place.carries(ETHER_TYPES.get(protocol) ?? 0, column);
  }

  #number(within: "any" | "ether" | "ip" | "ip6", number: number, column: number): Condition {
    const pool = this.#pool;
    switch (within) {
      case "ether":
        return this.#place.carries(number, column);
      case "ip":
        return both(
          this.#place.carries(ETHER_TYPE_IP, column),
          equals(pool, this.#place.network(1, 9), number),
        );
      case "ip6": {
        const isNext = equals(pool, this.#place.network(1, 6), number);
        const isFragment = equals(pool, this.#place.network(1, 6), IP_FRAGMENT_HEADER);
        const isInside = equals(pool, this.#place.network(1, 40), number);
        return both(this.#place.carries(ETHER_TYPE_IP6, column), either(isNext, both(isFragment, isInside)));
      }
      case "any":
        return either(this.#number("ip", number, column), this.#number("ip6", number, column));
    }
  }

  #cast({ kind, within, column }: CastPrimitive): Condition {
    const pool = this.#pool;
    if (within === "ether") {
      if (this.#place.naming !== "ethernet") throw this.#place.refuse(`Ethernet ${kind}`, column);
      if (kind === "broadcast") return this.#etherAddress(0, 0xffff, 0xffffffff);
      return compare("&", pool.load(1, 0), pool.constant(1));
    }
    const type = within === "ip" ? ETHER_TYPE_IP : ETHER_TYPE_IP6;
    const carries = this.#place.carries(type, column);
    if (kind === "broadcast") {
      const target = this.#place.network(4, 16);
      return both(carries, either(equals(pool, target, 0), equals(pool, target, 0xffffffff)));
    }
    if (within === "ip6") return both(carries, equals(pool, this.#place.network(1, 24), 255));
    return both(carries, compare(">=", this.#place.network(1, 16), pool.constant(224)));
  }

  #way({ kind, column }: WayPrimitive): Condition {
    const pool = this.#pool;
    const { naming } = this.#place;
    let type: Value;
    if (naming === "sll") type = pool.load(2, 0);
    else if (naming === "sll2") type = pool.load(1, 10);
    else if (this.#ancillary) type = pool.ancillary(ANCILLARY_PACKET_TYPE);
    else
      throw this.#place.refuse(
        "direction",
        column,
        "it is known on live sockets and in Linux cooked captures",
      );
    const isOutgoing = equals(pool, type, OUTGOING);
    return kind === "outbound" ? isOutgoing : not(isOutgoing);
  }

  /** What a header must be for its bytes to be there is asked first, and no `!=` turns it round. */
  #relation({ operator, left, right }: RelationPrimitive): Condition {
    const checks: Condition[] = [];
    const first = this.#arithmetic.value(left, checks);
    const second = this.#arithmetic.value(right, checks);
    return both(...checks, relation(operator, first, second));
  }
}

/** Whether all but the address or the port is the same, and either end will do for itself. */
function isAlike(one: FilterExpression, two: FilterExpression): boolean {
  if (one.kind !== "port" && one.kind !== "host") return false;
  if (one.kind !== two.kind || one.direction === "src and dst") return false;
  if (one.protocol !== two.protocol || one.direction !== two.direction) return false;
  if (one.kind === "port" || two.kind === "port") return true;
  // Of words under different masks no comparison would be saved.
  const { version, masks } = one.address;
  return version === two.address.version && masks.every((mask, at) => mask === two.address.masks[at]);
}

/** The terms, with those of groups of the same kind in their place. */
function flat(kind: "and" | "or", terms: readonly FilterExpression[]): readonly FilterExpression[] {
  return terms.flatMap((term) => (term.kind === kind ? flat(kind, term.terms) : [term]));
}

function relation(operator: RelationPrimitive["operator"], left: Value, right: Value): Condition {
  switch (operator) {
    case "=":
      return compare("=", left, right);
    case "!=":
      return not(compare("=", left, right));
    case ">":
      return compare(">", left, right);
    case ">=":
      return compare(">=", left, right);
    case "<":
      return not(compare(">=", left, right));
    case "<=":
      return not(compare(">", left, right));
  }
}

function directed(direction: FilterDirection, source: Condition, target: Condition): Condition {
  switch (direction) {
    case "src":
      return source;
    case "dst":
      return target;
    case "src or dst":
      return either(source, target);
    case "src and dst":
      return both(source, target);
  }
}
