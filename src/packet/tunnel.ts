/**
 * Headers that carry whole packets or frames: GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348), MPLS labels (RFC 3032) and
 * PPPoE (RFC 2516).
 * @module
 */
import { carriedByEtherType, EtherType } from "./ethernet.ts";
import { IpProtocol } from "./ipv4.ts";
import { defineProtocol } from "./protocol.ts";

/** GRE of version 0; its optional fields are `undefined` where they are not there. */
export const gre = defineProtocol({
  name: "gre",
  fields: {
    checksumPresent: { at: 0, bits: 1, as: "boolean" },
    keyPresent: { at: 2, bits: 1, as: "boolean" },
    sequencePresent: { at: 3, bits: 1, as: "boolean" },
    version: { at: 13, bits: 3 },
    /** The EtherType of what it carries. */
    type: { at: 16, bits: 16 },
    checksum: { at: 32, bits: (header) => ((header.uint8(0) ?? 0) & 0x80 ? 16 : 0) },
    key: {
      at: (header) => 32 + ((header.uint8(0) ?? 0) & 0x80 ? 32 : 0),
      bits: (header) => ((header.uint8(0) ?? 0) & 0x20 ? 32 : 0),
    },
    sequence: {
      at: (header) =>
        32 + ((header.uint8(0) ?? 0) & 0x80 ? 32 : 0) + ((header.uint8(0) ?? 0) & 0x20 ? 32 : 0),
      bits: (header) => ((header.uint8(0) ?? 0) & 0x10 ? 32 : 0),
    },
  },
  carriedBy: { ipv4: IpProtocol.gre, ipv6: IpProtocol.gre },
  headerBytes: ({ checksumPresent, keyPresent, sequencePresent }) =>
    4 + (checksumPresent ? 4 : 0) + (keyPresent ? 4 : 0) + (sequencePresent ? 4 : 0),
  accepts: ({ version }) => version === 0,
  announces: ({ type }) => type,
  announcedIn: "type",
  checksum: {
    at: 4,
    covers: "all",
    presentIf: (header) => header.$header >= 8 && (header.$data.getUint8(header.$start) & 0x80) !== 0,
  },
  isCarrier: true,
});

/** The UDP ports of VXLAN: IANA's and the one that Linux used before. */
const VXLAN_PORTS = [4789, 8472];

export const vxlan = defineProtocol({
  name: "vxlan",
  fields: {
    hasIdentifier: { at: 4, bits: 1, as: "boolean" },
    /** The VXLAN network, 0 to 2^24 - 1. */
    identifier: { at: 32, bits: 24 },
  },
  headerBytes: 8,
  carriedBy: { udp: VXLAN_PORTS },
  accepts: ({ hasIdentifier }) => hasIdentifier,
  initial: { hasIdentifier: true },
  isCarrier: true,
});

/** One label; a second one is the payload of the first. */
export const mpls = defineProtocol({
  name: "mpls",
  fields: {
    label: { at: 0, bits: 20 },
    trafficClass: { at: 20, bits: 3 },
    /** No label follows but the packet. */
    isBottom: { at: 23, bits: 1, as: "boolean" },
    timeToLive: { at: 24, bits: 8 },
  },
  // On UDP by RFC 7510.
  carriedBy: { ...carriedByEtherType(EtherType.mpls, 0x8848), mpls: 0, udp: 6635 },
  // What the packet is only its first four bits tell.
  announces: ({ isBottom }) => (isBottom ? 1 : 0),
  announcedIn: "isBottom",
  initial: { timeToLive: 64 },
  isCarrier: true,
});

/** A PPPoE session's packet with PPP's protocol number. */
export const pppoe = defineProtocol({
  name: "pppoe",
  fields: {
    version: { at: 0, bits: 4 },
    type: { at: 4, bits: 4 },
    code: { at: 8, bits: 8 },
    session: { at: 16, bits: 16 },
    /** Bytes behind this field. */
    length: { at: 32, bits: 16 },
    /** PPP's number of what follows: 0x0021 is IPv4, 0x0057 IPv6. */
    protocol: { at: 48, bits: 16 },
  },
  carriedBy: carriedByEtherType(EtherType.pppoeSession),
  contentBytes: ({ length }) => 6 + length,
  accepts: ({ version, type }) => version === 1 && type === 1,
  announces: ({ protocol }) => protocol,
  announcedIn: "protocol",
  initial: { version: 1, type: 1 },
  sized: (_headerBytes, contentBytes) => ({ length: contentBytes - 6 }),
  lengthIn: "length",
  isCarrier: true,
});
