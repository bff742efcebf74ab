/**
 * What the lab tells its listener in front of `dhcpd:/dhcpd/lookup`; hardware addresses in lower case with colons.
 * @module
 */

export interface LookupOrder {
  /** IPv4 address by hardware address. */
  readonly decide: Readonly<Record<string, string>>;
  /** Clients whose look-up is held and never answered. */
  readonly hold: readonly string[];
}
