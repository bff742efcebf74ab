/**
 * One client's session at a captive portal: a MAC address, the IPv4 and IPv6 addresses it uses, what it may use up
 * and what it has. It is told the time and the firewall's counters, and says what to do; it waits for nothing.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { after, between, type Duration, type Instant, milliseconds, seconds } from "#base/time.ts";
import {
  isOpening,
  type SessionEvent,
  type SessionState,
  type SessionStep,
  TRANSITIONS,
} from "./session-state.ts";

/**
 * Addresses one client may use at once. The one that has been there longest makes room for one that the client comes
 * with; for one that is only noticed, none but an address which the client has given up.
 */
export const ADDRESS_COUNT_MAX = 16;

/** Addresses of one client that the firewall has refused and that are not tried again; then none is tried any more. */
export const REFUSED_COUNT_MAX = 16;

/**
 * Packets in one direction between two readings of the counters that do not make a client active: a sleeping phone
 * says this much of its own accord.
 */
export const IDLE_PACKET_COUNT = 3;

/** How long after an unanswered revoke the firewall is asked again. */
export const REVOKE_RETRY: Duration = seconds(2);

/** How long after an unanswered question for counters, or a listener's decision, it is put again. */
const ASK_RETRY: Duration = seconds(5);

/** What a session may use up. */
export interface SessionLimits {
  /** Closed after so long without traffic; 0 is never. */
  readonly idle: Duration;
  /** Closed so long after the login; 0 is never. */
  readonly session: Duration;
  /** Closed after so many bytes in both directions together; 0 is no limit. */
  readonly quotaBytes: number;
}

/** What was counted for one address; the numbers only grow, or begin again at 0. */
export interface CounterReading {
  readonly address: IpAddress;
  /**
   * Set when the bytes are those of a packet script, and not the firewall's as the packets are. What one has counted is
   * not compared with the other's: a change between the two costs the bytes since the last reading.
   */
  readonly countedBy?: "packet-script";
  readonly upBytes: number;
  readonly upPackets: number;
  readonly downBytes: number;
  readonly downPackets: number;
}

/** What the caller must do. */
export type SessionAction =
  /**
   * Let this address pass; `timeout` is undefined when there is no end. Answer with `permitAnswered`, `permitRefused`
   * or `permitFailed`.
   */
  | { readonly do: "permit"; readonly address: IpAddress; readonly timeout: Duration | undefined }
  /** Let nothing (or only not this address) of the client pass. Answer with `revokeAnswered` when it is done. */
  | { readonly do: "revoke"; readonly address?: IpAddress }
  /** Keep {@link Session.record}, or forget what was kept when it is undefined. */
  | { readonly do: "save" }
  /** Read the counters now, and bring them to `count`. */
  | { readonly do: "read-counters" }
  /** Ask whether to close; answer with `decide`. */
  | { readonly do: "ask"; readonly why: "idle" | "quota" }
  | { readonly do: "tell"; readonly what: "opened" | "closed" };

/** What survives a restart. */
export interface SessionRecord {
  readonly mac: MacAddress;
  readonly user: string | undefined;
  readonly openedAt: Instant;
  readonly lastActiveAt: Instant;
  readonly limits: SessionLimits;
  readonly upBytes: number;
  readonly downBytes: number;
  /** The last readings, so that what was counted meanwhile is not lost and not counted twice. */
  readonly readings: readonly CounterReading[];
}

interface AddressEntry {
  reading: CounterReading;
  /** When the firewall said that the address may pass; undefined while it has not. */
  permittedAt: Instant | undefined;
}

export class Session {
  readonly mac: MacAddress;
  user: string | undefined;
  #state: SessionState = "unknown";
  #limits: SessionLimits = { idle: milliseconds(0), session: milliseconds(0), quotaBytes: 0 };
  /** By text, the oldest first. */
  readonly #addresses = new Map<string, AddressEntry>();
  readonly #refused = new Set<string>();
  #openedAt: Instant = 0 as Instant;
  #closedAt: Instant | undefined;
  #lastActiveAt: Instant = 0 as Instant;
  #countedAt: Instant = 0 as Instant;
  #upBytes = 0;
  #downBytes = 0;
  /** Set while a revoke has not been answered: when to ask again. */
  #revokeAt: Instant | undefined;
  /** What has been asked for and not answered, and when to ask again. */
  #asked: { readonly for: "counters" | "decision"; readonly againAt: Instant } | undefined;

  constructor(mac: MacAddress) {
    this.mac = mac;
  }

