/**
 * What the engine does where the world leaves a choice: one option for each, with a name for every behaviour. The
 * defaults suit a passive monitor of a public network.
 * @module
 */
import type { Duration } from "#base/time.ts";
import { milliseconds, minutes, seconds } from "#base/time.ts";

/**
 * Which bytes a receiver keeps where segments overlap with different bytes, after Ptacek and Newsham (1998), Paxson
 * and Shankar (2003), Novak and Sturges, "Target-Based TCP Stream Reassembly" (2007).
 */
export type OverlapPolicy = "first" | "last" | "bsd" | "linux" | "old-linux" | "windows" | "solaris";

/** The same for IP fragments: Novak, "Target-Based Fragmentation Reassembly" (2005). */
export type FragmentPolicy = "first" | "last" | "bsd" | "bsd-right" | "linux" | "windows" | "solaris";

/**
 * What an urgent byte is to the reader (RFC 6093): part of the stream; left out by `read`, as sockets without
 * SO_OOBINLINE do; a gap of one byte; or the receiver does not get segments with urgent data at all.
 */
export type UrgentPolicy = "inline" | "out-of-band" | "gap" | "drop";

/** Where a new flow finds the table full: the flow that would time out next goes, or the new one is not tracked. */
export type FullPolicy = "evict" | "refuse";

/** Connections whose start was not seen: not tracked, tracked by the first packet's direction, or by better signs too. */
export type MidstreamPolicy = "off" | "on" | "guess";

export interface FlowPolicy {
  /**
   * `auto`: wrong checksums are believed where the sender's hardware had still to fill them in (offload), while none was
   * right yet, and once they are many.
   */
  readonly checksums: "verify" | "trust" | "auto";
  readonly overlap: OverlapPolicy;
  readonly fragments: FragmentPolicy;
  readonly urgent: UrgentPolicy;
  readonly midstream: MidstreamPolicy;
  /** RFC 5961: only an exact RST ends a connection; `window`: any RST in the window does, as old systems have it. */
  readonly reset: "exact" | "window";
  /** Whether old timestamps make a segment unacceptable (RFC 7323 §5). */
  readonly paws: boolean;
  /** Segments without timestamps although both ends agreed on them: Linux takes them, RFC 7323 §3.2 does not. */
  readonly missingTimestamps: "accept" | "refuse";
  /** Whether data outside of the advertised window is kept from the streams. */
  readonly window: "advertised" | "ignore";
  /** Whether a segment that the receiver will not take is normalised inline: its bytes replaced, or it is dropped. */
  readonly conflict: "report" | "rewrite" | "drop";
  /**
   * What a packet says about others that were not seen: `infer` believes that a tap has missed them, gives up the bytes
   * that were acknowledged, and moves the ends on; `refuse` is for a place that all packets pass, where an
   * acknowledgement of bytes that were not sent is a lie (RFC 5961 §5).
   */
  readonly unseen: "infer" | "refuse";
  /** Bytes behind a hole, or unacknowledged, when a flow ends: nobody gets them, or they are shown, behind their gap. */
  readonly tail: "discard" | "deliver";
  /** Packets that come twice within so long are one, as from a mirror port; 0: none are. */
  readonly duplicates: Duration;
  /** Data above a hole that nobody acknowledges, in bytes, after which the other direction is taken for unseen. */
  readonly oneSidedBytes: number;
  /** What belongs to the key of a flow besides addresses, ports and protocol. */
  readonly key: { readonly vlan: boolean; readonly tunnel: boolean };
  /** Whether tunnels are opened (GRE, VXLAN, Geneve, GTP-U, IP in IP), or are flows of their own. */
  readonly tunnels: boolean;
  /** Packets whose TTL is below this are not shown to the emulated receivers; 0 for all. */
  readonly hopLimitMin: number;
  /** Whether ordinary segments take a shorter way, which changes nothing but the time it takes. */
  readonly predicts: boolean;
  readonly timeouts: FlowTimeouts;
}

/** How long nothing may happen, by what a flow is in. */
export interface FlowTimeouts {
  /** An unanswered SYN. */
  readonly attempt: Duration;
  readonly established: Duration;
  /** One direction has ended. */
  readonly closing: Duration;
  /** Both have, or it was reset: what still comes belongs to it for so long. */
  readonly closed: Duration;
  readonly udp: Duration;
  readonly icmp: Duration;
  readonly other: Duration;
  readonly fragment: Duration;
}

export interface FlowLimits {
  /** Flows at once; their table has this size from the start, in address space. */
  readonly flowCountMax: number;
  readonly full: FullPolicy;
  /** Bytes kept for one direction of a flow: out of order, unread, or for comparison. */
  readonly streamBytesMax: number;
  /** Bytes kept for all flows. */
  readonly totalBytesMax: number;
  /** Where one of the two is reached: the oldest bytes go, the new ones go, or the flow is not followed any more. */
  readonly overrun: "oldest" | "newest" | "stop";
  /** Segments kept apart in one direction (holes between them, or boundaries that the policy needs). */
  readonly segmentCountMax: number;
  /** Delivered bytes kept for comparison with retransmissions, for flows whose monitors ask for them. */
  readonly compareBytes: number;
  readonly fragmentCountMax: number;
  readonly fragmentBytesMax: number;
  readonly fragmentsPerDatagramMax: number;
  /** Timers that may wait at once; one more is refused. */
  readonly timerCountMax: number;
}

export const FLOW_POLICY: FlowPolicy = {
  checksums: "auto",
  overlap: "linux",
  fragments: "linux",
  urgent: "inline",
  midstream: "guess",
  reset: "exact",
  paws: true,
  missingTimestamps: "accept",
  window: "advertised",
  conflict: "report",
  unseen: "infer",
  tail: "discard",
  duplicates: milliseconds(0),
  oneSidedBytes: 16_384,
  key: { vlan: true, tunnel: true },
  tunnels: true,
  hopLimitMin: 0,
  predicts: true,
  timeouts: {
    attempt: seconds(30),
    established: minutes(5),
    closing: seconds(60),
    closed: milliseconds(5000),
    udp: seconds(60),
    icmp: seconds(60),
    other: seconds(60),
    fragment: seconds(30),
  },
};

export const FLOW_LIMITS: FlowLimits = {
  flowCountMax: 262_144,
  full: "evict",
  streamBytesMax: 1_048_576,
  totalBytesMax: 256 * 1_048_576,
  overrun: "oldest",
  segmentCountMax: 512,
  compareBytes: 16_384,
  fragmentCountMax: 4096,
  fragmentBytesMax: 4 * 1_048_576,
  fragmentsPerDatagramMax: 256,
  timerCountMax: 1_048_576,
};
