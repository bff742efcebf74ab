/**
 * {@link SocketHandover} over a Unix socket in the run directory: the broker's side. Nothing a client does or leaves
 * undone makes it wait: connections are few, each has a deadline, and every message fits into the kernel's buffer.
 * @module
 */
import { chownSync } from "node:fs";
import { InvariantError, UnavailableError } from "#base/errors.ts";
import type {
  HandoverPolicy,
  Refusal,
  RefusalReason,
  SocketHandover,
  SocketRequest,
} from "#io/socket-handover.ts";
import type { PeerCredentials } from "#io/stream.ts";
import { openBroadcastDescriptors } from "./datagram.ts";
import { connectHandover } from "./handover-client.ts";
import { decodeRequest, encodeAnswer, HANDOVER_BYTES_MAX } from "./handover-message.ts";
import { isErrnoError, native, READABLE, type Watch } from "./native.ts";
import { encodeSockaddrUn } from "./socket-address.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_PEERCRED,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from "./socket-constants.ts";
import { placeSocket, type SocketPlace } from "./unix-socket-file.ts";

/** Clients that are connected at once; one more is answered `busy`. */
export const CLIENT_COUNT_MAX = 16;

/** How long a client may take to say what it wants, in milliseconds. */
export const REQUEST_MILLISECONDS_MAX = 2000;

/** After which a broker without free descriptors looks at its queue again. */
const REST_MILLISECONDS = 100;

const DHCP_SERVER_PORT = 67;

/** How each kind is opened; the descriptors travel in this order. */
const OPENERS: Record<SocketRequest["kind"], (request: SocketRequest) => number[]> = {
  dhcp4: (request) => {
    const place = { interfaceName: request.interface, port: DHCP_SERVER_PORT };
    const { udp, packet } = openBroadcastDescriptors(place);
    return [udp, packet];
  },
};

export interface SocketHandoverOptions {
  /** Where to listen, such as `/run/metanet/firewall.sockets`. */
  readonly path: string;
  /** The one user who may ask, by number; becomes the owner of the socket's file. */
  readonly uid: number;
}

/** A connection that has not been answered yet. */
interface Client {
  readonly fd: number;
  readonly peer: PeerCredentials;
  readonly watch: Watch;
  readonly deadline: NodeJS.Timeout;
}

export class LinuxSocketHandover implements SocketHandover {
  readonly #uid: number;
  readonly #fd: number;
  readonly #place: SocketPlace;
  readonly #clients: Set<Client> = new Set();
  #watch: Watch | undefined;
  #policy: HandoverPolicy | undefined;
  #isClosed = false;

  private constructor(options: SocketHandoverOptions, fd: number, place: SocketPlace) {
    this.#uid = options.uid;
    this.#fd = fd;
    this.#place = place;
  }

  /**
   * Listens; the file is there when the promise is fulfilled.
   * @throws AddressInUseError when a living process listens there, PathTooLongError.
   */
  static async listen(options: SocketHandoverOptions): Promise<LinuxSocketHandover> {
    const place = await placeSocket(options.path, { mode: 0o600 }, async (path) => probe(path));
    const fd = native().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    try {
      native().bind(fd, encodeSockaddrUn(place.temporaryPath));
      native().listen(fd, CLIENT_COUNT_MAX);
      place.take();
      chownSync(options.path, options.uid, -1);
    } catch (error) {
      native().close(fd);
      throw error;
    }
    return new LinuxSocketHandover(options, fd, place);
  }

