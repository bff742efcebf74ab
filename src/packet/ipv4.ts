/**
 * IPv4 (RFC 791), with its options, and the pseudo header of what it carries.
 * @module
 */
import { type Ipv4Input, ipv4Address, remembering } from "./address.ts";
import { carriedByEtherType, EtherType } from "./ethernet.ts";
import type { InputsOf } from "./field.ts";
import { type HeaderOption, optionOf, optionsOf, removeOption, setOption } from "./options.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import { patchTransport } from "./pseudo-header.ts";
import type { View } from "./view.ts";

/** IP protocol numbers as IANA lists them. */
export const IpProtocol = {
  icmp: 1,
  igmp: 2,
  ipv4: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  authentication: 51,
  icmpv6: 58,
  /** IPv6's "no next header". */
  none: 59,
  sctp: 132,
  udpLite: 136,
} as const;

/** Kinds of options (their type byte) as IANA lists them. */
export const Ipv4Option = {
  end: 0,
  fill: 1,
  recordRoute: 7,
  timestamp: 68,
  looseSourceRoute: 131,
  strictSourceRoute: 137,
  routerAlert: 148,
} as const;

const OPTIONS_AT = 20;

const fromText = remembering((from: Ipv4Input) => ipv4Address(from));

/** A codec for IPv4 addresses: numbers of 32 bits that may be written as text. */
export const ipv4Codec = {
  get: (raw: number): number => raw,
  set: (from: Ipv4Input): number => (typeof from === "number" ? from >>> 0 : fromText(from)),
};

export interface Ipv4View extends View {
  version: number;
  /** The header's length in 32-bit words, 5 to 15. */
  headerWords: number;
  /** Differentiated services code point (RFC 2474). */
  dscp: number;
  /** Explicit congestion notification (RFC 3168). */
  ecn: number;
  /** Bytes of header and payload. */
  totalLength: number;
  identification: number;
  dontFragment: boolean;
  moreFragments: boolean;
  /** In units of 8 bytes. */
  fragmentOffset: number;
  timeToLive: number;
  /** The protocol of the payload, see {@link IpProtocol}. */
  protocol: number;
  checksum: number;
  /** The source's address, 32 bits; takes text as well. */
  get source(): number;
  set source(address: Ipv4Input);
  /** The destination's address, 32 bits; takes text as well. */
  get destination(): number;
  set destination(address: Ipv4Input);
  /** Whether this is a part of a packet only. */
  readonly isFragment: boolean;
  /** All options but those that fill; ends at one that cannot be read. */
  options(): Iterable<HeaderOption>;
  /** The data of the first option of a kind; see {@link Ipv4Option}. */
  option(kind: number): View | undefined;
  /**
   * Writes an option, in place or with the header growing; `data` is without kind and length. `false` when there is
   * no room. @throws ReadOnlyPacketError
   */
  setOption(kind: number, data: Uint8Array): boolean;
  /** Overwrites the options of a kind with ones that fill; whether there was one. @throws ReadOnlyPacketError */
  removeOption(kind: number): boolean;
  /** What an option that records or prescribes a route has, up to where it is filled or ends; empty without it. */
  route(kind?: number): number[];
}

const fields = {
  version: { at: 0, bits: 4 },
  headerWords: { at: 4, bits: 4 },
  dscp: { at: 8, bits: 6 },
  ecn: { at: 14, bits: 2 },
  totalLength: { at: 16, bits: 16 },
  identification: { at: 32, bits: 16 },
  dontFragment: { at: 49, bits: 1, as: "boolean" },
  moreFragments: { at: 50, bits: 1, as: "boolean" },
  fragmentOffset: { at: 51, bits: 13 },
  timeToLive: { at: 64, bits: 8 },
  protocol: { at: 72, bits: 8 },
  checksum: { at: 80, bits: 16 },
  source: { at: 96, bits: 32, as: ipv4Codec },
  destination: { at: 128, bits: 32, as: ipv4Codec },
} as const;

export const ipv4 = defineProtocol({
  name: "ipv4",
  fields,
  carriedBy: {
    ...carriedByEtherType(EtherType.ipv4),
    pppoe: 0x0021,
    mpls: 1,
    // The packet that an error is about.
    icmp: 1,
    ipv4: IpProtocol.ipv4,
    ipv6: IpProtocol.ipv4,
  },
  headerBytes: (header) => header.headerWords * 4,
  // Aggregates above 64 KiB say 0 (Linux's BIG TCP): then the packet's end is the end.
  contentBytes: (header) => header.totalLength || header.lengthBytes,
  accepts: (header) => header.version === 4,
  // A later fragment begins in the middle of something.
  announces: (header) => (header.fragmentOffset === 0 ? header.protocol : -1),
  announcedIn: "protocol",
  initial: { version: 4, timeToLive: 64 },
  sized: (headerBytes, contentBytes) => ({ headerWords: headerBytes / 4, totalLength: contentBytes }),
  isCarrier: true,
  checksum: { at: 10, covers: "header" },
  wordChanged: (header, at, old, now) => {
    if (at >= 12 && at < 20) patchTransport(header, transportOf(header), old, now);
    // The protocol is the low byte of the word it shares with the time to live, which nobody else has a sum over.
    else if (at === 8 && ((old ^ now) & 0xff) !== 0)
      patchTransport(header, transportOf(header), old & 0xff, now & 0xff);
  },
  lengthIn: "totalLength",
  headerUnitBytes: 4,
  methods: {
    get isFragment(): boolean {
      return this.moreFragments || this.fragmentOffset !== 0;
    },
    options(): Iterable<HeaderOption> {
      return optionsOf(this, OPTIONS_AT);
    },
    option(kind: number): View | undefined {
      return optionOf(this, OPTIONS_AT, kind);
    },
    setOption(kind: number, data: Uint8Array): boolean {
      return setOption(this, OPTIONS_AT, kind, data);
    },
    removeOption(kind: number): boolean {
      return removeOption(this, OPTIONS_AT, kind);
    },
    route(kind: number = Ipv4Option.recordRoute): number[] {
      const option = optionOf(this, OPTIONS_AT, kind);
      // The pointer is to the next free place and counts from 1 (RFC 791 §3.1).
      const isRecorded = kind === Ipv4Option.recordRoute;
      const end = isRecorded ? (option?.uint8(0) ?? 0) - 3 : (option?.lengthBytes ?? 0);
      const addresses: number[] = [];
      for (let at = 1; at + 4 <= end; at += 4) {
        const address = option?.uint32(at);
        if (address === undefined) break;
        addresses.push(address);
      }
      return addresses;
    },
  },
}) as unknown as Protocol<Ipv4View, InputsOf<typeof fields>>;

/** The protocol number whose checksum is in this packet; -1 in a later fragment. */
function transportOf(header: { readonly fragmentOffset: number; readonly protocol: number }): number {
  return header.fragmentOffset === 0 ? header.protocol : -1;
}
