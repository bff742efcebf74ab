/**
 * The leases as pages of columns: what `/dhcpd/leases` answers.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import { IpAddress } from "#base/ip-address.ts";
import { Timestamp } from "#base/time.ts";
import type { Lease } from "#protocol/dhcp4/lease.ts";
import type { ServedSubnet } from "./config.ts";

/** Leases of one page at the most. */
export const PAGE_COUNT_MAX = 1000;

/** Addresses one page looks at, at the most, so that a sparse subnet does not hold up the server. */
export const PAGE_SCAN_COUNT_MAX = 65_536;

export interface LeaseQuery {
  readonly state?: string | undefined;
  readonly after?: IpAddress | undefined;
  readonly limit?: number | undefined;
}

/** What `/dhcpd/leases` answers. */
export interface LeasePage {
  readonly address: readonly IpAddress[];
  readonly client: readonly string[];
  readonly chaddr: readonly string[];
  readonly state: readonly string[];
  readonly expires: readonly Timestamp[];
  readonly hostname: readonly string[];
  readonly next?: IpAddress;
}

/** One page of leases, in the order of their addresses. */
export function listLeases(subnets: readonly ServedSubnet[], query: LeaseQuery): LeasePage {
  const limit = Math.min(PAGE_COUNT_MAX, Math.max(1, query.limit ?? PAGE_COUNT_MAX));
  const behind = query.after?.toUint32() ?? -1;
  const leases: Lease[] = [];
  let scanned = 0;
  for (const { prefix, subnet } of subnets.toSorted(byAddress)) {
    const first = prefix.address.toUint32();
    const last = first + 2 ** (32 - prefix.lengthBits) - 1;
    for (let address = Math.max(first, behind + 1); address <= last; address++) {
      const lease = subnet.leases.at(address);
      if (lease && (query.state === undefined || lease.state === query.state)) leases.push(lease);
      if (leases.length === limit || ++scanned === PAGE_SCAN_COUNT_MAX) return pageOf(leases, address);
    }
  }
  return pageOf(leases);
}

function byAddress(left: ServedSubnet, right: ServedSubnet): number {
  return left.prefix.address.toUint32() - right.prefix.address.toUint32();
}

function pageOf(leases: readonly Lease[], next?: number): LeasePage {
  return {
    address: leases.map(({ address }) => IpAddress.fromUint32(address)),
    client: leases.map(({ client }) => client.key),
    chaddr: leases.map(({ client }) => formatHex(client.chaddr, ":")),
    state: leases.map(({ state }) => state),
    expires: leases.map(({ expires }) => new Timestamp(expires)),
    hostname: leases.map(({ client }) => client.hostName ?? ""),
    ...(next === undefined ? {} : { next: IpAddress.fromUint32(next) }),
  };
}
