/**
 * What the connection tracker tells of a packet's connection (nf_conntrack).
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
}

export interface Connection {
  readonly state: ConnectionState;
  /** The packet goes from who answered to who began. */
  readonly isReply: boolean;
  /** The kernel's number for it; 0 when it told none. */
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