  serve(policy: HandoverPolicy): void {
    if (this.#policy) throw new InvariantError("Cannot serve sockets: it is done already");
    this.#policy = policy;
    if (this.#isClosed) return;
    this.#watch = native().watch(this.#fd, READABLE, () => this.#accept());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#watch) native().unwatch(this.#watch);
    for (const client of this.#clients) this.#drop(client);
    native().close(this.#fd);
    this.#place.leave();
  }

  #accept(): void {
    let fd = -1;
    try {
      fd = native().accept(this.#fd, SOCK_NONBLOCK);
      if (fd >= 0) this.#admit(fd, credentialsOf(fd));
    } catch (error) {
      if (!isErrnoError(error)) throw error;
      if (fd >= 0) native().close(fd);
      this.#tell({ reason: "busy", message: `Cannot accept a client: ${error.code}` });
      this.#rest();
    }
  }

  /** Out of descriptors or memory: the queue waits a moment instead of waking us on every turn of the loop. */
  #rest(): void {
    const watch = this.#watch;
    if (!watch) return;
    native().watchFor(watch, 0);
    setTimeout(() => native().watchFor(watch, READABLE), REST_MILLISECONDS).unref();
  }

  #admit(fd: number, peer: PeerCredentials): void {
    if (peer.uid !== this.#uid || this.#clients.size >= CLIENT_COUNT_MAX) {
      if (peer.uid !== this.#uid) this.#refuse(fd, peer, "denied", `user ${peer.uid} may not have sockets`);
      else this.#refuse(fd, peer, "busy", `${CLIENT_COUNT_MAX} others are asking`);
      native().close(fd);
      return;
    }
    const client: Client = {
      fd,
      peer,
      watch: native().watch(fd, READABLE, () => this.#onReadable(client)),
      deadline: setTimeout(() => this.#onDeadline(client), REQUEST_MILLISECONDS_MAX),
    };
    this.#clients.add(client);
  }

  #onDeadline(client: Client): void {
    this.#refuse(client.fd, client.peer, "silent", `nothing was asked in ${REQUEST_MILLISECONDS_MAX} ms`);
    this.#drop(client);
  }

  #onReadable(client: Client): void {
    const { fd, peer } = client;
    try {
      const request = readRequest(fd);
      if (typeof request === "string") this.#refuse(fd, peer, "malformed", request);
      else this.#answer(client, request);
    } catch (error) {
      if (!isErrnoError(error)) throw error;
      this.#tell({ reason: "silent", message: `Cannot answer: the client has gone (${error.code})`, peer });
    } finally {
      this.#drop(client);
    }
  }

  #answer({ fd, peer }: Client, request: SocketRequest): void {
    const objection = this.#policy?.decide(request, peer);
    if (objection !== undefined) {
      this.#refuse(fd, peer, "denied", objection);
      return;
    }
    const opened = open(request);
    if (typeof opened === "string") {
      this.#refuse(fd, peer, "unavailable", opened);
      return;
    }
    try {
      native().sendDescriptors(fd, encodeAnswer(), Int32Array.from(opened));
    } finally {
      for (const descriptor of opened) native().close(descriptor);
    }
    this.#policy?.onHandover?.(request, peer);
  }

  #refuse(fd: number, peer: PeerCredentials, reason: RefusalReason, message: string): void {
    try {
      native().send(fd, encodeAnswer({ reason, message }), MSG_DONTWAIT);
    } catch {
      // The client has gone; the policy is told all the same.
    }
    this.#tell({ reason, message, peer });
  }

  #tell(refusal: Refusal): void {
    this.#policy?.onRefusal?.(refusal);
  }

  #drop(client: Client): void {
    if (!this.#clients.delete(client)) return;
    clearTimeout(client.deadline);
    native().unwatch(client.watch);
    native().close(client.fd);
  }
}

/** The request, or what is wrong with it. */
function readRequest(fd: number): SocketRequest | string {
  const bytes = new Uint8Array(HANDOVER_BYTES_MAX);
  const lengths = new Int32Array(3);
  const count = native().receive(fd, bytes, MSG_DONTWAIT, undefined, undefined, lengths);
  if (((lengths[2] ?? 0) & MSG_TRUNC) !== 0) return `longer than ${HANDOVER_BYTES_MAX} bytes`;
  return decodeRequest(bytes.subarray(0, Math.max(0, count)));
}

/** The descriptors, or why there are none. */
function open(request: SocketRequest): number[] | string {
  try {
    return OPENERS[request.kind](request);
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

/** struct ucred of unix(7): pid, uid, gid, in the machine's own byte order. */
function credentialsOf(fd: number): PeerCredentials {
  const credentials = new Int32Array(3);
  native().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, new Uint8Array(credentials.buffer));
  const [pid = 0, uid = 0, gid = 0] = credentials;
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}

/** Who listens at `path`: a connection to a living broker succeeds and is given up at once. */
function probe(path: string): Partial<PeerCredentials> | undefined {
  let fd: number | undefined;
  try {
    fd = connectHandover(path);
    return fd === undefined ? {} : credentialsOf(fd);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) native().close(fd);
  }
}
