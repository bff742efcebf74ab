/**
 * What the portal answers over HTTP: redirects for what the firewall caught, and its own few pages.
 * @module
 */
import type { MacAddress } from "#base/mac-address.ts";
import type { HttpRequest, HttpResponse } from "#io/http-server.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Outcome } from "#mailbox/outcome.ts";
import type { Takes } from "#mailbox/registry.ts";
import type { Session } from "#protocol/portal/session.ts";
import { captiveState } from "./captive-api.ts";
import type { ClientFinder } from "./client-finder.ts";
import type { PortaldOptions } from "./config.ts";
import { decodeForm } from "./form.ts";
import { originalUrl, urlOf } from "./original-url.ts";
import type { PageDesk } from "./page-desk.ts";
import { buttonLink, loginForm, PATHS, statusTable, welcomeLinks } from "./pages.ts";
import { probeOf } from "./probe.ts";
import { PortalOrigin, redirectTo, seeOther } from "./redirect.ts";
import type { SessionBook } from "./session-book.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import type { TokenPurpose, TokenSigner } from "./token.ts";
import { type Words, wordsFor } from "./words.ts";

/** The status page is loaded again after so many seconds. */
const STATUS_REFRESH_SECONDS = 15;

/** Browsers keep up to six connections to a host; each that was opened before the login leads here once. */
const STRAY_COUNT_MAX = 6;

export interface PortalWebOptions {
  readonly bus: Bus;
  readonly options: PortaldOptions;
  readonly book: SessionBook;
  readonly keeper: SessionKeeper;
  readonly finder: ClientFinder;
  readonly desk: PageDesk;
  readonly signer: TokenSigner;
}

/** A client whose MAC address is known, with what its request needs. */
interface Visit {
  readonly request: HttpRequest;
  readonly client: MacAddress;
  readonly words: Words;
}

export class PortalWeb {
  readonly #parts: PortalWebOptions;
  readonly #origin: PortalOrigin;
  readonly counts: {
    requests: number;
    redirects: number;
    probes: number;
    refusals: number;
    tokenFailures: number;
  } = { requests: 0, redirects: 0, probes: 0, refusals: 0, tokenFailures: 0 };

  constructor(parts: PortalWebOptions) {
    this.#parts = parts;
    this.#origin = new PortalOrigin(parts.options);
  }

