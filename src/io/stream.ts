/**
 * Byte streams as we ask for them: Unix sockets, TCP and TLS look the same to their users, as the Twisted paper's
 * transports do. `linux/` answers with Node's sockets, `sim/` with pairs in memory; `test/contract/stream.test.ts`
 * holds both to what is written here.
 * @module
 */
import { ConfigurationError, UnavailableError } from "#base/errors.ts";

/** The longest path a Unix socket can have: `sun_path` of unix(7) less its terminating zero. */
export const UNIX_PATH_BYTES_MAX = 107;

/** Where a stream goes to or comes from. */
export type StreamAddress =
  | { readonly kind: "unix"; readonly path: string }
  /** Port 0 in a listener's address means any free one; the listener then tells which. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Who is at the other end of a Unix socket, as the kernel saw it when the connection was made (SO_PEERCRED). */
export interface PeerCredentials {
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  readonly pid: number;
  /** The supplementary groups, where the kernel tells them (SO_PEERGROUPS, Linux 4.13). */
  readonly groups?: readonly number[];
}

/** What a stream tells its user. No call is made before {@link Stream.start} or after `onClose`. */
export interface StreamEvents {
  /** Bytes in the order they were sent, cut anywhere; they may be kept, but not changed. */
  onData(bytes: Uint8Array): void;
  /** The peer will send no more. Without this function the stream ends in answer; with it, `end` is the user's. */
  onEnd?(): void;
  /** After a `write` that returned false: everything handed over has been taken. */
  onDrain?(): void;
  /** Exactly once, whoever closed; `error` when it was neither side's wish. */
  onClose(error?: UnavailableError): void;
}

/** One connection. */
export interface Stream {
  /** What the kernel knows of the other end; absent where there is nothing to know (TCP, no native addon). */
  readonly peer?: PeerCredentials;
  /** The other end's address, where it has one. */
  readonly remote?: StreamAddress;
  /** Bytes handed to `write` and not yet taken by the other side's buffer. */
  readonly pendingBytes: number;
  /** Begins delivery; what arrived before has been kept. To be called once. */
  start(events: StreamEvents): void;
  /**
   * Hands over bytes, which must not change until they have been taken (`pendingBytes` is 0 again). False means that the other side is not keeping up: they are
   * kept and will be sent, and `onDrain` follows. After `end` or `close` they are dropped and the answer is false.
   */
  write(bytes: Uint8Array): boolean;
  /** Stops delivery, and with it the peer, until `resume`; back-pressure for a slow reader. */
  pause(): void;
  resume(): void;
  /** Sends what was handed over, then tells the peer that no more comes. */
  end(): void;
  /** Closes both ways at once; bytes not yet taken are lost. Harmless when closed already. */
  close(): void;
}

/** What can be chosen about a listener. */
export interface ListenOptions {
  /** Mode of a Unix socket's file; 0o600 when absent. */
  readonly mode?: number;
  /** User that a Unix socket's file is given to, by number; unchanged when absent. */
  readonly uid?: number;
  /** The same for its group. */
  readonly gid?: number;
}

/** A place where streams arrive. */
export interface StreamListener {
  /** Where it listens, with the port that was chosen. */
  readonly address: StreamAddress;
  /** Takes no more; streams already accepted live on. Removes its own socket file, never somebody else's. */
  close(): Promise<void>;
}

/** How streams are made. */
export interface StreamTransport {
  /**
   * Accepts streams; `onStream` is to call `start` before it returns or soon after.
   * @throws PathTooLongError, AddressInUseError, UnavailableError
   */
  listen(
    address: StreamAddress,
    onStream: (stream: Stream) => void,
    options?: ListenOptions,
  ): Promise<StreamListener>;
  /** @throws PathTooLongError, NobodyThereError, NoAccessError, UnavailableError */
  connect(address: StreamAddress): Promise<Stream>;
}

/** A Unix socket's path does not fit into the kernel's structure; Node would cut it off silently. */
export class PathTooLongError extends ConfigurationError {
  override readonly code = "path-too-long";
}

/** Somebody alive listens there already. */
export class AddressInUseError extends UnavailableError {
  override readonly code = "address-in-use";
}

/** Nobody listens there: no file, no process behind it, or the connection was refused. */
export class NobodyThereError extends UnavailableError {
  override readonly code = "nobody-there";
}

/** Somebody listens there, but not for this user (file permissions). */
export class NoAccessError extends UnavailableError {
  override readonly code = "no-access";
}

/** An address as people write it: the path, or `host:port`. */
export function formatStreamAddress(address: StreamAddress): string {
  if (address.kind === "unix") return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
