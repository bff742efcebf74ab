/**
 * The way from a caught request to the login page: status 307, a Refresh field and a link, as in the MetaNet paper
 * (§9), because some clients heed only one of them.
 * @module
 */
import type { HttpEndpoint, HttpRequest, HttpResponse } from "#io/http-server.ts";
import type { PortaldOptions } from "./config.ts";
import { html } from "./html.ts";
import { urlOf } from "./original-url.ts";
import { PATHS } from "./pages.ts";

/**
 * The response that sends a client to `location`. It closes the connection: the firewall has tied this one to the
 * portal for good, and the client's next request must take the way that is open by then.
 */
export function redirectTo(location: string): HttpResponse {
  const page = html`<!DOCTYPE html><html><head><title>Moved</title>
<meta http-equiv="refresh" content="1;url=${location}"></head>
<body>This page has been <a href="${location}">moved</a>.</body></html>
`;
  return {
    status: 307,
    headers: {
      location,
      refresh: `1;url=${location}`,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
    },
    body: page.text,
    close: true,
  };
}

/** After a form: the browser fetches `path` with GET, so that loading it again sends nothing twice. */
export function seeOther(path: string): HttpResponse {
  return { status: 303, headers: { location: path, "cache-control": "no-store" }, close: true };
}

/** Where the portal itself is, and which requests are meant for it. */
export class PortalOrigin {
  readonly #options: PortaldOptions;
  readonly #names: ReadonlySet<string>;
  readonly #addresses: ReadonlySet<string>;

  constructor(options: PortaldOptions) {
    const { address, address6, names = [] } = options;
    this.#options = options;
    this.#names = new Set(names.map((name) => name.toLowerCase()));
    this.#addresses = new Set([address, ...(address6 ? [address6] : [])].map(hostText));
  }

  /** Whether a request asks for the portal by one of its addresses or names, and not for what it was caught from. */
  isOwn(request: Pick<HttpRequest, "host" | "local">): boolean {
    const { host, local } = request;
    const colon = host.endsWith("]") ? -1 : host.lastIndexOf(":");
    const name = colon < 0 ? host : host.slice(0, colon);
    if (this.#names.has(host) || this.#names.has(name)) return true;
    const port = colon < 0 ? "80" : host.slice(colon + 1);
    if (port !== "80" && port !== String(local.port)) return false;
    return this.#addresses.has(name) || hostText(local.address) === name;
  }

  /** `http://ADDRESS:PORT` by which a client that reached `local` reaches the portal. */
  origin(local: HttpEndpoint): string {
    const { address, address6, port } = this.#options;
    if (local.address.family === 4) return `http://${hostText(address)}${portText(port)}`;
    return `http://${hostText(address6 ?? local.address)}${portText(port)}`;
  }

  /** Where a caught request is sent: the login page, with what it wanted kept unless it is a system's `probe`. */
  loginUrl(request: HttpRequest, probe: string | undefined): string {
    const url = probe === undefined ? urlOf(request) : undefined;
    const query = url === undefined ? "" : `?url=${encodeURIComponent(url)}`;
    return `${this.origin(request.local)}${PATHS.login}${query}`;
  }
}

function hostText(address: HttpEndpoint["address"]): string {
  return address.family === 4 ? address.toString() : `[${address}]`;
}

function portText(port: number): string {
  return port === 80 ? "" : `:${port}`;
}