  /** Answers one request. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    this.counts.requests++;
    const isOwn = this.#origin.isOwn(request);
    const probe = isOwn ? undefined : probeOf(request.host, request.path);
    if (probe !== undefined) this.counts.probes++;
    const location = isOwn ? undefined : this.#origin.loginUrl(request, probe);
    // A message that nobody is to see need not be made.
    if (!this.#isHeeded("/portald/request")) return this.#follow(undefined, request, location);
    const outcome = this.#parts.bus.decide("/portald/request", {
      address: request.peer.address,
      method: request.method,
      host: request.host,
      path: request.path,
      query: request.query,
      caught: !isOwn,
      probe,
      location,
    });
    return outcome instanceof Promise
      ? outcome.then((late) => this.#follow(late, request, location))
      : this.#follow(outcome, request, location);
  }

  /** Whether anybody listens, observes or traces at a mailbox of ours. */
  #isHeeded(path: string): boolean {
    const mailbox = this.#parts.bus.table.mailboxes.get(path);
    return mailbox === undefined || !mailbox.plain || mailbox.listeners.order.length > 0;
  }

  /** `caught` is where a request for somewhere else is sent; undefined when it is for the portal itself. */
  #follow(
    outcome: Outcome<Takes<"/portald/request">> | undefined,
    request: HttpRequest,
    caught: string | undefined,
  ): HttpResponse | Promise<HttpResponse> {
    if (outcome && outcome.verdict !== "continue") {
      return this.#error(request, 403, outcome.reason ?? wordsOf(request).errorHeading);
    }
    const location = outcome?.message.get("location");
    if (caught !== undefined) return this.#caught(request, fieldText(location ?? caught));
    return location === undefined ? this.#serve(request) : redirectTo(fieldText(location));
  }

  /** A request for somewhere else: from a client that is in, its connection is an old one; all others must log in. */
  #caught(request: HttpRequest, location: string): HttpResponse | Promise<HttpResponse> {
    const { address } = request.peer;
    const session = this.#parts.book.findByAddress(address);
    if (session?.isPermitted(address)) return this.#strayed(request, session);
    if (this.#parts.book.size === 0) return this.#redirect(location);
    return this.#caughtByUnknownAddress(request, location);
  }

  /** The address is new, but the client may be in with another one (IPv6 beside IPv4): then this one is let in too. */
  #caughtByUnknownAddress(request: HttpRequest, location: string): HttpResponse | Promise<HttpResponse> {
    const { finder, bus } = this.#parts;
    const client = finder.find(request.peer.address, bus.clock.now());
    if (client instanceof Promise) return client.then((found) => this.#letIn(request, location, found));
    return this.#letIn(request, location, client);
  }

  #letIn(
    request: HttpRequest,
    location: string,
    client: MacAddress | undefined,
  ): HttpResponse | Promise<HttpResponse> {
    const { book, keeper } = this.#parts;
    const session = client && book.find(client);
    if (session?.state !== "permitted") return this.#redirect(location);
    return keeper
      .addAddress(session, request.peer.address)
      .then((isIn) => (isIn ? this.#strayed(request, session) : this.#redirect(location)));
  }

  #redirect(location: string): HttpResponse {
    this.counts.redirects++;
    return redirectTo(location);
  }

  /**
   * Sent back to what it wanted, over a new connection, which the firewall lets pass. A browser may take one that it
   * opened ahead, before the login, and come here again. The firewall may also have lost it: then reading the
   * counters permits it anew. When neither helps the status page tells more.
   */
  #strayed(request: HttpRequest, session: Session): HttpResponse {
    const url = urlOf(request);
    const place = `${request.host}${request.path}`;
    const last = this.#strays.get(session);
    const count = last?.place === place ? last.count + 1 : 1;
    const isLost = count > STRAY_COUNT_MAX;
    this.#strays.set(session, { place, count: isLost ? 0 : count });
    if (count > 1) void this.#parts.keeper.poll();
    if (url !== undefined && !isLost) return redirectTo(url);
    return redirectTo(`${this.#origin.origin(request.local)}${PATHS.status}`);
  }

  /** Where each session strayed last, and how often in a row. */
  readonly #strays = new WeakMap<Session, { readonly place: string; readonly count: number }>();

  async #serve(request: HttpRequest): Promise<HttpResponse> {
    const { method, path } = request;
    if (path === "/favicon.ico") return { status: 204, headers: { "cache-control": "max-age=86400" } };
    const route = ROUTES[path];
    if (route === undefined) return this.#error(request, 404, wordsOf(request).notFound);
    const isRead = method === "GET" || method === "HEAD";
    if (!isRead && !(method === "POST" && route.post !== undefined)) {
      const allow = route.post === undefined ? "GET, HEAD" : "GET, HEAD, POST";
      return { ...(await this.#error(request, 405, wordsOf(request).notFound)), headers: { allow } };
    }
    const { finder, bus } = this.#parts;
    // What opens or closes a session must not rest on an address that has changed hands a second ago.
    const find = isRead ? finder.find.bind(finder) : finder.findAfresh.bind(finder);
    const client = await find(request.peer.address, bus.clock.now());
    if (!client) return this.#error(request, 403, wordsOf(request).noDevice);
    const visit = { request, client, words: wordsOf(request) };
    switch (isRead ? route.get : route.post) {
      case "login":
        return this.#loginPage(visit);
      case "log-in":
        return this.#login(visit);
      case "welcome":
        return this.#welcomePage(visit);
      case "status":
        return this.#statusPage(visit);
      case "log-out":
        return this.#logout(visit);
      default:
        return this.#captive(visit);
    }
  }

  /** The login page; for a client that is in already, its status. */
  #loginPage(visit: Visit, notice?: string, status = 200): Promise<HttpResponse> {
    const { words, request, client } = visit;
    const { book, desk, signer, bus } = this.#parts;
    const session = book.find(client);
    if (session?.isPermitted(request.peer.address) && notice === undefined) return this.#statusPage(visit);
    const fields = request.method === "POST" ? decodeForm(request.body) : decodeForm(request.query);
    const url = originalUrl(fields.get("url"));
    const token = signer.sign("login", client, bus.clock.now());
    return desk.show({
      page: "login",
      status,
      words,
      heading: words.loginHeading,
      text: words.loginText,
      notice: notice ?? words.ended[session?.state ?? ""],
      button: words.loginButton,
      token,
      url,
      mac: client,
      address: request.peer.address,
      content: (button) => loginForm(button, token, url),
    });
  }

  async #login(visit: Visit): Promise<HttpResponse> {
    const { request, client, words } = visit;
    const { bus, options } = this.#parts;
    const form = decodeForm(request.body);
    const fault = this.#tokenFault(form, "login", visit);
    if (fault !== undefined) return this.#loginPage(visit, fault, 403);
    const { address } = request.peer;
    const field = [...form.keys()].filter((name) => name !== "token" && name !== "url");
    const value = field.map((name) => form.get(name) ?? "");
    const asked = await bus.decide("/portald/authenticate", { mac: client, address, field, value });
    if (asked.verdict === "reject") {
      this.counts.refusals++;
      return this.#loginPage(visit, words.refused(asked.reason ?? ""), 403);
    }
    const user = asked.message.get("user");
    try {
      await bus.call("/portald/login", { mac: client, address, user }, { timeout: options.decisionTimeout });
    } catch (error) {
      return this.#loginFailed(visit, error);
    }
    const url = originalUrl(form.get("url"));
    return seeOther(url === undefined ? PATHS.welcome : `${PATHS.welcome}?url=${encodeURIComponent(url)}`);
  }

  /** Why no session was opened, in words that help. */
  #loginFailed(visit: Visit, error: unknown): Promise<HttpResponse> {
    const { words } = visit;
    const { code, reason } = error as { code?: string; reason?: string };
    if (code === "rejected") {
      this.counts.refusals++;
      return this.#loginPage(visit, words.refused(reason ?? ""), 403);
    }
    if (code === "limit-exceeded") return this.#loginPage(visit, words.full, 503);
    return this.#loginPage(visit, words.firewallAway, 503);
  }

  #welcomePage(visit: Visit): Promise<HttpResponse> {
    const { request, client, words } = visit;
    const { book, desk } = this.#parts;
    if (book.find(client)?.state !== "permitted") return this.#loginPage(visit, words.notLoggedIn);
    const url = originalUrl(decodeForm(request.query).get("url"));
    return desk.show({
      page: "welcome",
      words,
      heading: words.welcomeHeading,
      text: words.welcomeText,
      url,
      mac: client,
      address: request.peer.address,
      content: () => welcomeLinks(words, url),
    });
  }

  async #statusPage(visit: Visit): Promise<HttpResponse> {
    const { request, client, words } = visit;
    const { book, desk, signer, bus } = this.#parts;
    const session = book.find(client);
    if (session?.state !== "permitted") return seeOther(PATHS.login);
    const now = bus.clock.now();
    const token = signer.sign("logout", client, now);
    return desk.show({
      page: "status",
      words,
      heading: words.statusHeading,
      button: words.logoutButton,
      token,
      mac: client,
      address: request.peer.address,
      content: (button) => statusTable(session, words, now, button, token),
      refreshSeconds: STATUS_REFRESH_SECONDS,
    });
  }

  async #logout(visit: Visit): Promise<HttpResponse> {
    const { request, client, words } = visit;
    const { bus, desk, options } = this.#parts;
    const fault = this.#tokenFault(decodeForm(request.body), "logout", visit);
    if (fault !== undefined) return this.#error(request, 403, fault, PATHS.status);
    try {
      await bus.call(
        "/portald/logout",
        { mac: client, reason: "user" },
        { timeout: options.decisionTimeout },
      );
    } catch (error) {
      const { reason } = error as { reason?: string };
      return this.#error(request, 403, reason ?? words.errorHeading, PATHS.status);
    }
    return desk.show({
      page: "goodbye",
      words,
      heading: words.goodbyeHeading,
      text: words.goodbyeText,
      button: words.loginAgain,
      mac: client,
      address: request.peer.address,
      content: (button) => buttonLink(button, PATHS.login),
    });
  }

  #captive({ request, client }: Visit): HttpResponse {
    const now = this.#parts.bus.clock.now();
    const session = this.#parts.book.find(client);
    const portalUrl = `${this.#origin.origin(request.local)}${PATHS.login}`;
    return captiveState(session?.isPermitted(request.peer.address) ? session : undefined, portalUrl, now);
  }

  /** What is wrong with a form's token, in the client's words. */
  #tokenFault(form: ReadonlyMap<string, string>, purpose: TokenPurpose, visit: Visit): string | undefined {
    const { signer, bus } = this.#parts;
    const verdict = signer.check(form.get("token"), purpose, visit.client, bus.clock.now());
    if (verdict === "good") return undefined;
    this.counts.tokenFailures++;
    return verdict === "expired" ? visit.words.expiredToken : visit.words.wrongToken;
  }

  #error(
    request: HttpRequest,
    status: number,
    notice: string,
    back: string = PATHS.login,
  ): Promise<HttpResponse> {
    const words = wordsOf(request);
    return this.#parts.desk.show({
      page: "error",
      status,
      words,
      heading: words.errorHeading,
      notice,
      button: words.retry,
      address: request.peer.address,
      content: (button) => buttonLink(button, back),
    });
  }
}

type Action = "login" | "log-in" | "welcome" | "status" | "log-out" | "captive";

const ROUTES: Readonly<Record<string, { readonly get: Action; readonly post?: Action }>> = {
  "/": { get: "login" },
  [PATHS.login]: { get: "login", post: "log-in" },
  [PATHS.welcome]: { get: "welcome" },
  [PATHS.status]: { get: "status" },
  [PATHS.logout]: { get: "status", post: "log-out" },
  [PATHS.api]: { get: "captive" },
};

function wordsOf(request: HttpRequest): Words {
  return wordsFor(request.headers.get("accept-language"));
}

/** A place to redirect to as the value of a field: what a listener wrote, without what would end the field. */
function fieldText(location: string): string {
  return location.replace(/[^\x21-\x7e]+/g, "");
}
