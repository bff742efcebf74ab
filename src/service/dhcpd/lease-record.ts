/**
 * Leases as rows of the store: the address is the key, the rest a JSON array, in the order of {@link formatLease}.
 * @module
 */
import { formatHex, parseHex } from "#base/hex.ts";
import { IpAddress, ip } from "#base/ip-address.ts";
import { type Instant, instant } from "#base/time.ts";
import type { StoreValue, StoreWrite } from "#io/store.ts";
import type { LeaseClient, LeaseState } from "#protocol/dhcp4/lease.ts";
import type { KeptLease } from "#protocol/dhcp4/lease-table.ts";

/** The store's table of leases. */
export const LEASE_TABLE = "lease";

/** The write that keeps a lease. */
export function formatLease(
  address: number,
  state: LeaseState,
  client: LeaseClient,
  expires: Instant,
): StoreWrite {
  const { key, chaddr, hostName } = client;
  const value = JSON.stringify([state, key, formatHex(chaddr), expires, hostName ?? ""]);
  return { table: LEASE_TABLE, key: String(IpAddress.fromUint32(address)), value };
}

const STATES: readonly unknown[] = ["bound", "released", "expired", "declined"];

/** The lease of a row; `undefined` when the row is not one of ours. */
export function parseLease(key: string, value: StoreValue): KeptLease | undefined {
  try {
    const row: unknown = JSON.parse(String(value));
    if (!Array.isArray(row)) return undefined;
    const [state, clientKey, chaddr, expires, hostName] = row as unknown[];
    if (!STATES.includes(state) || typeof clientKey !== "string" || typeof chaddr !== "string")
      return undefined;
    if (typeof expires !== "number" || typeof hostName !== "string") return undefined;
    return {
      address: ip(key).toUint32(),
      state: state as LeaseState,
      client: { key: clientKey, chaddr: parseHex(chaddr), hostName: hostName === "" ? undefined : hostName },
      expires: instant(expires),
    };
  } catch {
    return undefined;
  }
}
