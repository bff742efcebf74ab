/**
 * HTTP servers over `node:http`: its parser and its timers, with our limits, our refusals and a count for each.
 * Nothing a client sends gets past here as an exception.
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ConfigurationError, InvariantError, type MetanetError, UnavailableError } from "#base/errors.ts";
import { type IpAddress, ip } from "#base/ip-address.ts";
import {
  emptyHttpCounts,
  HTTP_LIMITS,
  HTTP_REFUSALS,
  type HttpCounts,
  type HttpEndpoint,
  type HttpHandler,
  type HttpLimits,
  type HttpListenAt,
  type HttpRefusal,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  type HttpServers,
  splitTarget,
  usableHost,
} from "#io/http-server.ts";
import { AddressInUseError } from "#io/stream.ts";

/** The machine's own HTTP servers. */
export class LinuxHttpServers implements HttpServers {
  async listen(
    at: HttpListenAt,
    handler: HttpHandler,
    limits: Partial<HttpLimits> = {},
  ): Promise<HttpServer> {
    const server = new LinuxHttpServer(handler, { ...HTTP_LIMITS, ...limits });
    await server.open(at);
    return server;
  }
}

class LinuxHttpServer implements HttpServer {
  readonly #handler: HttpHandler;
  readonly #limits: HttpLimits;
  readonly #server: Server;
  readonly #counts: HttpCounts = emptyHttpCounts();
  readonly #sockets = new Set<Socket>();
  /** Both ends of each connection, parsed once rather than per request. */
  readonly #ends = new WeakMap<Socket, Ends>();
  #local: HttpEndpoint | undefined;
  /** This end of every connection, when it is the same for all. */
  #ownEnd: HttpEndpoint | undefined;

