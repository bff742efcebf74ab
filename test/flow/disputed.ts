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

/** What differs for one reason. */
export interface StreamDispute {
  readonly reason: string;
  /** By capture: how many lines, each a direction of a connection, only one of the two has. */
  readonly captures: Readonly<Record<string, number>>;
}

/** Streams that tshark has otherwise. */
export const TSHARK_DISPUTES: readonly StreamDispute[] = [
  {
    reason:
      "bytes behind an exact reset are of no stream: the receiver has closed, and answers them with resets",
    captures: {
      "ndpi/443-firefox.pcap": 2,
      "ndpi/dlms.pcap": 2,
      "ndpi/ethereum.pcap": 4,
      "ndpi/pinterest.pcap": 4,
      "tcpflow/bug6.pcap": 2,
    },
  },
  {
    reason: "bytes of a reset say why (RFC 9293 §3.5.3), and are of no stream",
    captures: {
      "ndpi/http_guessed_host_and_guessed.pcapng": 1,
      "tcpdump/tcp_rst_data-trunc.pcap": 1,
      "tcpdump/tcp_rst_data.pcap": 1,
      "tcpdump/tcp_rst_diag_payload-trunc.pcap": 1,
      "tcpdump/tcp_rst_diag_payload.pcap": 1,
    },
  },
  {
    reason: "segments without ACK are dropped by whoever gets them (RFC 9293 §3.10.7.4)",
    captures: {
      "tcpdump/bgp_mp_reach_nlri-oobr.pcap": 1,
      "tcpdump/bgp_mvpn_6_and_7_oobr.pcap": 1,
      "tcpdump/bgp_vpn_rt-oobr.pcap": 1,
    },
  },
  {
    reason: "a reset that answers a SYN ends the attempt; the same SYN, answered later, opens nothing",
    captures: { "ndpi/rtsp.pcap": 1 },
  },
  {
    reason: "behind a hole that nobody acknowledged until the capture's end: no program can have read it",
    captures: { "ndpi/kerberos.pcap": 16, "ndpi/quickplay.pcap": 3, "ndpi/instagram.pcap": 1 },
  },
  {
    reason: "behind a gap that was acknowledged, where tshark stops",
    captures: { "ndpi/netflix.pcap": 4 },
  },
  {
    reason:
      "the first packet that was seen is not the first of the stream: the other end's number says where it begins",
    captures: { "ndpi/reasm_segv_anon.pcapng": 2, "tcpflow/test5-lines-randomized2.pcap": 1 },
  },
  {
    reason: "a segment with wild numbers, which tshark follows: its gaps and bytes do not add up any more",
    captures: {
      "gopacket/linux_sll_oversized_addr.pcapng": 4,
      "ndpi/KakaoTalk_talk.pcap": 1,
      "ndpi/fuzz-2006-06-26-2594.pcap": 2,
    },
  },
  {
    reason:
      "IP lengths that count the padding of short frames: its zeros overlap what is sent later, the first are kept",
    captures: { "ndpi/heuristic_tcp_ack_payload.pcap": 12 },
  },
  {
    reason: "aggregates above 64 KiB say 0 for their length (BIG TCP), of which tshark 4.0 does not know",
    captures: {
      "tcpdump/bigtcp-ipv4-geneve-ipv4.pcap": 1,
      "tcpdump/bigtcp-ipv4-geneve-ipv6.pcap": 1,
      "tcpdump/bigtcp-ipv4-vxlan-ipv4.pcap": 1,
      "tcpdump/bigtcp-ipv4-vxlan-ipv6.pcap": 1,
      "tcpdump/bigtcp-ipv6-geneve-ipv4.pcap": 1,
      "tcpdump/bigtcp-ipv6-geneve-ipv6.pcap": 1,
      "tcpdump/bigtcp-ipv6-vxlan-ipv4.pcap": 1,
      "tcpdump/bigtcp-ipv6-vxlan-ipv6.pcap": 1,
      "tcpdump/bigtcp-ipv6.pcap": 1,
    },
  },
];

/** Streams that tcpflow has in the same length with other bytes. */
export const TCPFLOW_DISPUTES: readonly StreamDispute[] = [
  {
    reason:
      "bytes that came again and were others: in order, the first were read already; tcpflow keeps the last",
    captures: {
      "ndpi/doh.pcapng": 1,
      "ndpi/heuristic_tcp_ack_payload.pcap": 11,
      "ndpi/whatsapp_voice_and_message.pcap": 1,
      "tcpdump/bgp-as-path-oobr.pcap": 1,
      "tcpdump/bgp-shutdown-communication.pcapng": 1,
      "tcpdump/kday3.pcap": 1,
      "tcpdump/kday4.pcap": 1,
      "tcpdump/kday7.pcap": 1,
      "tcpflow/bug7.pcap": 1,
    },
  },
];
