/**
 * Which headers are tunnels: what scripts that say `tunnels: false` do not look into.
 * @module
 */

const TUNNELS: ReadonlySet<string> = new Set(["gre", "vxlan", "mpls"]);
const NETWORK: ReadonlySet<string> = new Set(["ipv4", "ipv6"]);
const CARRIED: ReadonlySet<string> = new Set(["ipv4", "ipv6", "ethernet"]);

/**
 * Whether the way from one header into the next leads into a tunnel: behind GRE, VXLAN and MPLS, and from IP to IP or
 * to Ethernet. A session of PPPoE is a header of the link.
 * @param outer the name of the outer header's protocol
 */
export function isTunnelStep(outer: string, inner: string): boolean {
  return TUNNELS.has(outer) || (NETWORK.has(outer) && CARRIED.has(inner));
}
