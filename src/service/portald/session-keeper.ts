/**
 * Does what sessions ask for: permits and revokes at the firewall, keeps what must survive, reads counters, puts
 * decisions to listeners, and wakes each session at its time.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { between, type Duration, type Instant, milliseconds, minutes, Timestamp } from "#base/time.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Session, SessionAction, SessionLimits } from "#protocol/portal/session.ts";
import { isOpening } from "#protocol/portal/session-state.ts";
import { AddressWatch } from "./address-watch.ts";
import type { ClientFinder } from "./client-finder.ts";
import type { FirewallDoor, PermitOutcome } from "./firewall-door.ts";
import type { SessionBook } from "./session-book.ts";

/** How often the counters of open sessions are kept, so that a crash loses no more of them than this. */
export const SAVE_INTERVAL: Duration = minutes(1);

export interface SessionKeeperOptions {
  readonly bus: Bus;
  readonly book: SessionBook;
  readonly door: FirewallDoor;
  readonly finder: ClientFinder;
  readonly pollInterval: Duration;
}

export class SessionKeeper {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #book: SessionBook;
  readonly #door: FirewallDoor;
  readonly #pollInterval: Duration;
  readonly #watch: AddressWatch;
  readonly #timers = new Map<Session, { readonly timer: Timer; readonly at: Instant }>();
  #pollTimer: Timer | undefined;
  #polling: Promise<void> | undefined;
  #isReconciled = false;
  #isStopped = false;
  #savedAt: Instant;
  #loginCount = 0;

