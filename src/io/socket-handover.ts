/**
 * Privileged sockets for processes without privileges: one process that has the power opens them, after asking
 * whether it may, and hands them over (unix(7), SCM_RIGHTS). The list of what can be asked for is closed.
 * @module
 */
import type { PeerCredentials } from "./stream.ts";

/** What a process may ask for: the DHCPv4 server's socket on one interface (UDP port 67 and a packet socket). */
export interface SocketRequest {
  readonly kind: "dhcp4";
  /** The interface's name, 1 to 15 characters. */
  readonly interface: string;
}

/** Why a request got no socket. */
export type RefusalReason =
  /** The asking user or the interface is not on the list. */
  | "denied"
  /** What was asked cannot be read. */
  | "malformed"
  /** Nothing was asked in time. */
  | "silent"
  /** Too many ask at once. */
  | "busy"
  /** The kernel refused to open it. */
  | "unavailable";

export interface Refusal {
  readonly reason: RefusalReason;
  /** For the log, and for the one who asked. */
  readonly message: string;
  /** Absent when the other side had gone before it could be looked at. */
  readonly peer?: PeerCredentials;
}

export interface HandoverPolicy {
  /** Why this request is not to be granted; `undefined` grants it. */
  decide(request: SocketRequest, peer: PeerCredentials): string | undefined;
  /** Told about each request that got no socket, decided by `decide` or otherwise. */
  onRefusal?(refusal: Refusal): void;
  /** Told about each socket that was handed over. */
  onHandover?(request: SocketRequest, peer: PeerCredentials): void;
}

/** The side that opens and hands over. */
export interface SocketHandover {
  /** Answers requests from now on; before this, they wait. To be called once. */
  serve(policy: HandoverPolicy): void;
  /** Takes no more requests; those being answered are cut off. Harmless twice. */
  close(): void;
}
