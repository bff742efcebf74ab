/**
 * The machine's neighbour table as an interface: which MAC address answers for an IP address on the local link.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";

export interface Neighbours {
  /** The MAC address that answers for an IPv4 or IPv6 address, or `undefined` when the machine knows none. */
  find(address: IpAddress): Promise<MacAddress | undefined>;
  /** Gives back what was opened; `find` must not be called afterwards. */
  close(): void;
}
