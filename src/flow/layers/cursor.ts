/**
 * What one step of decoding hands on to the next: where it is and how far the packet goes. The steps are functions that
 * say what comes next, so that tunnels in tunnels are a loop.
 * @module
 */

/** What is at the cursor; `done` and `failed` end the walk. */
export const Step = {
  done: 0,
  /** `Layers.problem` says why. */
  failed: 1,
  ethernet: 2,
  /** `Cursor.etherType` says what. */
  etherType: 3,
  ipv4: 4,
  ipv6: 5,
  /** IPv4 or IPv6, by its first bits. */
  ip: 6,
  ppp: 7,
  gre: 8,
  /** A UDP payload that may be a tunnel, by its port. */
  udpTunnel: 9,
  /** IP as the payload of IP. */
  ipv4InIp: 10,
  ipv6InIp: 11,
  /** In IP or UDP what `Cursor.etherType` says: Ethernet or MPLS. */
  linkInIp: 12,
} as const;

export type Step = (typeof Step)[keyof typeof Step];

/** What the decoder was asked for, as every step needs it. */
export interface LayerOptions {
  /** Whether tunnels are opened, or are flows of their own. */
  readonly tunnels: boolean;
  /** What belongs to the key of a flow besides addresses, ports and protocol. */
  readonly key: { readonly vlan: boolean; readonly tunnel: boolean };
  /** Whether an IPv4 header with a wrong checksum is a problem; without it nobody looks. Default: false. */
  readonly verifyIpChecksum?: boolean;
}

/** The place in a frame, and what the steps need of the options. */
export class Cursor {
  /** The next byte. */
  at = 0;
  /** Where, by the headers around it, the packet ends; behind `Layers.frameEnd` when the capture is cut short. */
  limit = 0;
  /** Of what is at the cursor, when that is said so. */
  etherType = 0;
  /** Tunnels below this count are opened. */
  tunnelCountMax = 0;
  /** The packet around the tunnel that was opened last: where it is (-1: none), its end, and what it was met as. */
  outerAt = -1;
  outerEnd = 0;
  outerStep: Step = Step.failed;
  outerEncapsulation = 0;
  outerVlan = -1;
  readonly keyVlan: boolean;
  readonly keyTunnel: boolean;
  readonly verifyIpChecksum: boolean;

  constructor({ key, verifyIpChecksum }: LayerOptions) {
    this.keyVlan = key.vlan;
    this.keyTunnel = key.tunnel;
    this.verifyIpChecksum = verifyIpChecksum ?? false;
  }
}
