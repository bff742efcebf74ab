/**
 * Ethernet II frames (IEEE 802.3 §3.2) and their EtherTypes.
 * @module
 */
import { type MacInput, macAddress, remembering } from "./address.ts";
import type { InputsOf } from "./field.ts";
import { type CarriedBy, defineProtocol, ETHERNET_FIRST, type Protocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** EtherTypes as IANA lists them. */
export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  mpls: 0x8847,
  pppoeDiscovery: 0x8863,
  pppoeSession: 0x8864,
  serviceVlan: 0x88a8,
  /** Ethernet in GRE (RFC 7637 and older ways). */
  ethernet: 0x6558,
} as const;

/** The headers that announce what comes next by an EtherType. */
export function carriedByEtherType(...numbers: readonly number[]): CarriedBy {
  return { packet: numbers, ethernet: numbers, vlan: numbers, gre: numbers };
}

const fromText = remembering((from: MacInput) => macAddress(from));

/** A codec for MAC addresses: numbers of 48 bits that may be written as text. */
export const macCodec = {
  get: (raw: number): number => raw,
  set: (from: MacInput): number => (typeof from === "number" ? from : fromText(from)),
};

export interface EthernetView extends View {
  /** The destination's MAC address, 48 bits; takes text as well. */
  get destination(): number;
  set destination(address: MacInput);
  /** The source's MAC address, 48 bits; takes text as well. */
  get source(): number;
  set source(address: MacInput);
  /** The EtherType, 0x600 and up; below that the length of an IEEE 802.3 frame. */
  type: number;
}

const fields = {
  destination: { at: 0, bits: 48, as: macCodec },
  source: { at: 48, bits: 48, as: macCodec },
  type: { at: 96, bits: 16 },
} as const;

/** Ethernet, as the first header of a packet where a hook or a capture has it. */
export const ethernet = defineProtocol({
  name: "ethernet",
  fields,
  carriedBy: {
    packet: ETHERNET_FIRST,
    gre: EtherType.ethernet,
    vxlan: "any",
    // Segment routing's (RFC 8986 §10.1).
    ipv4: 143,
    ipv6: 143,
  },
  announces: (header) => header.type,
  announcedIn: "type",
  isCarrier: true,
}) as unknown as Protocol<EthernetView, InputsOf<typeof fields>>;
