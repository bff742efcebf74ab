/**
 * A world in which streams are made: listeners by address, and one transport for each process, which a test can
 * stop and kill. It answers directory watches as well, with the names of the Unix listeners.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { DirectoryWatch, DirectoryWatcher } from "#io/directory-watcher.ts";
import {
  AddressInUseError,
  formatStreamAddress,
  type ListenOptions,
  NobodyThereError,
  PathTooLongError,
  type PeerCredentials,
  type Stream,
  type StreamAddress,
  type StreamListener,
  type StreamTransport,
  UNIX_PATH_BYTES_MAX,
} from "#io/stream.ts";
import { SimStream } from "./stream.ts";

/** The port that the first TCP listener without one gets (RFC 6335 §6, the dynamic ports). */
const FIRST_FREE_PORT = 49_152;

export interface SimStreamOptions {
  readonly clock: Clock;
  /** How long bytes, ends and closings travel; 0 unless told otherwise. */
  readonly delay?: Duration;
}

/** Every transport made from a network reaches every other's listeners. */
export class SimStreamNetwork implements DirectoryWatcher {
  readonly clock: Clock;
  /** May be changed at any time, for bytes written from then on. */
  delay: Duration;
  readonly #listeners: Map<string, SimListener> = new Map();
  readonly #watches: Map<() => void, string> = new Map();

  constructor(options: SimStreamOptions) {
    this.clock = options.clock;
    this.delay = options.delay ?? milliseconds(0);
  }

  /** The transport of one process; `credentials` is what its peers see. */
  transport(credentials?: PeerCredentials): SimStreamTransport {
    return new SimStreamTransport(this, credentials);
  }

  /** Two sides of one connection; each sees the other's credentials. */
  pair(left?: PeerCredentials, right?: PeerCredentials): [left: SimStream, right: SimStream] {
    const one = new SimStream(this, right);
    const other = new SimStream(this, left);
    SimStream.join(one, other);
    return [one, other];
  }

  /** {@link DirectoryWatcher}: the names of the sockets in a directory. */
  list(path: string): readonly string[] {
    const unix = [...this.#listeners.keys()].filter((key) => key.startsWith(`${path}/`));
    return unix.map((key) => key.slice(path.length + 1));
  }

  /** {@link DirectoryWatcher}. */
  watch(path: string, onChange: () => void): DirectoryWatch {
    this.#watches.set(onChange, path);
    return { close: () => this.#watches.delete(onChange) };
  }

  find(address: StreamAddress): SimListener | undefined {
    return this.#listeners.get(formatStreamAddress(address));
  }

  add(listener: SimListener): void {
    this.#listeners.set(formatStreamAddress(listener.address), listener);
    this.#tell();
  }

  remove(listener: SimListener): void {
    if (this.find(listener.address) !== listener) return;
    this.#listeners.delete(formatStreamAddress(listener.address));
    this.#tell();
  }

  #tell(): void {
    for (const onChange of this.#watches.keys()) this.clock.after(milliseconds(0), onChange);
  }
}

/** All that one process does with streams. */
export class SimStreamTransport implements StreamTransport {
  /** Streams this process has made or accepted, in that order. */
  readonly streams: SimStream[] = [];
  readonly #network: SimStreamNetwork;
  readonly #credentials: PeerCredentials | undefined;
  readonly #listeners: SimListener[] = [];
  #stalled = false;

  constructor(network: SimStreamNetwork, credentials: PeerCredentials | undefined) {
    this.#network = network;
    this.#credentials = credentials;
  }

  async listen(
    address: StreamAddress,
    onStream: (stream: Stream) => void,
    _options?: ListenOptions,
  ): Promise<StreamListener> {
    checkPath(address);
    const chosen = this.#choose(address);
    if (this.#network.find(chosen)) {
      const where = formatStreamAddress(chosen);
      throw new AddressInUseError(`Cannot listen at ${where}: another process of this name is running`);
    }
    const listener = new SimListener(this.#network, chosen, this.#credentials, (stream) => {
      this.#own(stream);
      onStream(stream);
    });
    this.#network.add(listener);
    this.#listeners.push(listener);
    return listener;
  }

  async connect(address: StreamAddress): Promise<Stream> {
    checkPath(address);
    const listener = this.#network.find(address);
    if (!listener) {
      throw new NobodyThereError(`Cannot connect to ${formatStreamAddress(address)}: nobody listens there`);
    }
    const [mine, theirs] = this.#network.pair(this.#credentials, listener.credentials);
    this.#own(mine);
    this.#network.clock.after(this.#network.delay, () => listener.accept(theirs));
    return mine;
  }

  /** As SIGSTOP: nothing is received, nothing is noticed, the peers see no end. */
  stall(): void {
    this.#stalled = true;
    for (const stream of this.streams) stream.stall();
  }

  /** As SIGCONT. */
  unstall(): void {
    this.#stalled = false;
    for (const stream of this.streams) stream.unstall();
  }

  /** As kill -9: every stream is reset and no listener is left; the process itself hears nothing. */
  kill(): void {
    for (const listener of this.#listeners) this.#network.remove(listener);
    for (const stream of this.streams) stream.kill();
  }

  #choose(address: StreamAddress): StreamAddress {
    if (address.kind !== "tcp" || address.port !== 0) return address;
    let port = FIRST_FREE_PORT;
    while (this.#network.find({ ...address, port })) port++;
    return { ...address, port };
  }

  #own(stream: SimStream): void {
    this.streams.push(stream);
    if (this.#stalled) stream.stall();
  }
}

class SimListener implements StreamListener {
  readonly address: StreamAddress;
  readonly credentials: PeerCredentials | undefined;
  readonly #network: SimStreamNetwork;
  readonly #onStream: (stream: SimStream) => void;
  #closed = false;

  constructor(
    network: SimStreamNetwork,
    address: StreamAddress,
    credentials: PeerCredentials | undefined,
    onStream: (stream: SimStream) => void,
  ) {
    this.#network = network;
    this.address = address;
    this.credentials = credentials;
    this.#onStream = onStream;
  }

  accept(stream: SimStream): void {
    if (this.#closed) stream.kill();
    else this.#onStream(stream);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#network.remove(this);
  }
}

function checkPath(address: StreamAddress): void {
  if (address.kind !== "unix" || address.path.length <= UNIX_PATH_BYTES_MAX) return;
  throw new PathTooLongError(
    `Cannot use socket path '${address.path}': ${address.path.length} bytes, at most ${UNIX_PATH_BYTES_MAX} fit`,
  );
}
