/**
 * Notices the further addresses of clients that are in (IPv4 beside IPv6, temporary ones, RFC 8981): soon after a
 * login, and with every reading of the counters. One look at the neighbour table serves all who wait for it.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import type { IpAddress } from "#base/ip-address.ts";
import { after, between, type Duration, type Instant, milliseconds } from "#base/time.ts";
import type { Session } from "#protocol/portal/session.ts";
import type { ClientFinder } from "./client-finder.ts";
import type { SessionBook } from "./session-book.ts";

/** The least time between looks on account of logins: with many of them the table is read no more often. */
export const LOOK_INTERVAL: Duration = milliseconds(250);

/** A look at a large table takes long; between two of them lies as many times as much. */
const LOOK_REST = 20;

export interface AddressWatchOptions {
  readonly clock: Clock;
  readonly finder: ClientFinder;
  readonly book: SessionBook;
  /** Is told the addresses a client is seen with, without those that another client passes with. */
  readonly notice: (session: Session, seen: readonly IpAddress[]) => Promise<void>;
}

export class AddressWatch {
  readonly #options: AddressWatchOptions;
  /** Let in and not looked for yet; no more than there are sessions. */
  #waiting = new Set<Session>();
  #timer: Timer | undefined;
  /** When the next look on account of a login may be. */
  #restsUntil: Instant = 0 as Instant;
  #isStopped = false;

  constructor(options: AddressWatchOptions) {
    this.#options = options;
  }

  /** Looks for the addresses of a client that has just been let in: at once, or when the interval is over. */
  lookSoon(session: Session): void {
    this.#waiting.add(session);
    if (this.#timer || this.#isStopped) return;
    const { clock } = this.#options;
    const rest = Math.max(0, between(clock.now(), this.#restsUntil));
    this.#timer = clock.after(milliseconds(rest), () => {
      this.#timer = undefined;
      const waiting = this.#waiting;
      this.#waiting = new Set();
      void this.look(waiting);
    });
  }

  /** Looks for the addresses of these clients now; resolves when the firewall has answered for each. */
  async look(clients: Iterable<Session>): Promise<void> {
    const { book, clock, finder, notice } = this.#options;
    const sessions = [...clients].filter((session) => session.state === "permitted");
    if (sessions.length === 0) return;
    const begun = clock.now();
    const lists = await finder.addressesOf(sessions.map((session) => session.mac));
    const took = between(begun, clock.now());
    this.#restsUntil = after(begun, milliseconds(Math.max(LOOK_INTERVAL, LOOK_REST * took)));
    if (this.#isStopped) return;
    const told: Promise<void>[] = [];
    for (const [index, session] of sessions.entries()) {
      // Answering for somebody's address is easily said (RFC 826): it is taken from nobody who passes with it.
      const seen = (lists[index] ?? []).filter((address) => {
        const owner = book.findByAddress(address);
        return owner === undefined || owner === session || !owner.isPermitted(address);
      });
      told.push(notice(session, seen));
    }
    await Promise.all(told);
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
