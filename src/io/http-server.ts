/**
 * HTTP servers (RFC 9110, RFC 9112) as an interface: whole requests in, whole responses out, and a limit with a
 * name on everything a client can make large, many or slow. A handler never sees a request without a Host.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import { type Duration, seconds } from "#base/time.ts";

/** One end of a TCP connection. */
export interface HttpEndpoint {
  readonly address: IpAddress;
  /** 1 to 65535. */
  readonly port: number;
}

/** A request that has been read completely. */
export interface HttpRequest {
  /** As sent, upper case by convention: `GET`. */
  readonly method: string;
  /** The Host field, or the authority of an absolute-form target (RFC 9112 §3.2.2); never empty, lower case. */
  readonly host: string;
  /** Begins with `/`; still percent-encoded, without the query. */
  readonly path: string;
  /** What follows the first `?`, still percent-encoded; empty when there is none. */
  readonly query: string;
  /** Field names in lower case; repeated fields are joined with `, ` (RFC 9110 §5.3). */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** The client. */
  readonly peer: HttpEndpoint;
  /** This end; behind a redirecting firewall rule it is the server's own address, not the one asked for. */
  readonly local: HttpEndpoint;
}

/** What a handler answers; Content-Length, Date and Connection are the server's business. */
export interface HttpResponse {
  /** 200 to 599. */
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as UTF-8. */
  readonly body?: string | Uint8Array;
  /** Close the connection after this response, so that the client's next request opens a new one. */
  readonly close?: boolean;
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** What clients can make large, many or slow. */
export interface HttpLimits {
  /** Request line and fields together, in bytes; more gets 431. */
  readonly headerBytesMax: number;
  /** Request body, in bytes; more gets 413. */
  readonly bodyBytesMax: number;
  /** Connections open at once; one more is closed at once, without an answer. */
  readonly connectionCountMax: number;
  /** From the first byte of a request, or the connection's start, to the end of its fields; longer gets 408. */
  readonly headerTimeout: Duration;
  /** From the start of a request to the end of its body; longer gets 408. */
  readonly requestTimeout: Duration;
  /** How long a connection may lie idle between requests. */
  readonly idleTimeout: Duration;
  /** How long the handler may take; longer gets 503. */
  readonly handlerTimeout: Duration;
}

/** Fit for a portal in front of a few thousand clients. */
export const HTTP_LIMITS: HttpLimits = {
  headerBytesMax: 16_384,
  bodyBytesMax: 65_536,
  connectionCountMax: 4096,
  headerTimeout: seconds(10),
  requestTimeout: seconds(20),
  idleTimeout: seconds(15),
  handlerTimeout: seconds(30),
};

/** How often each thing happened since the server began to listen. */
export interface HttpCounts {
  /** Requests given to the handler. */
  requests: number;
  /** 400: bytes that are no HTTP request. */
  malformed: number;
  /** 400: an HTTP/1.1 request without Host, or with one that is no host (RFC 9112 §3.2). */
  hostless: number;
  /** 431. */
  headersTooLarge: number;
  /** 413. */
  bodiesTooLarge: number;
  /** 408: too slow a client. */
  slow: number;
  /** Connections over the limit. */
  refused: number;
  /** 500: the handler threw, or answered with something that cannot be sent. */
  handlerFailures: number;
  /** 503: the handler took too long. */
  handlerTimeouts: number;
}

/** Where to listen: an address and a port (0 lets the system choose), or a listening socket somebody else opened. */
export type HttpListenAt = { readonly address: IpAddress; readonly port: number } | { readonly fd: number };

export interface HttpServer {
  /** Where it listens. */
  readonly local: HttpEndpoint;
  readonly counts: Readonly<HttpCounts>;
  /** Connections open now. */
  readonly connectionCount: number;
  /** Stops listening and closes every connection; harmless when done already. */
  close(): Promise<void>;
}

/** Makes servers. */
export interface HttpServers {
  /**
   * Begins to listen; missing limits are those of {@link HTTP_LIMITS}.
   * @throws AddressInUseError when the port is taken, ConfigurationError when it is not permitted, UnavailableError
   * when the machine has no such address.
   */
  listen(at: HttpListenAt, handler: HttpHandler, limits?: Partial<HttpLimits>): Promise<HttpServer>;
}

/** All counts at zero. */
export function emptyHttpCounts(): HttpCounts {
  return {
    requests: 0,
    malformed: 0,
    hostless: 0,
    headersTooLarge: 0,
    bodiesTooLarge: 0,
    slow: 0,
    refused: 0,
    handlerFailures: 0,
    handlerTimeouts: 0,
  };
}

/** What a server itself answers when no handler is asked: a line of text that says what was wrong. */
export function refusal(status: number, reason: string): HttpResponse {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
    body: `${reason}\n`,
    close: true,
  };
}

/** The counts that come with an answer of the server itself. */
export type HttpRefusal = Exclude<keyof HttpCounts, "requests" | "refused">;

/** The sentences of {@link refusal}, one per count, so that every server says the same. */
export const HTTP_REFUSALS: Readonly<Record<HttpRefusal, HttpResponse>> = {
  malformed: refusal(400, "Cannot read the request: it is not HTTP"),
  hostless: refusal(400, "Cannot serve the request: it has no usable Host field (RFC 9112 section 3.2)"),
  headersTooLarge: refusal(431, "Cannot serve the request: its header fields are too large"),
  bodiesTooLarge: refusal(413, "Cannot serve the request: its body is too large"),
  slow: refusal(408, "Cannot serve the request: it took too long to arrive"),
  handlerFailures: refusal(500, "Cannot serve the request: the server failed; please try again"),
  handlerTimeouts: refusal(503, "Cannot serve the request: the server is busy; please try again"),
};

/** A request target (RFC 9112 §3.2) taken apart. */
export interface HttpTarget {
  /** The authority of an absolute-form target, lower case; `undefined` in origin-form. */
  readonly host: string | undefined;
  readonly path: string;
  readonly query: string;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#@]*)([^#]*)/i;

/** Takes a request target apart; `undefined` when it is neither origin-form nor absolute-form. */
export function splitTarget(target: string): HttpTarget | undefined {
  const absolute = ABSOLUTE_FORM.exec(target);
  const rest = absolute ? (absolute[2] as string) : target;
  const mark = rest.indexOf("?");
  const path = mark < 0 ? rest : rest.slice(0, mark);
  if (!absolute && !path.startsWith("/")) return undefined;
  return {
    host: absolute?.[1]?.toLowerCase(),
    path: path === "" ? "/" : path,
    query: mark < 0 ? "" : rest.slice(mark + 1),
  };
}

/** `host[:port]` of RFC 3986 §3.2.2 without its rarer characters; at most 255 for the name, 5 digits of port. */
const HOST = /^(?:[a-z0-9._~-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{0,5})?$/;

/** The Host of a request in lower case; `undefined` when it cannot be one, or is missing. */
export function usableHost(field: string | undefined): string | undefined {
  const host = field?.trim().toLowerCase() ?? "";
  return HOST.test(host) ? host : undefined;
}