  constructor(options: SessionKeeperOptions) {
    this.#bus = options.bus;
    this.#clock = options.bus.clock;
    this.#book = options.book;
    this.#door = options.door;
    this.#pollInterval = options.pollInterval;
    this.#savedAt = this.#clock.now();
    this.#watch = new AddressWatch({
      clock: this.#clock,
      finder: options.finder,
      book: this.#book,
      notice: (session, seen) => this.#perform(session, session.noticeAddresses(seen, this.#clock.now())),
    });
  }

  /** Sessions opened since the start. */
  get loginCount(): number {
    return this.#loginCount;
  }

  /** Compares what was kept with what the firewall lets pass, and begins to read its counters. */
  async start(): Promise<void> {
    for (const session of this.#book.all) this.#arm(session);
    await this.poll();
    this.#schedulePoll();
  }

  /** Wakes nothing any more, and keeps what has been counted. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#pollTimer?.cancel();
    this.#watch.stop();
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await this.#polling;
    await this.#book.save([...this.#book.all].filter((session) => session.state === "permitted"));
  }

  /** Lets an address pass; the answer is whether it may, by the firewall's own word. */
  async login(session: Session, address: IpAddress, limits: SessionLimits): Promise<boolean> {
    await this.#perform(session, session.login(address, limits, this.#clock.now()));
    return session.isPermitted(address);
  }

  /** One more address of a client that is in; the answer is whether it may pass. */
  async addAddress(session: Session, address: IpAddress): Promise<boolean> {
    await this.#perform(session, session.addAddress(address, this.#clock.now()));
    return session.isPermitted(address);
  }

  /** Closes a session; the answer is whether the firewall has closed the door already. */
  async logout(session: Session): Promise<boolean> {
    await this.#perform(session, session.logout(this.#clock.now()));
    return !session.isRevoking;
  }

  /** Reads the counters and brings them to the sessions; one reading at a time, shared by all who ask meanwhile. */
  poll(): Promise<void> {
    this.#polling ??= this.#readCounters().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  async #readCounters(): Promise<void> {
    await this.#book.saveAgain();
    const askedAt = this.#clock.now();
    const state = await this.#door.read();
    if (!state || this.#isStopped) return;
    const now = this.#clock.now();
    const work: Promise<void>[] = [];
    if (!this.#isReconciled) {
      this.#isReconciled = true;
      work.push(this.#shutOutStrangers([...state.values()]));
    }
    for (const session of this.#book.all) {
      if (session.state !== "permitted") continue;
      const readings = state.get(session.mac.toString())?.readings ?? [];
      work.push(this.#perform(session, session.count(readings, askedAt, now)));
    }
    this.#book.forgetClosed(now);
    if (between(this.#savedAt, now) >= SAVE_INTERVAL) {
      this.#savedAt = now;
      work.push(this.#book.save([...this.#book.all].filter((session) => session.state === "permitted")));
    }
    work.push(this.#watch.look(this.#book.all));
    await Promise.all(work);
  }

  /** At the start: nobody stays open without a session. */
  async #shutOutStrangers(
    clients: readonly {
      readonly mac: MacAddress;
      readonly readings: readonly { readonly address: IpAddress }[];
    }[],
  ): Promise<void> {
    for (const { mac, readings } of clients) {
      const session = this.#book.find(mac);
      if (!session || !isOpening(session.state)) {
        // What cannot be shut out now is found again by the next reading.
        if (!(await this.#door.revoke(mac, undefined))) this.#isReconciled = false;
        continue;
      }
      for (const { address } of readings) {
        if (!session.has(address)) await this.#door.revoke(mac, address);
      }
    }
  }

  async #perform(session: Session, actions: readonly SessionAction[]): Promise<void> {
    if (actions.length > 0) this.#book.index(session);
    const more: Promise<void>[] = [];
    for (const action of actions) more.push(this.#do(session, action));
    this.#arm(session);
    await Promise.all(more);
  }

  async #do(session: Session, action: SessionAction): Promise<void> {
    switch (action.do) {
      case "permit": {
        if (this.#door.countsByScript) {
          const standing = await this.#door.standingOf(action.address);
          if (standing) session.startCounting(standing);
        }
        const outcome = await this.#door.permit(session.mac, action.address, action.timeout);
        return this.#perform(session, afterPermit(session, action.address, outcome, this.#clock.now()));
      }
      case "revoke": {
        const isShut = await this.#door.revoke(session.mac, action.address);
        if (isShut && action.address === undefined) session.revokeAnswered();
        return;
      }
      case "save":
        return this.#book.save([session]);
      case "read-counters":
        return this.poll();
      case "ask":
        return this.#ask(session, action.why);
      case "tell":
        if (action.what === "opened") this.#opened(session);
        else this.#bus.post("/portald/closed", { ...usageOf(session), reason: session.state });
        return;
    }
  }

  #opened(session: Session): void {
    this.#loginCount++;
    this.#watch.lookSoon(session);
    this.#bus.post("/portald/opened", { mac: session.mac, user: session.user, address: session.addresses });
  }

  /** Puts it to the listeners whether a session is to be closed. */
  async #ask(session: Session, why: "idle" | "quota"): Promise<void> {
    const { verdict, limits } =
      why === "idle" ? await this.#askAboutIdleness(session) : await this.#askAboutQuota(session);
    const decision = limits ? { limits } : verdict === "continue" ? "close" : {};
    await this.#perform(session, session.decide(why, decision, this.#clock.now()));
  }

  /** What the listeners said, and the limit they granted when it is larger than before. */
  async #askAboutIdleness(session: Session): Promise<{ verdict: string; limits?: Partial<SessionLimits> }> {
    const { idle } = session.limits;
    const { verdict, message } = await this.#bus.decide("/portald/idle", { ...usageOf(session), idle });
    const granted = milliseconds(message.get("idle") ?? idle);
    return isMore(granted, idle) ? { verdict, limits: { idle: granted } } : { verdict };
  }

  async #askAboutQuota(session: Session): Promise<{ verdict: string; limits?: Partial<SessionLimits> }> {
    const { quotaBytes } = session.limits;
    const asked = { ...usageOf(session), quota: quotaBytes };
    const { verdict, message } = await this.#bus.decide("/portald/quota", asked);
    const granted = message.get("quota") ?? quotaBytes;
    return isMore(granted, quotaBytes) ? { verdict, limits: { quotaBytes: granted } } : { verdict };
  }

  /** Makes sure that the session is woken in time; a timer that is early enough already is left alone. */
  #arm(session: Session): void {
    if (this.#isStopped) return;
    const at = session.wakeAt();
    const armed = this.#timers.get(session);
    if (at === undefined || (armed && armed.at <= at)) return;
    armed?.timer.cancel();
    const delay = Math.max(0, between(this.#clock.now(), at)) as Duration;
    const timer = this.#clock.after(delay, () => {
      this.#timers.delete(session);
      void this.#perform(session, session.wake(this.#clock.now()));
    });
    this.#timers.set(session, { timer, at });
  }

  #schedulePoll(): void {
    if (this.#isStopped) return;
    this.#pollTimer = this.#clock.after(this.#pollInterval, () => {
      void this.poll().finally(() => this.#schedulePoll());
    });
  }
}

/** What comes of the firewall's word. */
function afterPermit(
  session: Session,
  address: IpAddress,
  outcome: PermitOutcome,
  now: Instant,
): readonly SessionAction[] {
  switch (outcome) {
    case "open":
      return session.permitAnswered(address, now);
    case "refused":
      return session.permitRefused(address, now);
    case "failed":
      return session.permitFailed(address, now);
  }
}

/** Whether a limit is larger than before; 0 is the largest. */
function isMore(limit: number, before: number): boolean {
  return before !== 0 && (limit === 0 || limit > before);
}

/** The tags that tell about a session everywhere. */
function usageOf(session: Session): {
  mac: MacAddress;
  user: string | undefined;
  since: Timestamp;
  "up-bytes": number;
  "down-bytes": number;
} {
  return {
    mac: session.mac,
    user: session.user,
    since: new Timestamp(session.openedAt),
    "up-bytes": session.upBytes,
    "down-bytes": session.downBytes,
  };
}
