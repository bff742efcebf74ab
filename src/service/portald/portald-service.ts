/**
 * The captive portal: catches a fresh client's plain HTTP, shows it a login page, and asks the firewall to let it
 * pass. Every decision is a message at one of the mailboxes of `contract/portald.ts`.
 * @module
 */
import { LimitExceededError, UnavailableError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import { milliseconds, Timestamp } from "#base/time.ts";
import { portald } from "#contract/portald.ts";
import type { HttpCounts, HttpEndpoint, HttpListenAt, HttpServer, HttpServers } from "#io/http-server.ts";
import type { KeyedHash } from "#io/keyed-hash.ts";
import type { Neighbours } from "#io/neighbours.ts";
import type { Store } from "#io/store.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Message } from "#mailbox/message.ts";
import type { Answers, Takes } from "#mailbox/registry.ts";
import { type Answer, answer } from "#mailbox/verdict.ts";
import type { Session, SessionLimits } from "#protocol/portal/session.ts";
import { isOpening } from "#protocol/portal/session-state.ts";
import { ClientFinder } from "./client-finder.ts";
import type { PortaldOptions } from "./config.ts";
import { FirewallDoor } from "./firewall-door.ts";
import { PageDesk } from "./page-desk.ts";
import { PortalWeb } from "./portal-web.ts";
import { ScriptCounters } from "./script-counters.ts";
import { type PortaldLog, SessionBook } from "./session-book.ts";
import { SessionKeeper } from "./session-keeper.ts";
import { SECRET_BYTES, TokenSigner } from "./token.ts";

/** Rows of one page of `/portald/sessions` when nobody said, and at the most. */
export const PAGE_ROWS_MAX = 1000;

const SECRET_TABLE = "portal-secret";

export interface PortaldServiceOptions {
  readonly bus: Bus;
  readonly options: PortaldOptions;
  readonly http: HttpServers;
  /** In place of the address and port of the options: a listening socket that was passed to us. */
  readonly listenAt?: HttpListenAt;
  readonly neighbours: Neighbours;
  readonly store: Store;
  readonly random: Random;
  readonly hasher: KeyedHash;
  /** Gets what an operator must know. */
  readonly log?: PortaldLog;
}

export class PortaldService {
  readonly #bus: Bus;
  readonly #options: PortaldOptions;
  readonly #parts: PortaldServiceOptions;
  readonly #book: SessionBook;
  readonly #door: FirewallDoor;
  readonly #keeper: SessionKeeper;
  readonly #finder: ClientFinder;
  #web: PortalWeb | undefined;
  /** One for each family that the portal has an address in. */
  readonly #servers: HttpServer[] = [];

  constructor(parts: PortaldServiceOptions) {
    this.#parts = parts;
    this.#bus = parts.bus;
    this.#options = parts.options;
    this.#book = new SessionBook({
      store: parts.store,
      clock: parts.bus.clock,
      countMax: parts.options.sessionCountMax,
      log: parts.log,
    });
    const { bus, log, options } = parts;
    const timeout = options.decisionTimeout;
    const scripts =
      options.accounting === "packet-script" ? new ScriptCounters({ bus, timeout, log }) : undefined;
    this.#door = new FirewallDoor(bus, timeout, scripts);
    this.#finder = new ClientFinder(parts.neighbours);
    this.#keeper = new SessionKeeper({
      bus: parts.bus,
      book: this.#book,
      door: this.#door,
      finder: this.#finder,
      pollInterval: parts.options.pollInterval,
    });
  }

  /** Where the portal listens; undefined before it is started. */
  get local(): HttpEndpoint | undefined {
    return this.#servers[0]?.local;
  }

  /**
   * Brings back the sessions, compares them with the firewall, and begins to serve. A firewall that is away delays
   * this by one time-out and is compared with as soon as it answers.
   * @throws AddressInUseError, ConfigurationError, UnavailableError when the port or the store cannot be used.
   */
  async start(): Promise<void> {
    this.#book.load();
    const signer = new TokenSigner(this.#parts.hasher, await this.#secret());
    const { bus, random } = this.#parts;
    const desk = new PageDesk({ bus, random, title: this.#options.title });
    const web = new PortalWeb({
      bus,
      options: this.#options,
      book: this.#book,
      keeper: this.#keeper,
      finder: this.#finder,
      desk,
      signer,
    });
    this.#web = web;
    bus.offer(portald);
    await this.#provide();
    await this.#keeper.start();
    await this.#listen(web);
  }

  /** On each of the portal's addresses and on no other: the outside has no business here. */
  async #listen(web: PortalWeb): Promise<void> {
    const { address, address6, port } = this.#options;
    const places = [address, ...(address6 === undefined ? [] : [address6])];
    const at = this.#parts.listenAt ? [this.#parts.listenAt] : places.map((own) => ({ address: own, port }));
    for (const place of at) {
      this.#servers.push(await this.#parts.http.listen(place, (request) => web.handle(request)));
    }
  }

  /** Stops serving and keeps the counters; the firewall goes on letting pass whoever is in. */
  async stop(): Promise<void> {
    for (const server of this.#servers.splice(0)) await server.close();
    await this.#keeper.stop();
    for (const path of Object.keys(portald.mailboxes)) this.#bus.remove(path);
  }

  async #provide(): Promise<void> {
    await this.#bus.provide("/portald/login", (message) => this.#login(message));
    await this.#bus.provide("/portald/logout", (message) => this.#logout(message));
    await this.#bus.provide("/portald/sessions", (message) => answer(this.#sessions(message)));
    await this.#bus.provide("/portald/statistics", () => answer(this.#statistics()));
  }

  async #login(message: Message<Takes<"/portald/login">>): Promise<Answer> {
    const client = message.get("mac");
    const address = message.get("address");
    if (!client || !address)
      throw new UnavailableError("Cannot log in: the message has no mac or no address");
    const session = this.#book.obtain(client, this.#bus.clock.now());
    if (!session) {
      throw new LimitExceededError(
        `Cannot log in ${client}: ${this.#options.sessionCountMax} sessions are open`,
      );
    }
    if (!isOpening(session.state)) session.user = message.get("user");
    const { idle, session: duration, quotaBytes } = this.#options;
    const limits: SessionLimits = {
      idle: milliseconds(message.get("idle") ?? idle),
      session: milliseconds(message.get("session") ?? duration),
      quotaBytes: message.get("quota") ?? quotaBytes,
    };
    if (!(await this.#keeper.login(session, address, limits)) && !session.isPermitted(address)) {
      throw new UnavailableError(`Cannot log in ${client}: the firewall did not open for ${address}`);
    }
    return answer({
      idle: session.limits.idle,
      session: session.limits.session,
      quota: session.limits.quotaBytes,
      since: new Timestamp(session.openedAt),
    });
  }

  async #logout(message: Message<Takes<"/portald/logout">>): Promise<Answer> {
    const client = message.get("mac");
    const session = client && this.#book.find(client);
    if (!session || !isOpening(session.state)) return answer({ closed: false, revoked: true });
    return answer({ closed: true, revoked: await this.#keeper.logout(session) });
  }

  #sessions(message: Message<Takes<"/portald/sessions">>): Answers<"/portald/sessions"> {
    const after = message.get("after")?.toString() ?? "";
    const limit = Math.min(message.get("limit") ?? PAGE_ROWS_MAX, PAGE_ROWS_MAX);
    const all = [...this.#book.all]
      .filter((session) => session.state === "permitted" && session.mac.toString() > after)
      .sort((left, right) => (left.mac.toString() < right.mac.toString() ? -1 : 1));
    const rows = all.slice(0, limit);
    const column = <T>(pick: (session: Session) => T): readonly T[] => rows.map(pick);
    return {
      mac: column((session) => session.mac),
      user: column((session) => session.user ?? ""),
      addresses: column((session) => session.addresses.join(" ")),
      since: column((session) => new Timestamp(session.openedAt)),
      active: column((session) => new Timestamp(session.lastActiveAt)),
      "up-bytes": column((session) => session.upBytes),
      "down-bytes": column((session) => session.downBytes),
      idle: column((session) => session.limits.idle),
      session: column((session) => session.limits.session),
      quota: column((session) => session.limits.quotaBytes),
      more: rows.length < all.length,
    };
  }

  #statistics(): Answers<"/portald/statistics"> {
    const web = this.#web?.counts;
    const http = (count: keyof HttpCounts): number =>
      this.#servers.reduce((sum, { counts }) => sum + counts[count], 0);
    return {
      sessions: this.#book.openCount,
      requests: web?.requests ?? 0,
      redirects: web?.redirects ?? 0,
      probes: web?.probes ?? 0,
      logins: this.#keeper.loginCount,
      refusals: web?.refusals ?? 0,
      "token-failures": web?.tokenFailures ?? 0,
      "unknown-clients": this.#finder.unknownCount,
      "refused-addresses": this.#door.refusedCount,
      "firewall-failures": this.#door.failureCount,
      "store-failures": this.#book.storeFailureCount,
      "http-malformed": http("malformed"),
      "http-hostless": http("hostless"),
      "http-too-large": http("headersTooLarge") + http("bodiesTooLarge"),
      "http-slow": http("slow"),
      "http-refused": http("refused"),
      "http-failures": http("handlerFailures") + http("handlerTimeouts"),
    };
  }

  /** The secret under the forms' tokens: kept, so that a page that is open over a restart still works. */
  async #secret(): Promise<Uint8Array> {
    const { store, random } = this.#parts;
    for (const [, value] of store.entries(SECRET_TABLE)) {
      if (value instanceof Uint8Array && value.length === SECRET_BYTES) return value;
    }
    const secret = random.bytes(SECRET_BYTES);
    await store.commit([{ table: SECRET_TABLE, key: "token", value: secret }]);
    return secret;
  }
}
