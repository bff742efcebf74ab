/**
 * UDP on one network interface, broadcasts included: what a DHCP server asks of the outside (RFC 2131 section
 * 4.1). `linux/` answers with a socket bound to the interface, `sim/` with a segment in memory.
 * @module
 */
import type { MetanetError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";

/** The longest payload sent or received, in bytes: an Ethernet frame's 1500 less the IPv4 and UDP headers. */
export const DATAGRAM_BYTES_MAX = 1472;

/** Datagrams of one batch at most; the next ones come with the next batch. */
export const BATCH_COUNT_MAX = 64;

/** Where a UDP datagram comes from or goes to. */
export interface UdpEndpoint {
  readonly address: IpAddress;
  /** 0 to 65535. */
  readonly port: number;
}

/** A UDP endpoint whose place on the link is known, so that nobody has to be asked by ARP for it. */
export interface LinkEndpoint extends UdpEndpoint {
  readonly link: MacAddress;
}

/** A datagram that arrived. */
export interface Datagram {
  /** The receiver's own copy; nobody changes it later. */
  readonly payload: Uint8Array;
  readonly source: UdpEndpoint;
}

/** What happened on a socket since it was opened; counts only grow. */
export interface DatagramCounters {
  readonly receivedCount: number;
  readonly sentCount: number;
  /** Arrived longer than {@link DATAGRAM_BYTES_MAX} and were dropped. */
  readonly oversizeCount: number;
  /** Given to `send` or `sendToLink` and never left: too long, no route, no room in the kernel's buffer. */
  readonly unsentCount: number;
}

export interface BroadcastSocket {
  /** The name of the interface, such as `lan0`. */
  readonly interfaceName: string;
  /** The interface's own hardware address. */
  readonly link: MacAddress;
  /** The UDP port datagrams are received on and sent from. */
  readonly port: number;
  readonly counters: DatagramCounters;

  /**
   * Hands every batch that arrives from now on to `handler`: one to {@link BATCH_COUNT_MAX} datagrams, in the order
   * of their arrival. The last handler given is the only one. What arrives before the first handler is given waits
   * in the kernel. An error that the handler throws is not caught.
   */
  onDatagrams(handler: (batch: readonly Datagram[]) => void): void;

  /** Reports what could not be received or sent; without a handler it is only counted. */
  onTrouble(handler: (error: MetanetError) => void): void;

  /**
   * Sends to an address and port; 255.255.255.255 and the subnet's broadcast address reach everyone on the link.
   * Datagrams of one turn leave together, in order. Never throws: what does not leave is counted and reported.
   */
  send(payload: Uint8Array, target: UdpEndpoint): void;

  /**
   * Sends one frame to a hardware address, with `target.address` in its IPv4 header: reaches a client that has been
   * promised this address and does not answer ARP for it yet. Otherwise like {@link send}.
   */
  sendToLink(payload: Uint8Array, target: LinkEndpoint): void;

  /** Sends what is waiting and lets go of the socket; harmless twice. Handlers are not called any more. */
  close(): void;
}
