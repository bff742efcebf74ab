/**
 * The machine's neighbour table as an interface: which MAC address answers for an IP address on the local
 * link, and for which others it does.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";

export interface Neighbours {
  /** The MAC address that answers for an IPv4 or IPv6 address, or `undefined` when the machine knows none. */
  find(address: IpAddress): Promise<MacAddress | undefined>;
  /**
   * The addresses of both families, link-local ones included, for which each of these MAC addresses answers or lately
   * has; in the order of the question. One look at the table serves them all.
   * @throws UnavailableError when the table cannot be read.
   */
  addressesOf(macs: readonly MacAddress[]): Promise<readonly (readonly IpAddress[])[]>;
  /** Gives back what was opened; nothing must be asked afterwards. */
  close(): void;
}
