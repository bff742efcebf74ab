/**
 * What the connection tracker tells of a packet's connection (nf_conntrack).
 *
 * Where the kernel's queue brings the connection along (CONFIG_NETFILTER_NETLINK_GLUE_CT) all of it is exact. Other
 * kernels are asked for the packet's addresses and ports when a script reads `packet.connection`, about ten
 * microseconds each time; then
 *
 * - a connection is in the kernel's table only once its first packet has passed the last hook. What is not there is told
 *   as "new", with the packet's own addresses and id 0. That goes for packets that nobody tracks (`notrack`), and for
 *   such as the tracker finds invalid, as well: nothing tells them from first ones.
 * - the first packet of an announced connection (FTP's data) is "new", those up to the first answer are "related".
 * - a mark set on a first packet is put on the connection when the packet has passed; what passes the later hooks with
 *   this packet does not meet it yet. A packet that never passes has no connection: the mark is counted as lost.
 * - of a connection whose both addresses are translated, packets at input, forward and postrouting have the addresses of
 *   neither direction as the table has them. All such connections are listed then, by what answers or follows a packet
 *   that was not found; that takes milliseconds, and is done for a tenth of the time at most. Until it is done again,
 *   such packets are "new".
 *
 * With both: `undefined` is what has no connection by its kind, as fragments that nobody puts together (where
 * connections are tracked, the kernel does before scripts see them) and neighbour discovery. An ICMP error belongs to the
 * connection of the packet that it is about, as "related".
 * @module
 */

/** How the packet stands to its connection (enum ip_conntrack_info). */
export type ConnectionState = "new" | "established" | "related" | "untracked";

/** One direction of a connection; ports are 0 where the protocol has none. */
export interface ConnectionTuple {
  /** IPv4 as a number, IPv6 as a bigint. */
  readonly source: number | bigint;
  readonly destination: number | bigint;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The IP protocol number. */
  readonly protocol: number;
  /** Of ICMP's and ICMPv6's queries; absent elsewhere. */
  readonly identifier?: number;
}

export interface Connection {
  readonly state: ConnectionState;
  /** The packet goes from who answered to who began. */
  readonly isReply: boolean;
  /** The kernel's number for it; 0 when it told none, as before the first packet has passed. */
  readonly id: number;
  /** As the one who began sends. */
  readonly original: ConnectionTuple;
  /** As the answers come; differs from `original` turned round where addresses are translated. */
  readonly reply: ConnectionTuple;
  /** Whether packets went both ways. */
  readonly isAssured: boolean;
  /** The connection's mark, 32 bits; setting it goes with the verdict. */
  mark: number;
}
