/**
 * HTTP servers in memory: clients are calls, time is a {@link Clock}, and limits, refusals and counts are those of
 * the real ones, so that a service cannot tell which it has.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { UnavailableError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { encodeUtf8 } from "#base/utf8.ts";
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

/** The first port given out where port 0 was asked for. */
const EPHEMERAL_PORT = 49_152;

/** A request as a client writes it. */
export interface SimHttpRequest {
  /** `GET` unless told otherwise. */
  readonly method?: string;
  /** Origin-form or absolute-form (RFC 9112 §3.2). */
  readonly target: string;
  /** In order, repeated ones kept; nothing is added, not even Host. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
}

/** A response as a client reads it. */
export interface SimHttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Every server of one simulated machine. */
export class SimHttpServers implements HttpServers {
  readonly #clock: Clock;
  readonly #servers = new Map<string, SimHttpServer>();
  #nextPort = EPHEMERAL_PORT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async listen(
    at: HttpListenAt,
    handler: HttpHandler,
    limits: Partial<HttpLimits> = {},
  ): Promise<SimHttpServer> {
    if ("fd" in at)
      throw new UnavailableError(`Cannot listen for HTTP on descriptor ${at.fd}: none is simulated`);
    const local = { address: at.address, port: at.port === 0 ? this.#nextPort++ : at.port };
    const key = keyOf(local);
    if (this.#servers.has(key)) {
      throw new AddressInUseError(
        `Cannot listen for HTTP on ${local.address} port ${local.port}: another program listens there already`,
      );
    }
    const server = new SimHttpServer({
      clock: this.#clock,
      local,
      handler,
      limits: { ...HTTP_LIMITS, ...limits },
      onClose: () => this.#servers.delete(key),
    });
    this.#servers.set(key, server);
    return server;
  }

  /**
   * Connects as a client.
   * @throws UnavailableError when nobody listens there, or the server has all the connections it takes.
   */
  connect(
    to: HttpEndpoint,
    from: HttpEndpoint = { address: ip("192.0.2.1"), port: 40_000 },
  ): SimHttpConnection {
    const server = this.#servers.get(keyOf(to));
    if (!server)
      throw new UnavailableError(`Cannot connect to ${to.address} port ${to.port}: nobody listens`);
    return server.accept(from);
  }
}

/** A client's connection. */
export interface SimHttpConnection {
  readonly isOpen: boolean;
  /** @throws UnavailableError when the connection is closed, by either side. */
  request(request: SimHttpRequest): Promise<SimHttpResponse>;
  close(): void;
}

interface SimHttpServerOptions {
  readonly clock: Clock;
  readonly local: HttpEndpoint;
  readonly handler: HttpHandler;
  readonly limits: HttpLimits;
  readonly onClose: () => void;
}

/** One simulated server. */
export class SimHttpServer implements HttpServer {
  readonly local: HttpEndpoint;
  readonly #options: SimHttpServerOptions;
  readonly #counts: HttpCounts = emptyHttpCounts();
  readonly #connections = new Set<{ isOpen: boolean }>();

  constructor(options: SimHttpServerOptions) {
    this.#options = options;
    this.local = options.local;
  }

  get counts(): Readonly<HttpCounts> {
    return this.#counts;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.isOpen = false;
    this.#connections.clear();
    this.#options.onClose();
  }

  /** Takes a client's connection; {@link SimHttpServers.connect} calls it. */
  accept(peer: HttpEndpoint): SimHttpConnection {
    if (this.#connections.size >= this.#options.limits.connectionCountMax) {
      this.#counts.refused++;
      throw new UnavailableError(`Cannot connect to ${this.local.address}: the server closed the connection`);
    }
    const state = { isOpen: true };
    this.#connections.add(state);
    const close = (): void => {
      state.isOpen = false;
      this.#connections.delete(state);
    };
    return {
      get isOpen() {
        return state.isOpen;
      },
      close,
      request: async (request) => {
        if (!state.isOpen) throw new UnavailableError("Cannot send a request: the connection is closed");
        const response = await this.#exchange(request, peer);
        if (response.close) close();
        return deliver(response);
      },
    };
  }

  async #exchange(request: SimHttpRequest, peer: HttpEndpoint): Promise<HttpResponse> {
    const read = this.#read(request, peer);
    if (typeof read === "string") return this.#refuse(read);
    this.#counts.requests++;
    let timer: Timer | undefined;
    const late = new Promise<HttpResponse>((resolve) => {
      timer = this.#options.clock.after(this.#options.limits.handlerTimeout, () =>
        resolve(this.#refuse("handlerTimeouts")),
      );
    });
    try {
      return await Promise.race([Promise.resolve(this.#options.handler(read)).then(checkSendable), late]);
    } catch {
      return this.#refuse("handlerFailures");
    } finally {
      timer?.cancel();
    }
  }

  #refuse(kind: HttpRefusal): HttpResponse {
    this.#counts[kind]++;
    return HTTP_REFUSALS[kind];
  }

  #read(request: SimHttpRequest, peer: HttpEndpoint): HttpRequest | HttpRefusal {
    const { limits } = this.#options;
    const fields = request.headers ?? [];
    const method = request.method ?? "GET";
    const sizes = fields.map(([name, value]) => name.length + value.length + 4);
    const lineBytes = method.length + request.target.length + 12;
    if (sizes.reduce((sum, size) => sum + size, lineBytes) > limits.headerBytesMax) return "headersTooLarge";
    const target = splitTarget(request.target);
    if (!target || !TOKEN.test(method) || /\s/.test(request.target)) return "malformed";
    const hosts = fields.filter(([name]) => name.toLowerCase() === "host");
    const host = hosts.length === 1 ? usableHost(target.host ?? hosts[0]?.[1]) : undefined;
    if (host === undefined) return "hostless";
    const body =
      typeof request.body === "string" ? encodeUtf8(request.body) : (request.body ?? new Uint8Array());
    if (body.length > limits.bodyBytesMax) return "bodiesTooLarge";
    const headers = new Map<string, string>();
    for (const [name, value] of fields) {
      const before = headers.get(name.toLowerCase());
      headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
    }
    return { method, host, path: target.path, query: target.query, headers, body, peer, local: this.local };
  }
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What a real server could not put on the wire is the handler's failure here as well. */
function checkSendable(response: HttpResponse): HttpResponse {
  const { status } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`status ${status}`);
  for (const [name, value] of Object.entries(response.headers ?? {})) {
    // RFC 9110 §5.5: visible characters, spaces and tabs; a line break would begin a field of its own.
    if (!TOKEN.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw new RangeError(`field ${name}`);
  }
  return response;
}

function deliver(response: HttpResponse): SimHttpResponse {
  const body = response.body ?? "";
  const entries = Object.entries(response.headers ?? {}).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  return {
    status: response.status,
    headers: new Map(entries),
    body: typeof body === "string" ? encodeUtf8(body) : body,
  };
}

function keyOf(endpoint: HttpEndpoint): string {
  return `${endpoint.address} ${endpoint.port}`;
}
