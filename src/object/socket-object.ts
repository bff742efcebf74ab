/**
 * Stream sockets as mailboxes (MetaNet paper §4): the socket sends what it reads to NAME/read, and writes what it is
 * sent at NAME/write. A slow peer holds up the writers, a slow reader holds up the peer.
 * @module
 */
import { LimitExceededError, ProtocolViolationError, UnavailableError } from "#base/errors.ts";
import { type Duration, hours, milliseconds } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import type { Stream, StreamAddress, StreamEvents, StreamListener, StreamTransport } from "#io/stream.ts";
import type { Fields, Loose, Message } from "#mailbox/message.ts";
import { answer, stop, type Verdict } from "#mailbox/verdict.ts";
import type { ObjectTable, SystemObject } from "./object-table.ts";

/** Bytes that wait for a slow peer; a write that finds so many waiting is refused. */
export const SOCKET_PENDING_BYTES_MAX = 1_048_576;

/** How long bytes may wait for a slow listener or a slow peer: the speed is theirs, so longer than other messages. */
export const SOCKET_PATIENCE: Duration = hours(24);

/** Connections one bound socket accepts at once; one more is closed at once. */
export const SOCKET_CLIENT_COUNT_MAX = 4096;

/** Makes a socket that is neither bound nor connected. */
export function makeSocket(table: ObjectTable, transport: StreamTransport, name: string): void {
  const object = table.make(name);
  let isUsed = false;
  const use = (): void => {
    if (isUsed) throw new ProtocolViolationError(`Cannot use socket ${name} again: it is bound or connected`);
    isUsed = true;
  };
  object.takes("bind", "Listen at `host` and `port`, or at the Unix socket `path`.", async (message) => {
    use();
    const listener = await listen(table, transport, object, addressOf(message));
    object.holds(() => void listener.close());
    const { address } = listener;
    return answer(
      address.kind === "tcp" ? { host: address.host, port: address.port } : { path: address.path },
    );
  });
  object.takes("connect", "Connect to `host` and `port`, or to the Unix socket `path`.", async (message) => {
    use();
    const stream = await transport.connect(addressOf(message));
    if (object.isClosed) {
      stream.close();
      throw new UnavailableError(`Cannot connect socket ${name}: it was closed meanwhile`);
    }
    const start = carry(table, object, stream);
    // The caller attaches its listeners in the turn in which it learns of the connection.
    table.bus.clock.after(milliseconds(0), start);
    return answer();
  });
  object.takes("close", "Close the socket.", () => {
    object.close();
    return stop;
  });
}

async function listen(
  table: ObjectTable,
  transport: StreamTransport,
  object: SystemObject,
  at: StreamAddress,
): Promise<StreamListener> {
  const accepted = object.sends(
    "new_client",
    "event",
    "Somebody has connected; `client` names the new socket.",
  );
  const clients = new Set<SystemObject>();
  let count = 0;
  return transport.listen(at, (stream) => {
    if (clients.size >= SOCKET_CLIENT_COUNT_MAX) return stream.close();
    count++;
    let client: SystemObject;
    try {
      client = table.make(`${object.name}/client/${count}`);
    } catch {
      // No room for one more object: the same as no room for one more connection.
      return stream.close();
    }
    clients.add(client);
    client.takes("close", "Close the connection.", () => {
      stream.close();
      return stop;
    });
    const start = carry(table, client, stream, () => clients.delete(client));
    void announce(table, accepted, { name: object.name, client: client.name, ...peerOf(stream) }).then(
      start,
      () => {
        stream.close();
        start();
      },
    );
  });
}

/** Resolves when everybody who is told of the client has had the time to attach listeners; rejects when one refuses. */
async function announce(table: ObjectTable, path: string, body: Fields): Promise<void> {
  await table.bus.send(path, body);
}

/** Joins a connected stream to its object's mailboxes; the function it gives begins delivery. */
function carry(table: ObjectTable, object: SystemObject, stream: Stream, onClosed?: () => void): () => void {
  const { bus } = table;
  const read = object.sends(
    "read",
    "event",
    "Bytes have arrived: `data`. A listener that answers later pauses the peer; reject to close.",
    SOCKET_PATIENCE,
  );
  const ended = object.sends("ended", "event", "The peer sends no more.");
  const closed = object.sends(
    "closed",
    "event",
    "The connection is over; `error` says why when nobody wished it.",
  );
  let waiting: (() => void)[] = [];
  const release = (): void => {
    const ready = waiting;
    waiting = [];
    for (const resume of ready) resume();
  };
  object.takes(
    "write",
    "Send `data`, text or bytes; done when the peer keeps up.",
    (message) => write(stream, message, (resume) => waiting.push(resume)),
    SOCKET_PATIENCE,
  );
  object.holds(() => stream.close());
  const events: StreamEvents = {
    onData: (data) => deliverData(table, read, object.name, stream, data),
    onEnd: () => {
      bus.post(ended, { name: object.name });
      stream.end();
    },
    onDrain: release,
    onClose: (error) => {
      release();
      onClosed?.();
      bus.post(closed, { name: object.name, error: error?.message });
      void Promise.resolve().then(() => object.close());
    },
  };
  // What arrives before that is kept by the stream.
  return () => stream.start(events);
}

/** Sends what was read; a listener that answers later holds up the peer, one that rejects ends the connection. */
function deliverData(table: ObjectTable, read: string, name: string, stream: Stream, data: Uint8Array): void {
  try {
    const delivered = table.bus.send(read, { name, data });
    if (!delivered) return;
    stream.pause();
    void delivered.then(
      () => stream.resume(),
      () => stream.close(),
    );
  } catch {
    stream.close();
  }
}

/** Hands bytes over; parks the message until a peer that is behind has caught up. */
function write(
  stream: Stream,
  message: Message<Loose>,
  whenDrained: (resume: () => void) => void,
): Verdict | Promise<Verdict> {
  const data = message.get("data");
  const bytes = data instanceof Uint8Array ? data : typeof data === "string" ? encodeUtf8(data) : undefined;
  if (!bytes) throw new ProtocolViolationError("Cannot write to a socket: `data` is neither text nor bytes");
  if (stream.pendingBytes >= SOCKET_PENDING_BYTES_MAX) {
    throw new LimitExceededError(`Cannot write to a socket: ${stream.pendingBytes} bytes wait for its peer`);
  }
  if (stream.write(bytes)) return stop;
  if (stream.pendingBytes === 0) throw new UnavailableError("Cannot write to a socket: it is closed");
  return new Promise((resolve) => whenDrained(() => resolve(stop)));
}

function addressOf(message: Message<Loose>): StreamAddress {
  const path = message.get("path");
  if (typeof path === "string") return { kind: "unix", path };
  const port = Number(message.get("port"));
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ProtocolViolationError(`Cannot use a socket: port '${message.get("port")}' is not 0 to 65535`);
  }
  return { kind: "tcp", host: String(message.get("host") ?? "127.0.0.1"), port };
}

function peerOf(stream: Stream): { peerhost?: string; peerport?: number } {
  const { remote } = stream;
  return remote?.kind === "tcp" ? { peerhost: remote.host, peerport: remote.port } : {};
}
