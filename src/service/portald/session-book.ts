/**
 * Every client the portal knows, by MAC address and by IP address, and the part of it that is kept over restarts.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { MetanetError } from "#base/errors.ts";
import { type IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { between, type Duration, type Instant, milliseconds, minutes } from "#base/time.ts";
import type { Store, StoreWrite } from "#io/store.ts";
import { Session, type SessionRecord } from "#protocol/portal/session.ts";
import { isOpening } from "#protocol/portal/session-state.ts";

/** How long a closed session is remembered, so that its client can be told why. */
export const CLOSED_MEMORY: Duration = minutes(10);

const TABLE = "portal-sessions";

/** Takes one line for the log. */
export type PortaldLog = (
  level: "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

/**
 * Saves that come so soon after the one before are gathered for as long: a disk does some hundred commits a second,
 * whatever is in them, and a crowd at the login page shares them.
 */
export const SAVE_GATHER: Duration = milliseconds(25);

export interface SessionBookOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Clients known at once, open or closed. */
  readonly countMax: number;
  readonly log?: PortaldLog | undefined;
}

export class SessionBook {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #countMax: number;
  readonly #log: PortaldLog;
  readonly #sessions = new Map<string, Session>();
  readonly #byAddress = new Map<string, Session>();
  /** Clients of whom the store holds something older, because it refused what is true now; never more than known. */
  readonly #unsaved = new Set<string>();
  /** Clients whose saves are being gathered, and the end of that. */
  #gathered = new Set<string>();
  #gathering: Promise<void> | undefined;
  #writtenAt: Instant = 0 as Instant;
  #storeFailureCount = 0;

  constructor({ store, clock, countMax, log = () => undefined }: SessionBookOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#countMax = countMax;
    this.#log = log;
  }

  /** Commits that failed. */
  get storeFailureCount(): number {
    return this.#storeFailureCount;
  }

  get all(): Iterable<Session> {
    return this.#sessions.values();
  }

  /** Clients known, open or closed. */
  get size(): number {
    return this.#sessions.size;
  }

  get openCount(): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (session.state === "permitted") count++;
    return count;
  }

  find(client: MacAddress): Session | undefined {
    return this.#sessions.get(client.toString());
  }

  /** The session that an address passes under, as far as is known without asking anybody. */
  findByAddress(address: IpAddress): Session | undefined {
    const session = this.#byAddress.get(address.toString());
    return session?.has(address) ? session : undefined;
  }

  /** The client's session, a new one if there is none; `undefined` when there is no room for one more. */
  obtain(client: MacAddress, now: Instant): Session | undefined {
    const key = client.toString();
    const known = this.#sessions.get(key);
    if (known) return known;
    if (this.#sessions.size >= this.#countMax) this.forgetClosed(now, 0 as Duration);
    if (this.#sessions.size >= this.#countMax) return undefined;
    const session = new Session(client);
    this.#sessions.set(key, session);
    return session;
  }

  /**
   * Notes under which addresses a session is to be found; to be called when they have changed. An address that was
   * another session's has moved, and is taken from that one.
   */
  index(session: Session): void {
    for (const address of session.addresses) {
      const before = this.#byAddress.get(address.toString());
      if (before === session) continue;
      before?.removeAddress(address);
      this.#byAddress.set(address.toString(), session);
    }
  }

  /** Forgets sessions that have been closed for `age` and that the firewall has shut out. */
  forgetClosed(now: Instant, age: Duration = CLOSED_MEMORY): void {
    for (const [key, session] of this.#sessions) {
      if (isOpening(session.state) || session.isRevoking) continue;
      if (session.closedAt !== undefined && between(session.closedAt, now) < age) continue;
      this.#sessions.delete(key);
    }
    for (const [address, session] of this.#byAddress) {
      const isKept = this.#sessions.get(session.mac.toString()) === session;
      if (!isKept || !session.addresses.some((used) => used.toString() === address))
        this.#byAddress.delete(address);
    }
  }

  /** Brings back what was kept; what cannot be read is dropped, and counted as a failure of the store. */
  load(): void {
    const damaged: StoreWrite[] = [];
    for (const [key, value] of this.#store.entries(TABLE)) {
      const record = typeof value === "string" ? readRecord(value) : undefined;
      if (!record) {
        damaged.push({ table: TABLE, key, value: undefined });
        this.#storeFailureCount++;
        continue;
      }
      const session = Session.restore(record);
      this.#sessions.set(key, session);
      this.index(session);
    }
    if (damaged.length > 0) this.#store.commit(damaged).catch(() => this.#storeFailureCount++);
  }

  /**
   * Keeps sessions, or forgets those that are not open; resolves when that is durable, or has failed, is counted and
   * left to {@link saveAgain}.
   */
  async save(sessions: readonly Session[]): Promise<void> {
    const keys = sessions.map((session) => session.mac.toString());
    if (!this.#gathering && between(this.#writtenAt, this.#clock.now()) >= SAVE_GATHER) {
      return this.#write(keys);
    }
    for (const key of keys) this.#gathered.add(key);
    this.#gathering ??= this.#writeGathered();
    return this.#gathering;
  }

  async #writeGathered(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.after(SAVE_GATHER, resolve));
    const keys = this.#gathered;
    this.#gathered = new Set();
    this.#gathering = undefined;
    await this.#write([...keys]);
  }

  /** Tries again what the store has refused: a session that was closed meanwhile must not come back with a restart. */
  async saveAgain(): Promise<void> {
    if (this.#unsaved.size > 0) await this.#write([...this.#unsaved]);
  }

  async #write(keys: readonly string[]): Promise<void> {
    const writes = keys.map((key) => {
      const record = this.#sessions.get(key)?.record;
      return { table: TABLE, key, value: record && JSON.stringify(record) };
    });
    this.#writtenAt = this.#clock.now();
    try {
      await this.#store.commit(writes);
    } catch (error) {
      if (!(error instanceof MetanetError)) throw error;
      this.#storeFailureCount++;
      if (this.#unsaved.size === 0) {
        this.#log("error", "sessions cannot be kept; they would be lost by a restart", { error });
      }
      for (const key of keys) this.#unsaved.add(key);
      return;
    }
    if (this.#unsaved.size === 0) return;
    for (const key of keys) this.#unsaved.delete(key);
    if (this.#unsaved.size === 0) this.#log("info", "all sessions are kept again", {});
  }
}

/** The record of a kept text; `undefined` when it is none. */
function readRecord(text: string): SessionRecord | undefined {
  try {
    const kept = JSON.parse(text) as SessionRecord & { mac: string };
    const readings = kept.readings.map((reading) => ({ ...reading, address: ip(String(reading.address)) }));
    const numbers = [kept.openedAt, kept.lastActiveAt, kept.upBytes, kept.downBytes];
    const limits = [kept.limits.idle, kept.limits.session, kept.limits.quotaBytes];
    if (![...numbers, ...limits].every((value) => Number.isFinite(value))) return undefined;
    return { ...kept, user: kept.user, mac: mac(kept.mac), readings };
  } catch {
    return undefined;
  }
}