  constructor(handler: HttpHandler, limits: HttpLimits) {
    this.#handler = handler;
    this.#limits = limits;
    this.#server = createServer(
      {
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.headerTimeout,
        requestTimeout: limits.requestTimeout,
        keepAliveTimeout: limits.idleTimeout,
        // Node looks for slow clients this often; a quarter keeps a time-out within 25 % of what was asked.
        connectionsCheckingInterval: Math.max(20, Math.min(1000, limits.headerTimeout / 4)),
        requireHostHeader: false, // ours answers with a body and counts
        noDelay: true,
      },
      (incoming, outgoing) => this.#receive(incoming, outgoing),
    );
    this.#server.maxConnections = limits.connectionCountMax;
    this.#server.on("drop", () => this.#counts.refused++);
    this.#server.on("connection", (socket) => this.#keep(socket));
    this.#server.on("clientError", (cause: NodeJS.ErrnoException, socket) => this.#refuse(cause, socket));
  }

  get local(): HttpEndpoint {
    if (!this.#local) throw new InvariantError("Cannot tell where the HTTP server listens: it does not yet");
    return this.#local;
  }

  get counts(): Readonly<HttpCounts> {
    return this.#counts;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  async open(at: HttpListenAt): Promise<void> {
    const where = "fd" in at ? `descriptor ${at.fd}` : `${at.address} port ${at.port}`;
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: NodeJS.ErrnoException): void => {
        reject(listenError(where, cause));
      };
      this.#server.once("error", failed);
      const options = "fd" in at ? { fd: at.fd } : { host: at.address.toString(), port: at.port };
      this.#server.listen(options, () => {
        this.#server.removeListener("error", failed);
        resolve();
      });
    });
    // Later errors of a listening socket (out of descriptors) concern one connection, which is gone already.
    this.#server.on("error", () => this.#counts.refused++);
    const bound = this.#server.address() as AddressInfo;
    this.#local = { address: plainAddress(bound.address), port: bound.port };
    // Who listens on one address is reached at no other.
    if (!/^(0\.0\.0\.0|::)$/.test(bound.address)) this.#ownEnd = this.#local;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #endsOf(socket: Socket): Ends | undefined {
    const known = this.#ends.get(socket);
    if (known) return known;
    // A client that has gone already has no address any more.
    if (socket.remoteAddress === undefined) return undefined;
    if (!this.#ownEnd && socket.localAddress === undefined) return undefined;
    const ends = {
      peer: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
      local: this.#ownEnd ?? {
        address: plainAddress(socket.localAddress ?? ""),
        port: socket.localPort ?? 0,
      },
    };
    this.#ends.set(socket, ends);
    return ends;
  }

  /** Reads the body, then asks the handler; both within their limits. */
  #receive(incoming: IncomingMessage, outgoing: ServerResponse): void {
    outgoing.on("error", () => outgoing.destroy());
    const ends = this.#endsOf(incoming.socket);
    if (!ends) {
      incoming.socket.destroy();
      return;
    }
    const read = readHead(incoming);
    if (typeof read === "string") {
      this.#answerRefusal(outgoing, read);
      return;
    }
    if (isBodyless(incoming)) {
      this.#handle(new LinuxHttpRequest(incoming, read, ends, NO_BODY), outgoing);
      return;
    }
    const max = this.#limits.bodyBytesMax;
    if (Number(incoming.headers["content-length"] ?? 0) > max) {
      this.#answerRefusal(outgoing, "bodiesTooLarge");
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= max) chunks.push(chunk);
      else if (!outgoing.headersSent) this.#answerRefusal(outgoing, "bodiesTooLarge");
    });
    incoming.on("error", () => outgoing.destroy());
    incoming.on("end", () => {
      if (size > max) return;
      this.#handle(new LinuxHttpRequest(incoming, read, ends, Buffer.concat(chunks)), outgoing);
    });
  }

  #handle(request: HttpRequest, outgoing: ServerResponse): void {
    this.#counts.requests++;
    let answer: HttpResponse | Promise<HttpResponse>;
    try {
      answer = this.#handler(request);
    } catch {
      this.#answerRefusal(outgoing, "handlerFailures");
      return;
    }
    if (!(answer instanceof Promise)) {
      this.#answer(outgoing, answer);
      return;
    }
    const timer = setTimeout(() => {
      if (!outgoing.headersSent) this.#answerRefusal(outgoing, "handlerTimeouts");
    }, this.#limits.handlerTimeout);
    answer
      .then(
        (response) => this.#answer(outgoing, response),
        () => this.#answerRefusal(outgoing, "handlerFailures"),
      )
      .finally(() => clearTimeout(timer));
  }

  #answer(outgoing: ServerResponse, response: HttpResponse): void {
    if (outgoing.headersSent || outgoing.destroyed) return;
    try {
      write(outgoing, response);
    } catch {
      // A field or status that HTTP cannot carry: the handler's fault.
      if (!outgoing.headersSent) this.#answerRefusal(outgoing, "handlerFailures");
      else outgoing.destroy();
    }
  }

  #answerRefusal(outgoing: ServerResponse, kind: HttpRefusal): void {
    if (outgoing.headersSent || outgoing.destroyed) return;
    this.#counts[kind]++;
    write(outgoing, HTTP_REFUSALS[kind]);
  }

  /** What Node could not read at all: there is a socket, but no request. */
  #refuse(cause: NodeJS.ErrnoException, socket: Duplex): void {
    const kind = REFUSAL_OF_CODE[cause.code ?? ""] ?? "malformed";
    // ECONNRESET: the client left; there is nobody to answer and nothing wrong with the bytes.
    if (cause.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    this.#counts[kind]++;
    const { status, headers, body } = HTTP_REFUSALS[kind];
    const fields = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = Buffer.byteLength(body as string);
    socket.end(
      `HTTP/1.1 ${status} Refused\r\n${fields.join("")}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
}

const REFUSAL_OF_CODE: Readonly<Record<string, HttpRefusal>> = {
  HPE_HEADER_OVERFLOW: "headersTooLarge",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "headersTooLarge",
  ERR_HTTP_REQUEST_TIMEOUT: "slow",
};

const NO_BODY = new Uint8Array(0);

/** Whether nothing follows the fields (RFC 9112 §6.3). */
function isBodyless({ headers }: IncomingMessage): boolean {
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

/** The ends of a connection. */
interface Ends {
  readonly peer: HttpEndpoint;
  readonly local: HttpEndpoint;
}

/** What a request line and the Host field say. */
interface Head {
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

class LinuxHttpRequest implements HttpRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly body: Uint8Array;
  readonly peer: HttpEndpoint;
  readonly local: HttpEndpoint;
  readonly #raw: readonly string[];
  #headers: ReadonlyMap<string, string> | undefined;

  constructor(incoming: IncomingMessage, head: Head, ends: Ends, body: Uint8Array) {
    this.method = incoming.method ?? "GET";
    this.host = head.host;
    this.path = head.path;
    this.query = head.query;
    this.body = body;
    this.peer = ends.peer;
    this.local = ends.local;
    this.#raw = incoming.rawHeaders;
  }

  /** Put in order for the first who asks: most requests are redirected without a look at them. */
  get headers(): ReadonlyMap<string, string> {
    this.#headers ??= readFields(this.#raw);
    return this.#headers;
  }
}

function readFields(raw: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    const value = raw[index + 1] as string;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

/** What a request is for, or why that cannot be told. */
function readHead(incoming: IncomingMessage): Head | "malformed" | "hostless" {
  const target = splitTarget(incoming.url ?? "");
  if (!target) return "malformed";
  const raw = incoming.rawHeaders;
  let field: string | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string;
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    // RFC 9112 §3.2: more than one Host is an error, even with an absolute target.
    if (field !== undefined) return "hostless";
    field = raw[index + 1] as string;
  }
  if (field === undefined) return "hostless";
  const host = usableHost(target.host ?? field);
  return host === undefined ? "hostless" : { host, path: target.path, query: target.query };
}

function write(outgoing: ServerResponse, response: HttpResponse): void {
  const body = response.body ?? "";
  const lengthBytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  if (response.close) outgoing.shouldKeepAlive = false;
  outgoing.writeHead(response.status, { ...response.headers, "content-length": String(lengthBytes) });
  outgoing.end(body);
}

function listenError(where: string, cause: NodeJS.ErrnoException): MetanetError {
  const text = `Cannot listen for HTTP on ${where}`;
  if (cause.code === "EADDRINUSE") {
    return new AddressInUseError(`${text}: another program listens there already`, { cause });
  }
  if (cause.code === "EACCES") {
    return new ConfigurationError(
      `${text}: not permitted; ports below 1024 need root or a passed descriptor`,
      {
        cause,
      },
    );
  }
  return new UnavailableError(`${text}: ${cause.message}`, { cause });
}

/** The address of a socket's end, without a zone, and as IPv4 where IPv6 only wraps it (RFC 4291 §2.5.5.2). */
function plainAddress(text: string): IpAddress {
  const [bare = text] = text.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return ip(mapped?.[1] ?? bare);
}