  /** A session that was permitted when it was kept; the firewall's next reading shows whether it still is. */
  static restore(record: SessionRecord): Session {
    const session = new Session(record.mac);
    session.user = record.user;
    session.#state = "permitted";
    session.#limits = record.limits;
    session.#openedAt = record.openedAt;
    session.#lastActiveAt = record.lastActiveAt;
    session.#upBytes = record.upBytes;
    session.#downBytes = record.downBytes;
    for (const reading of record.readings) {
      // Permitted before any reading to come: one that lacks it shows that the firewall has forgotten.
      session.#addresses.set(reading.address.toString(), { reading, permittedAt: 0 as Instant });
    }
    return session;
  }

  get state(): SessionState {
    return this.#state;
  }

  get limits(): SessionLimits {
    return this.#limits;
  }

  get openedAt(): Instant {
    return this.#openedAt;
  }

  /** Undefined while the session is open or has never been. */
  get closedAt(): Instant | undefined {
    return this.#closedAt;
  }

  get lastActiveAt(): Instant {
    return this.#lastActiveAt;
  }

  /** From the client, in bytes. */
  get upBytes(): number {
    return this.#upBytes;
  }

  /** To the client, in bytes. */
  get downBytes(): number {
    return this.#downBytes;
  }

  get addresses(): readonly IpAddress[] {
    return [...this.#addresses.values()].map((entry) => entry.reading.address);
  }

  /** Whether a revoke still waits for its answer. */
  get isRevoking(): boolean {
    return this.#revokeAt !== undefined;
  }

  /** When the session ends at the latest; undefined when it has no end. */
  get endsAt(): Instant | undefined {
    return this.#limits.session > 0 ? after(this.#openedAt, this.#limits.session) : undefined;
  }

  /** What to keep; undefined unless the client is permitted. */
  get record(): SessionRecord | undefined {
    if (this.#state !== "permitted") return undefined;
    return {
      mac: this.mac,
      user: this.user,
      openedAt: this.#openedAt,
      lastActiveAt: this.#lastActiveAt,
      limits: this.#limits,
      upBytes: this.#upBytes,
      downBytes: this.#downBytes,
      readings: [...this.#addresses.values()].map((entry) => entry.reading),
    };
  }

  has(address: IpAddress): boolean {
    return this.#addresses.has(address.toString());
  }

  /** Whether the firewall has said that this address may pass. */
  isPermitted(address: IpAddress): boolean {
    return this.#state === "permitted" && this.#addresses.get(address.toString())?.permittedAt !== undefined;
  }

  /** A login from `address`. When the client is permitted already, its limits stay and the address is added. */
  login(address: IpAddress, limits: SessionLimits, now: Instant): readonly SessionAction[] {
    if (isOpening(this.#state)) return this.addAddress(address, now);
    this.#limits = limits;
    this.#openedAt = now;
    this.#closedAt = undefined;
    this.#lastActiveAt = now;
    this.#countedAt = now;
    this.#upBytes = 0;
    this.#downBytes = 0;
    this.#revokeAt = undefined; // the permit that follows overtakes it
    this.#asked = undefined;
    this.#addresses.clear();
    this.#refused.clear();
    this.#addresses.set(address.toString(), newEntry(address));
    return this.#step("login", now);
  }

  /** Another address of a client that is permitted or about to be; one it has already changes nothing. */
  addAddress(address: IpAddress, now: Instant): readonly SessionAction[] {
    if (!isOpening(this.#state) || this.has(address) || this.#isOver(now)) return [];
    const actions: SessionAction[] = [];
    if (this.#addresses.size >= ADDRESS_COUNT_MAX) actions.push(...this.#makeRoom(() => true));
    this.#addresses.set(address.toString(), newEntry(address));
    return [...actions, this.#permit(address, now)];
  }

  /**
   * The addresses that the client is seen with, all of them: those that are new are let in as well. Link-local ones
   * never leave the link (RFC 4291 §2.5.6) and are left out, and so are those that the firewall has refused.
   */
  noticeAddresses(seen: readonly IpAddress[], now: Instant): readonly SessionAction[] {
    if (this.#state !== "permitted" || this.#isOver(now)) return [];
    const fresh = seen.filter((address) => !this.has(address) && !isLinkLocal(address));
    if (fresh.length === 0) return [];
    const texts = new Set(seen.map((address) => address.toString()));
    const actions: SessionAction[] = [];
    for (const address of fresh) {
      if (this.#refused.has(address.toString()) || this.#refused.size >= REFUSED_COUNT_MAX) continue;
      if (this.#addresses.size >= ADDRESS_COUNT_MAX) {
        const room = this.#makeRoom((used) => !texts.has(used));
        if (room.length === 0) break;
        actions.push(...room);
      }
      this.#addresses.set(address.toString(), newEntry(address));
      actions.push(this.#permit(address, now));
    }
    return actions;
  }

  /** The address belongs to another client now; the firewall has been told already. */
  removeAddress(address: IpAddress): void {
    this.#addresses.delete(address.toString());
  }

  /** Where a packet script's counters stand as an address is about to be let in; the firewall's begin at 0. */
  startCounting(reading: CounterReading): void {
    const entry = this.#addresses.get(reading.address.toString());
    if (entry) entry.reading = reading;
  }

  /** The firewall lets the address pass. */
  permitAnswered(address: IpAddress, now: Instant): readonly SessionAction[] {
    const entry = this.#addresses.get(address.toString());
    if (!entry || !isOpening(this.#state)) return [];
    entry.permittedAt = now;
    if (this.#state === "permitting") return this.#step("permit-answered", now);
    return [{ do: "save" }];
  }

  /** The firewall's policy does not allow the address, now or later; a login with it has failed. */
  permitRefused(address: IpAddress, now: Instant): readonly SessionAction[] {
    if (this.#state !== "permitted") return this.permitFailed(address, now);
    if (this.#addresses.delete(address.toString())) this.#refused.add(address.toString());
    return [];
  }

  /** The firewall did not do it, or did not answer. */
  permitFailed(address: IpAddress, now: Instant): readonly SessionAction[] {
    const entry = this.#addresses.get(address.toString());
    if (!entry || entry.permittedAt !== undefined) return [];
    if (this.#state === "permitting") return this.#step("permit-failed", now);
    this.#addresses.delete(address.toString());
    return [{ do: "revoke", address }];
  }

  /** The firewall has closed the door for all addresses. */
  revokeAnswered(): void {
    this.#revokeAt = undefined;
  }

  logout(now: Instant): readonly SessionAction[] {
    return this.#step("logout", now);
  }

  /**
   * The firewall's counters for this client, read at `askedAt` or later. An address that may pass and is missing
   * there has been forgotten by the firewall, and is permitted again.
   */
  count(readings: readonly CounterReading[], askedAt: Instant, now: Instant): readonly SessionAction[] {
    if (this.#state !== "permitted") return [];
    // The firewall's own time-out ends with the session's: what is missing then has not been forgotten.
    if (this.#isOver(now)) return this.#step("expire", now);
    const actions: SessionAction[] = [];
    const missing = new Map(this.#addresses);
    for (const reading of readings) {
      const entry = this.#addresses.get(reading.address.toString());
      missing.delete(reading.address.toString());
      // An entry of the firewall that the session does not know: permitted by somebody else, left alone.
      if (entry && !isOlder(reading, entry, askedAt)) this.#add(entry, reading, now);
    }
    for (const [, entry] of missing) {
      if (entry.permittedAt === undefined || entry.permittedAt >= askedAt) continue;
      entry.reading = newEntry(entry.reading.address).reading;
      actions.push(this.#permit(entry.reading.address, now));
    }
    this.#countedAt = now;
    if (this.#asked?.for === "counters") this.#asked = undefined;
    return [...actions, ...this.#judge(now)];
  }

  /** What a listener said to {@link SessionAction} `ask`: close, or stay, perhaps with other limits. */
  decide(
    why: "idle" | "quota",
    decision: "close" | { readonly limits?: Partial<SessionLimits> },
    now: Instant,
  ): readonly SessionAction[] {
    if (this.#state !== "permitted") return [];
    this.#asked = undefined;
    if (decision === "close") return this.#step(why === "idle" ? "idle" : "exhaust", now);
    this.#limits = { ...this.#limits, ...decision.limits };
    if (why === "idle") this.#lastActiveAt = now;
    // A quota that stays exceeded would be asked about at once again: the allowance begins anew.
    else if (this.#isExhausted()) this.#limits = { ...this.#limits, quotaBytes: this.#usedBytes() * 2 };
    return [{ do: "save" }];
  }

  /** To be called at {@link wakeAt}; harmless before. */
  wake(now: Instant): readonly SessionAction[] {
    if (this.#revokeAt !== undefined && now >= this.#revokeAt) {
      this.#revokeAt = after(now, REVOKE_RETRY);
      return [{ do: "revoke" }];
    }
    if (this.#state !== "permitted") return [];
    if (this.#isOver(now)) return this.#step("expire", now);
    if (this.#isWaiting(now)) return [];
    if (this.#isIdle(now)) {
      this.#asked = { for: "counters", againAt: after(now, ASK_RETRY) };
      return [{ do: "read-counters" }];
    }
    return [];
  }

  /** When `wake` has something to do; undefined when nothing is to be expected. */
  wakeAt(): Instant | undefined {
    const times: Instant[] = [];
    if (this.#revokeAt !== undefined) times.push(this.#revokeAt);
    if (this.#state === "permitted") {
      if (this.endsAt !== undefined) times.push(this.endsAt);
      if (this.#asked) times.push(this.#asked.againAt);
      else if (this.#limits.idle > 0) times.push(after(this.#lastActiveAt, this.#limits.idle));
    }
    return times.length === 0 ? undefined : (Math.min(...times) as Instant);
  }

  /** Gives up the oldest of the addresses that may be given up. */
  #makeRoom(mayGo: (address: string) => boolean): SessionAction[] {
    for (const [text, { reading }] of this.#addresses) {
      if (!mayGo(text)) continue;
      this.#addresses.delete(text);
      return [{ do: "revoke", address: reading.address }];
    }
    return [];
  }

  /** Closes what is over: idle only by a reading that is not older than the moment idleness was complete. */
  #judge(now: Instant): readonly SessionAction[] {
    if (this.#isWaiting(now)) return [];
    const why = this.#isExhausted()
      ? "quota"
      : this.#isIdle(now) && this.#isIdle(this.#countedAt)
        ? "idle"
        : undefined;
    if (why === undefined) return [];
    this.#asked = { for: "decision", againAt: after(now, ASK_RETRY) };
    return [{ do: "ask", why }];
  }

  #isWaiting(now: Instant): boolean {
    return this.#asked !== undefined && now < this.#asked.againAt;
  }

  #isOver(now: Instant): boolean {
    return this.endsAt !== undefined && now >= this.endsAt;
  }

  #isIdle(now: Instant): boolean {
    return this.#limits.idle > 0 && between(this.#lastActiveAt, now) >= this.#limits.idle;
  }

  #isExhausted(): boolean {
    return this.#limits.quotaBytes > 0 && this.#usedBytes() >= this.#limits.quotaBytes;
  }

  #usedBytes(): number {
    return this.#upBytes + this.#downBytes;
  }

  #add(entry: AddressEntry, reading: CounterReading, now: Instant): void {
    const before = entry.reading;
    if (before.countedBy === reading.countedBy) {
      this.#upBytes += growth(before.upBytes, reading.upBytes);
      this.#downBytes += growth(before.downBytes, reading.downBytes);
    }
    const up = growth(before.upPackets, reading.upPackets);
    const down = growth(before.downPackets, reading.downPackets);
    if (Math.max(up, down) > IDLE_PACKET_COUNT) this.#lastActiveAt = now;
    entry.reading = reading;
  }

  #step(event: SessionEvent, now: Instant): readonly SessionAction[] {
    const transition = TRANSITIONS[this.#state][event];
    if (!transition) return [];
    this.#state = transition.next;
    if (!isOpening(transition.next)) this.#closedAt = now;
    return transition.steps.map((step) => this.#actionOf(step, now));
  }

  #actionOf(step: SessionStep, now: Instant): SessionAction {
    switch (step) {
      case "permit": {
        const [first] = this.#addresses.values();
        return this.#permit((first as AddressEntry).reading.address, now);
      }
      case "revoke":
        this.#revokeAt = after(now, REVOKE_RETRY);
        return { do: "revoke" };
      case "save":
        return { do: "save" };
      case "opened":
      case "closed":
        return { do: "tell", what: step };
    }
  }

  #permit(address: IpAddress, now: Instant): SessionAction {
    const timeout = this.endsAt === undefined ? undefined : between(now, this.endsAt);
    return { do: "permit", address, timeout };
  }
}

/** fe80::/10 (RFC 4291 §2.5.6) and 169.254.0.0/16 (RFC 3927 §2.7). */
function isLinkLocal({ family, bytes: [first = 0, second = 0] }: IpAddress): boolean {
  return family === 6 ? first === 0xfe && (second & 0xc0) === 0x80 : first === 169 && second === 254;
}

function newEntry(address: IpAddress): AddressEntry {
  return {
    reading: { address, upBytes: 0, upPackets: 0, downBytes: 0, downPackets: 0 },
    permittedAt: undefined,
  };
}

/** Whether a script's counters may have been read before those that the address was let in with. */
function isOlder({ countedBy }: CounterReading, { permittedAt }: AddressEntry, askedAt: Instant): boolean {
  return countedBy !== undefined && (permittedAt === undefined || permittedAt >= askedAt);
}

/** How much a counter has grown; one that is smaller than before began again at 0. */
function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}
