/**
 * IPv6 (RFC 8200) with its extension headers, which belong to the header here: what is behind them is the payload.
 * @module
 */
import { type Ipv6Input, ipv6Address, remembering } from "./address.ts";
import { carriedByEtherType, EtherType } from "./ethernet.ts";
import type { InputsOf } from "./field.ts";
import { IpProtocol } from "./ipv4.ts";
import {
  extensionOf,
  finalDestinationAt,
  findUpper,
  fragmentWord,
  Ipv6Extension,
} from "./ipv6-extensions.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import { patchTransport } from "./pseudo-header.ts";
import type { View } from "./view.ts";

/** A codec for IPv6 addresses: bigints of 128 bits that may be written as text. */
export const ipv6Codec = {
  get: (raw: bigint): bigint => raw,
  set: remembering((from: Ipv6Input) => ipv6Address(from)),
};

export interface Ipv6View extends View {
  version: number;
  /** The eight bits of {@link dscp} and {@link ecn}. */
  trafficClass: number;
  /** Differentiated services code point (RFC 2474). */
  dscp: number;
  /** Explicit congestion notification (RFC 3168). */
  ecn: number;
  flowLabel: number;
  /** Bytes of extension headers and payload; 0 in jumbograms and in aggregates above 64 KiB. */
  payloadLength: number;
  /** What comes behind the first 40 bytes: an extension header or the payload. */
  nextHeader: number;
  hopLimit: number;
  /** The source's address, 128 bits; takes text as well. */
  get source(): bigint;
  set source(address: Ipv6Input);
  /** The destination's address, 128 bits; takes text as well. */
  get destination(): bigint;
  set destination(address: Ipv6Input);
  /** The protocol of the payload behind all extension headers, see {@link IpProtocol}; -1 in a later fragment. */
  readonly upperProtocol: number;
  /** Whether this is a part of a packet only. */
  readonly isFragment: boolean;
  /** In units of 8 bytes; 0 without a fragment header. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  /** Of the fragment header; `undefined` without one. */
  readonly identification: number | undefined;
  /** The first extension header with this number, from its next-header byte on; `undefined` when there is none. */
  extension(number: number): View | undefined;
}

const fields = {
  version: { at: 0, bits: 4 },
  trafficClass: { at: 4, bits: 8 },
  dscp: { at: 4, bits: 6 },
  ecn: { at: 10, bits: 2 },
  flowLabel: { at: 12, bits: 20 },
  payloadLength: { at: 32, bits: 16 },
  nextHeader: { at: 48, bits: 8 },
  hopLimit: { at: 56, bits: 8 },
  source: { at: 64, bits: 128, as: ipv6Codec },
  destination: { at: 192, bits: 128, as: ipv6Codec },
} as const;

const HEADER_BYTES = 40;
const DESTINATION_AT = 24;

export const ipv6 = defineProtocol({
  name: "ipv6",
  fields,
  carriedBy: {
    ...carriedByEtherType(EtherType.ipv6),
    pppoe: 0x0057,
    mpls: 1,
    icmpv6: 1,
    ipv4: IpProtocol.ipv6,
    ipv6: IpProtocol.ipv6,
  },
  contentBytes: ({ payloadLength, nextHeader, lengthBytes }) =>
    payloadLength === 0 && nextHeader !== IpProtocol.none ? lengthBytes : HEADER_BYTES + payloadLength,
  headerBytes: (header) => findUpper(header),
  accepts: (header) => header.version === 6,
  announces: (header) => header.$note,
  announcedIn: "nextHeader",
  initial: { version: 6, hopLimit: 64 },
  sized: (_headerBytes, contentBytes) => ({ payloadLength: contentBytes - HEADER_BYTES }),
  isCarrier: true,
  wordChanged: (header, at, old, now) => {
    const isExtension = at >= HEADER_BYTES && at < header.$header;
    if (at === 6 || isExtension) chainChanged(header);
    const isSource = at >= 8 && at < DESTINATION_AT;
    const isPayload = at >= HEADER_BYTES && !isExtension;
    if (at < 6 || isPayload) return;
    const finalAt = isSource || at === 6 ? -1 : finalDestinationAt(header);
    if (isSource || (at >= finalAt && at < finalAt + 16 && finalAt > 0))
      patchTransport(header, header.$note, old, now, true);
  },
  lengthIn: "payloadLength",
  methods: {
    get upperProtocol(): number {
      return this.$note;
    },
    get isFragment(): boolean {
      return (fragmentWord(this) & 0xfff9) !== 0;
    },
    get fragmentOffset(): number {
      return fragmentWord(this) >> 3;
    },
    get moreFragments(): boolean {
      return (fragmentWord(this) & 1) !== 0;
    },
    get identification(): number | undefined {
      return extensionOf(this, Ipv6Extension.fragment)?.uint32(4);
    },
    extension(number: number): View | undefined {
      return extensionOf(this, number);
    },
  },
}) as unknown as Protocol<Ipv6View, InputsOf<typeof fields>>;

/** A next header became another: the pseudo header has it too. */
function chainChanged(header: View): void {
  const before = header.$note;
  const bytes = findUpper(header);
  const after = header.$note;
  // What was payload became header, or the other way round: only a new look at the packet can tell what it carries.
  if (bytes !== header.$header) header.$note = -1;
  else if (before >= 0 && after >= 0 && before !== after) patchTransport(header, after, before, after, true);
}
