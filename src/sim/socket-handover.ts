/**
 * {@link SocketHandover} without sockets: a test asks, and learns what the policy said.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { HandoverPolicy, SocketHandover, SocketRequest } from "#io/socket-handover.ts";
import type { PeerCredentials } from "#io/stream.ts";

export class SimSocketHandover implements SocketHandover {
  #policy: HandoverPolicy | undefined;
  #isClosed = false;

  serve(policy: HandoverPolicy): void {
    if (this.#policy) throw new InvariantError("Cannot serve sockets: it is done already");
    this.#policy = policy;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Whether `peer` gets the socket. */
  ask(request: SocketRequest, peer: PeerCredentials): boolean {
    if (!this.#policy || this.#isClosed) return false;
    const message = this.#policy.decide(request, peer);
    if (message === undefined) this.#policy.onHandover?.(request, peer);
    else this.#policy.onRefusal?.({ reason: "denied", message, peer });
    return message === undefined;
  }
}
