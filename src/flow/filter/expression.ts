/**
 * What a filter says, as a tree, before any link type is known: words of pcap-filter(7), names already looked up.
 * @module
 */

/** Protocols that stand as words of their own, and of which {@link FilterField} reads bytes. */
export type FilterProtocol =
  | "ether"
  | "ip"
  | "ip6"
  | "arp"
  | "rarp"
  | "tcp"
  | "udp"
  | "sctp"
  | "icmp"
  | "icmp6"
  | "igmp"
  | "igrp"
  | "pim"
  | "vrrp"
  | "carp"
  | "ah"
  | "esp"
  | "atalk"
  | "aarp"
  | "decnet"
  | "lat"
  | "moprc"
  | "mopdl"
  | "sca"
  | "iso"
  | "stp"
  | "ipx"
  | "netbeui";

/** Which end an address or a port is looked for at. */
export type FilterDirection = "src" | "dst" | "src or dst" | "src and dst";

/** Four bytes of IPv4, four times four of IPv6, and a mask of the same length; words are unsigned. */
export interface FilterAddress {
  readonly version: 4 | 6;
  readonly words: readonly number[];
  readonly masks: readonly number[];
}

/** Where in the filter's text a part began; the first character is 1. */
interface Placed {
  readonly column: number;
}

/** `host` and `net`. */
export interface HostPrimitive extends Placed {
  readonly kind: "host";
  readonly protocol: "any" | "ip" | "ip6" | "arp" | "rarp";
  readonly direction: FilterDirection;
  readonly address: FilterAddress;
}

/** `ether host`. */
export interface EtherHostPrimitive extends Placed {
  readonly kind: "ether-host";
  readonly direction: FilterDirection;
  /** The first two bytes, and the last four, unsigned. */
  readonly high: number;
  readonly low: number;
}

/** `port` and `portrange`. */
export interface PortPrimitive extends Placed {
  readonly kind: "port";
  /** `any` is TCP, UDP or SCTP. */
  readonly protocol: "any" | "tcp" | "udp" | "sctp";
  readonly direction: FilterDirection;
  readonly low: number;
  readonly high: number;
  /** Whether it was written as a range. */
  readonly isRange: boolean;
}

/** `tcp`, `arp`, … alone. */
export interface ProtocolPrimitive extends Placed {
  readonly kind: "protocol";
  readonly protocol: Exclude<FilterProtocol, "ether">;
}

/** `proto`, after `ether` the EtherType, else the number in IP. */
export interface NumberPrimitive extends Placed {
  readonly kind: "protocol-number";
  readonly within: "any" | "ether" | "ip" | "ip6";
  readonly number: number;
}

/** `broadcast` and `multicast`. */
export interface CastPrimitive extends Placed {
  readonly kind: "broadcast" | "multicast";
  readonly within: "ether" | "ip" | "ip6";
}

/** What moves the offsets of all that follows it in the text. */
export interface LayerPrimitive extends Placed {
  readonly kind: "vlan" | "mpls" | "pppoes";
  readonly id: number | undefined;
}

/** `inbound` and `outbound`. */
export interface WayPrimitive extends Placed {
  readonly kind: "inbound" | "outbound";
}

/** A comparison, unsigned. `less` and `greater` are comparisons of the length. */
export interface RelationPrimitive extends Placed {
  readonly kind: "relation";
  readonly operator: "=" | "!=" | "<" | "<=" | ">" | ">=";
  readonly left: FilterArithmetic;
  readonly right: FilterArithmetic;
}

export type FilterPrimitive =
  | HostPrimitive
  | EtherHostPrimitive
  | PortPrimitive
  | ProtocolPrimitive
  | NumberPrimitive
  | CastPrimitive
  | LayerPrimitive
  | WayPrimitive
  | RelationPrimitive;

/** `all` is the empty filter. The terms of `and` and `or` stand in the order of the text, which matters. */
export type FilterExpression =
  | { readonly kind: "all" }
  | { readonly kind: "and" | "or"; readonly terms: readonly FilterExpression[] }
  | { readonly kind: "not"; readonly term: FilterExpression }
  | FilterPrimitive;

/** On unsigned numbers of 32 bits. */
export type FilterOperator = "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>";

/** Bytes of a header, as a number in network order. */
export interface FilterField extends Placed {
  readonly kind: "field";
  readonly protocol: FilterProtocol;
  readonly index: FilterArithmetic;
  readonly sizeBytes: 1 | 2 | 4;
}

export type FilterArithmetic =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "length" }
  | FilterField
  | { readonly kind: "negate"; readonly operand: FilterArithmetic }
  | {
      readonly kind: "binary";
      readonly operator: FilterOperator;
      readonly left: FilterArithmetic;
      readonly right: FilterArithmetic;
      readonly column: number;
    };
