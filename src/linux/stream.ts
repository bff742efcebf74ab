/**
 * Streams over Node's sockets: Unix (unix(7)) and TCP. Errno codes become the classes of `io/stream.ts` here and
 * nowhere else.
 * @module
 */
import { connect, createServer, type Server, Socket } from "node:net";
import { UnavailableError } from "#base/errors.ts";
import {
  AddressInUseError,
  formatStreamAddress,
  type ListenOptions,
  NoAccessError,
  NobodyThereError,
  type PeerCredentials,
  type Stream,
  type StreamAddress,
  type StreamEvents,
  type StreamListener,
  type StreamTransport,
} from "#io/stream.ts";
import { peerCredentials } from "./peer-credentials.ts";
import type { ReservedSocket } from "./reserved-socket.ts";
import { checkUnixPath, placeSocket, type SocketPlace } from "./unix-socket-file.ts";

/** Connections that wait to be accepted; the kernel's own limit (net.core.somaxconn) may be lower. */
const BACKLOG_COUNT = 511;

export class LinuxStreamTransport implements StreamTransport {
  #reserved: ReservedSocket | undefined;

  /** With a `reserved` socket, listening at its path is listening there. */
  constructor(reserved?: ReservedSocket) {
    this.#reserved = reserved;
  }

  async listen(
    address: StreamAddress,
    onStream: (stream: Stream) => void,
    options: ListenOptions = {},
  ): Promise<StreamListener> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      onStream(new LinuxStream(socket, address.kind === "unix")),
    );
    const reserved = this.#reserved;
    if (address.kind === "unix" && reserved?.path === address.path) {
      this.#reserved = undefined;
      await bind(server, { fd: reserved.fd, backlog: BACKLOG_COUNT }, address);
      return new LinuxListener(server, address, undefined);
    }
    if (address.kind === "unix") {
      const place = await placeSocket(address.path, options, probeSocket);
      await bind(server, { path: place.temporaryPath, backlog: BACKLOG_COUNT }, address);
      try {
        place.take();
      } catch (error) {
        server.close();
        throw error;
      }
      return new LinuxListener(server, address, place);
    }
    await bind(server, { host: address.host, port: address.port, backlog: BACKLOG_COUNT }, address);
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
    return new LinuxListener(server, { ...address, port }, undefined);
  }

  async connect(address: StreamAddress): Promise<Stream> {
    if (address.kind === "unix") checkUnixPath(address.path);
    const options =
      address.kind === "unix"
        ? { path: address.path, allowHalfOpen: true }
        : { host: address.host, port: address.port, allowHalfOpen: true, noDelay: true };
    const socket = connect(options);
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void => reject(connectError(address, cause));
      socket.once("error", refuse);
      socket.once("connect", () => {
        socket.off("error", refuse);
        resolve();
      });
    });
    return new LinuxStream(socket, address.kind === "unix");
  }
}

/** Who listens at a path: their credentials, `{}` when they have none, `undefined` when nobody is alive there. */
export async function probeSocket(path: string): Promise<Partial<PeerCredentials> | undefined> {
  const socket = new Socket();
  return await new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Anything but these two means that somebody is there, only busy or not for us.
      resolve(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? undefined : {});
    });
    socket.connect({ path }, () => {
      const peer = peerCredentials(socket) ?? {};
      socket.destroy();
      resolve(peer);
    });
  });
}

const LISTEN_ERRORS: Record<string, typeof AddressInUseError | typeof NoAccessError> = {
  EADDRINUSE: AddressInUseError,
  EACCES: NoAccessError,
};

function bind(server: Server, options: object, address: StreamAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const text = `Cannot listen at ${formatStreamAddress(address)}: ${cause.code ?? cause.message}`;
      const Refused = LISTEN_ERRORS[cause.code ?? ""] ?? UnavailableError;
      reject(new Refused(text, { cause }));
    });
    server.listen(options, () => resolve());
  });
}

function connectError(address: StreamAddress, cause: NodeJS.ErrnoException): UnavailableError {
  const where = formatStreamAddress(address);
  switch (cause.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return new NobodyThereError(`Cannot connect to ${where}: nobody listens there`, { cause });
    case "EACCES":
      return new NoAccessError(`Cannot connect to ${where}: its file permissions do not allow it`, {
        cause,
      });
    case "EAGAIN":
      return new UnavailableError(`Cannot connect to ${where}: too many wait there already`, { cause });
    default:
      return new UnavailableError(`Cannot connect to ${where}: ${cause.code ?? cause.message}`, { cause });
  }
}

class LinuxListener implements StreamListener {
  readonly address: StreamAddress;
  readonly #server: Server;
  readonly #place: SocketPlace | undefined;
  #closed = false;

  constructor(server: Server, address: StreamAddress, place: SocketPlace | undefined) {
    this.#server = server;
    this.address = address;
    this.#place = place;
    server.on("error", () => undefined); // accept() failing (EMFILE) must not end the process; the next one may do.
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#place?.leave();
    // The callback waits for open streams as well, which live on: nobody waits for it.
    this.#server.close();
  }
}

export class LinuxStream implements Stream {
  declare readonly peer?: PeerCredentials;
  declare readonly remote?: StreamAddress;
  readonly #socket: Socket;
  #error: UnavailableError | undefined;
  #ended = false;
  #closed = false;
  #events: StreamEvents | undefined;

  constructor(socket: Socket, unix: boolean) {
    this.#socket = socket;
    const peer = unix ? peerCredentials(socket) : undefined;
    if (peer) this.peer = peer;
    if (!unix && socket.remoteAddress !== undefined && socket.remotePort !== undefined) {
      this.remote = { kind: "tcp", host: socket.remoteAddress, port: socket.remotePort };
    }
    // Kept until start(): a peer may go away before anybody looks.
    socket.on("error", (cause: NodeJS.ErrnoException) => {
      this.#error = new UnavailableError(`Cannot go on with the stream: ${cause.code ?? cause.message}`, {
        cause,
      });
    });
    // Node tells of an end without bytes before it even while nobody reads, and tells it once.
    socket.on("end", () => {
      this.#ended = true;
      this.#tellEnd();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#events?.onClose(this.#error);
    });
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    const socket = this.#socket;
    if (this.#closed) {
      void Promise.resolve().then(() => events.onClose(this.#error));
      return;
    }
    socket.on("data", (chunk: Buffer) => {
      // Plain, since a Buffer's slice() shares memory where a Uint8Array's copies.
      events.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    });
    socket.on("drain", () => events.onDrain?.());
    if (this.#ended) void Promise.resolve().then(() => this.#tellEnd());
    else socket.resume();
  }

  #tellEnd(): void {
    if (!this.#events || this.#closed) return;
    if (this.#events.onEnd) this.#events.onEnd();
    else this.#socket.end();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || !this.#socket.writable) return false;
    return this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
