/**
 * Sending packets somebody else made up, headers included: by the machine's routes, or as a frame on one
 * interface. A packet is a list of parts which the kernel gathers; nobody puts them together before.
 * @module
 */
import type { MetanetError } from "#base/errors.ts";

/**
 * A packet as the parts that follow each other on the wire; at most {@link PACKET_PART_COUNT_MAX} of them.
 */
export type PacketParts = readonly Uint8Array[];

export const PACKET_PART_COUNT_MAX = 16;
/** Packets of one system call at most; a longer list takes several. */
export const SEND_COUNT_MAX = 64;

/** How a packet leaves. */
export interface SendOptions {
  /** The packet's mark for netfilter and for routing, 0 to 2^32-1; the sender's own when absent. */
  readonly mark?: number;
  /**
   * The index of the interface it leaves by, whatever the routes say. For IPv6's link-local addresses a must.
   */
  readonly outInterface?: number;
}

/** What happened since the sender was opened; counts only grow. */
export interface PacketSenderCounters {
  readonly sentCount: number;
  /** Too short for a header, longer than the link allows, no route, no room. */
  readonly unsentCount: number;
}

/** The parts are the caller's again when a call returns: the packets have left or were counted as unsent. */
export interface PacketSender {
  readonly counters: PacketSenderCounters;

  /**
   * Sends packets which each begin with an IPv4 or IPv6 header, to its target address by the routes. IPv4's
   * total length and header checksum are the kernel's to fill in, every other field and checksum is sent as
   * it is. A packet longer than the route's MTU is not sent: nothing is cut into fragments here.
   * @returns how many have left.
   */
  sendRouted(packets: readonly PacketParts[], options?: SendOptions): number;

  /**
   * Sends whole Ethernet frames on one interface, past routes and netfilter's IP hooks.
   * @returns how many have left.
   */
  sendFrames(interfaceIndex: number, frames: readonly PacketParts[], options?: { mark?: number }): number;

  /** Reports what could not be sent, once for a call; without a handler it is only counted. */
  onTrouble(handler: (error: MetanetError) => void): void;

  /** Lets go of the sockets; harmless twice. What is sent afterwards is counted as unsent. */
  close(): void;
}
