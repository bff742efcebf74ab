/**
 * Where other programs see other flows or other bytes in the captures than the engine, and why the engine's answer
 * stands. An entry that is not needed any more fails its test.
 * @module
 */

/** What differs for one reason. */
export interface NdpiDispute {
  readonly reason: string;
  /** By capture: how many lines of the two flow tables differ. */
  readonly captures: Readonly<Record<string, number>>;
}

/** Flows that nDPI's `.out` files have otherwise. */
export const NDPI_DISPUTES: readonly NdpiDispute[] = [
  {
    reason:
      "Teredo (RFC 4380) is opened: the flows are those of the IPv6 packets inside, nDPI's those of UDP",
    captures: { "teredo.pcap": 10 },
  },
  {
    reason: "CAPWAP (RFC 5415) is not opened: frames of 802.11 lie in it, which no other source of ours has",
    captures: { "capwap.pcap": 6 },
  },
  {
    reason: "frames with Cisco's FabricPath header are IP packets as well; nDPI passes over them",
    captures: { "ajp.pcap": 1 },
  },
  {
    reason: "fragments are put together and counted once, whole; nDPI counts the first and never the others",
    captures: { "dnscrypt-v1-and-resolver-pings.pcap": 117 },
  },
  {
    reason:
      "UDP lengths beyond the packet, and TCP headers below 20 bytes, are malformed: no host takes them",
    captures: { "fuzz-2006-06-26-2594.pcap": 23, "fuzz-2020-02-16-11740.pcap": 9 },
  },
  {
    reason: "PPI frames (link type 192) are of a link type that is not read: a wireless capture's",
    captures: { "someip_sd_sample.pcap": 2 },
  },
  {
    reason:
      "its only record claims 524501 captured bytes of 197; libpcap swaps the two, here the file is cut",
    captures: { "fuzz-2021-10-13.pcap": 1 },
  },
];
