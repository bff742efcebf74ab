/**
 * Where the headers of one frame lie and what of them decides about flows: one object, filled again for every frame
 * by `LayerDecoder`. Numbers only, so that a packet costs no memory. Words of 32 bits are signed: small integers, where
 * an unsigned one above 2^31 would be an object; `x >>> 0` where a word leaves the engine as a number.
 * @module
 */

/** Numbers of IP protocols (IANA "Assigned Internet Protocol Numbers"). */
export const IpProtocol = {
  icmp: 1,
  igmp: 2,
  ipv4: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  icmpv6: 58,
  ospf: 89,
  sctp: 132,
  udpLite: 136,
} as const;

/** Why a frame is of no flow; `""` when it is. */
export type LayersProblem =
  | ""
  /** Not IP, or a link type nobody knows: goes on untouched. */
  | "not-ip"
  /** A header is not there as a whole, or lies about its length. */
  | "malformed"
  /** The checksum of the IPv4 header is wrong. */
  | "bad-ip-checksum"
  /** More tags, labels or tunnels than the limits of `encapsulation.ts`, or more extension headers than `ipv6.ts` has. */
  | "too-deep";

/**
 * The innermost IP packet of a frame, behind VLAN tags, PPPoE, MPLS and, where the options say so, tunnels. Offsets
 * are into {@link bytes}. A packet cut short by the capture's snap length keeps its true lengths: `payloadBytes` is what
 * the headers say, `capturedPayloadBytes` what is there.
 *
 * Where {@link problem} is not "", only the fields of the frame, {@link bytes} and {@link view} say something; the
 * others are left over. The same holds for fields of protocols that this packet does not have.
 *
 * A fragment's payload is the fragment's whole data; of a first one the ports are read where they are.
 */
export class Layers {
  /** The memory that the offsets count in. */
  bytes: Uint8Array = NO_BYTES;
  view: DataView = NO_VIEW;
  /** Of the frame as it was captured. */
  frameOffset = 0;
  frameEnd = 0;
  problem: LayersProblem = "not-ip";

  /** The version of IP: 4, 6, or 0 when there is none. */
  version = 0;
  /** The first byte of the IP header. */
  networkOffset = 0;
  /** Of all of the IP packet, by its own length field (by the frame's where that is 0: aggregates, jumbograms). */
  networkBytes = 0;
  /** With options; with AH and, in IPv6, the extension headers in front of the transport. */
  networkHeaderBytes = 0;
  /**
   * Source and destination as four words each, network order; IPv4 as ::ffff:a.b.c.d in {@link IPV4_PREFIX}. Where an
   * IPv6 routing header has hops to go, the target is the last of them, who answers.
   */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  target0 = 0;
  target1 = 0;
  target2 = 0;
  target3 = 0;
  hopLimit = 0;
  /** The transport's protocol, one of {@link IpProtocol} or another number. */
  protocol = 0;

  /** Whether this is a part of a datagram (more fragments follow, or the offset is not 0). */
  isFragment = false;
  /** IPv4's 16 bits or IPv6's 32. */
  fragmentId = 0;
  /** In bytes. */
  fragmentOffset = 0;
  hasMoreFragments = false;
  /** IPv6 only: where the Fragment header lies, 0 when there is none; an atomic one is no fragment (RFC 6946). */
  fragmentHeaderOffset = 0;
  /** IPv6 only: where the byte lies that announces the Fragment header. */
  fragmentAnnouncedOffset = 0;

  /** The first byte of the transport's header; meaningless for a later fragment. */
  transportOffset = 0;
  /** TCP: with options; UDP: 8; ICMP: 8 or what there is. */
  transportHeaderBytes = 0;
  /**
   * Host order; of TCP, UDP, UDP-Lite, SCTP and DCCP. ICMP: see `icmp.ts`. Other protocols: 0.
   */
  sourcePort = 0;
  targetPort = 0;
  payloadOffset = 0;
  payloadBytes = 0;
  capturedPayloadBytes = 0;

  /** TCP only: sequence and acknowledgement numbers (signed words), the flags' byte, the window as it stands. */
  sequence = 0;
  acknowledgement = 0;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128. */
  flags = 0;
  window = 0;
  urgentPointer = 0;
  /** ICMP only. */
  icmpType = 0;
  icmpCode = 0;

  /**
   * What else tells flows with the same addresses apart: a number made of VLAN tags and tunnel ids where the options say
   * that they belong to the key, 0 else; below 2^31. How it is made, and when it is exact, says `encapsulation.ts`.
   */
  encapsulation = 0;
  /** How many tunnels were opened (GRE, VXLAN, Geneve, GTP-U, IP in IP). */
  tunnelCount = 0;
  /** The outermost VLAN id, -1 when there is none. */
  vlan = -1;
}

/** The third word of an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2). */
export const IPV4_PREFIX = 0xffff;

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);
