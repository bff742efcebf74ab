/**
 * What the lab tells the relay in the visitor's namespace.
 * @module
 */

/** A web site of the lab, the address the user's browser has for it, and the socket between. */
export interface RelayedSite {
  /** Origin inside the lab. */
  readonly inside: string;
  /** Origin for the user's browser. */
  readonly outside: string;
  readonly socket: string;
}

export interface RelayOrder {
  readonly portal: RelayedSite;
  readonly site: RelayedSite;
  readonly proxy: { readonly socket: string };
}
