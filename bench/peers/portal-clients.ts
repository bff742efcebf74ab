/**
 * The clients of the portal's benchmark.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";

/** The network that holds all of them. */
export const BENCH_NETWORK: string = "10.78.0.0/15";

/** Client number `index`, 0 to 131,071. */
export function benchClient(index: number): { readonly mac: MacAddress; readonly address: IpAddress } {
  const bytes = Uint8Array.of(10, 78 + (index >> 16), (index >> 8) & 255, index & 255);
  return { mac: mac(Uint8Array.of(2, 0, ...bytes)), address: ip(bytes) };
}
