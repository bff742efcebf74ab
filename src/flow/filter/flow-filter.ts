/**
 * Filters that a flow's first packet answers for all of it: those that only ask for addresses, ports and protocols.
 * @module
 */
import { IPV4_PREFIX, type Layers } from "../layers/layers.ts";
import type {
  FilterAddress,
  FilterDirection,
  FilterExpression,
  FilterProtocol,
  HostPrimitive,
  NumberPrimitive,
  PortPrimitive,
} from "./expression.ts";

/**
 * Whether a flow matches whose first packet this is; `src` is who sent it, and of tunnels that were opened the innermost
 * packet counts. Allocates nothing and never throws.
 */
export type FlowFilter = (layers: Layers) => boolean;

const TCP = 6;
const UDP = 17;
const SCTP = 132;

/** Words of protocols that a flow can be of: the version of IP, 0 for either, and the number in it. */
const PROTOCOLS: Readonly<Partial<Record<FilterProtocol, readonly [version: number, protocol: number]>>> = {
  tcp: [0, TCP],
  udp: [0, UDP],
  sctp: [0, SCTP],
  icmp: [4, 1],
  icmp6: [6, 58],
  igmp: [4, 2],
  igrp: [4, 9],
  pim: [0, 103],
  vrrp: [4, 112],
  carp: [4, 112],
  ah: [0, 51],
  esp: [0, 50],
};

/**
 * The filter as a question to flows; `undefined` when it has to see every packet, as it asks for more than `host`, `net`,
 * `port`, `portrange`, protocols in IP, `and`, `or` and `not`.
 */
export function flowFilterOf(expression: FilterExpression): FlowFilter | undefined {
  switch (expression.kind) {
    case "all":
      return () => true;
    case "not": {
      const term = flowFilterOf(expression.term);
      return term === undefined ? undefined : (layers) => !term(layers);
    }
    case "and":
    case "or":
      return joined(expression.kind, expression.terms.map(flowFilterOf));
    case "host":
      return hostFilter(expression);
    case "port":
      return portFilter(expression);
    case "protocol":
      return protocolFilter(expression.protocol);
    case "protocol-number":
      return numberFilter(expression);
    default:
      return undefined;
  }
}

function joined(kind: "and" | "or", terms: readonly (FlowFilter | undefined)[]): FlowFilter | undefined {
  const filters = terms.filter((term) => term !== undefined);
  if (filters.length < terms.length) return undefined;
  const decisive = kind === "or";
  return (layers) => {
    for (const filter of filters) if (filter(layers) === decisive) return decisive;
    return !decisive;
  };
}

function protocolFilter(protocol: FilterProtocol): FlowFilter | undefined {
  if (protocol === "ip") return ({ version }) => version === 4;
  if (protocol === "ip6") return ({ version }) => version === 6;
  const word = PROTOCOLS[protocol];
  if (word === undefined) return undefined;
  const [version, number] = word;
  return (layers) => layers.protocol === number && (version === 0 || layers.version === version);
}

function numberFilter({ within, number }: NumberPrimitive): FlowFilter | undefined {
  if (within === "ether") return undefined;
  const version = within === "any" ? 0 : within === "ip" ? 4 : 6;
  return (layers) =>
    layers.protocol === number && (version === 0 ? layers.version > 0 : layers.version === version);
}

function portFilter({ protocol, direction, low, high }: PortPrimitive): FlowFilter {
  const isOf = {
    any: (number: number) => number === TCP || number === UDP || number === SCTP,
    tcp: (number: number) => number === TCP,
    udp: (number: number) => number === UDP,
    sctp: (number: number) => number === SCTP,
  }[protocol];
  return (layers) => {
    if (!isOf(layers.protocol)) return false;
    const isSource = layers.sourcePort >= low && layers.sourcePort <= high;
    const isTarget = layers.targetPort >= low && layers.targetPort <= high;
    return directed(direction, isSource, isTarget);
  };
}

function hostFilter({ protocol, direction, address }: HostPrimitive): FlowFilter | undefined {
  if (protocol === "arp" || protocol === "rarp") return undefined;
  const { version } = address;
  const [mask0 = 0, mask1 = 0, mask2 = 0, mask3 = 0] = inLayers(version, address.masks, -1);
  const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = inLayers(version, address.words, IPV4_PREFIX);
  return (layers) => {
    if (layers.version !== version) return false;
    const isSource =
      ((layers.source3 & mask3) | 0) === word3 &&
      ((layers.source2 & mask2) | 0) === word2 &&
      ((layers.source1 & mask1) | 0) === word1 &&
      ((layers.source0 & mask0) | 0) === word0;
    const isTarget =
      ((layers.target3 & mask3) | 0) === word3 &&
      ((layers.target2 & mask2) | 0) === word2 &&
      ((layers.target1 & mask1) | 0) === word1 &&
      ((layers.target0 & mask0) | 0) === word0;
    return directed(direction, isSource, isTarget);
  };
}

/** Four words as {@link Layers} has them, signed; `prefix` is what stands in front of IPv4's. */
function inLayers(version: number, words: FilterAddress["words"], prefix: number): readonly number[] {
  const [first = 0] = words;
  return version === 6 ? words.map((word) => word | 0) : [0, 0, prefix, first | 0];
}

function directed(direction: FilterDirection, isSource: boolean, isTarget: boolean): boolean {
  switch (direction) {
    case "src":
      return isSource;
    case "dst":
      return isTarget;
    case "src or dst":
      return isSource || isTarget;
    case "src and dst":
      return isSource && isTarget;
  }
}
