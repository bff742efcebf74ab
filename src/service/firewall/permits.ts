/**
 * Permits: given, changed, ended and repaired. Memory and kernel change in the same order, because nothing waits
 * between the change of the one and the queue of the other; what the kernel refuses is taken back in memory.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { LimitExceededError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { after, type Instant } from "#base/time.ts";
import { type ElementChange, TableGoneError } from "#io/rule-set.ts";
import { type Client, ClientTable, permitSteps, revokeSteps } from "./client-table.ts";
import type { Counted, KernelState } from "./kernel-state.ts";
import { type PermitRequest, type Policy, RefusedError, refusal } from "./policy.ts";
import { CLIENT_COUNT_MAX } from "./rules.ts";

/** Why a permit ended. */
export type EndReason = "asked" | "expired" | "replaced" | "refused";

/** Who wants to know. */
export interface PermitEvents {
  permitted(client: Client): void;
  revoked(client: Client, reason: EndReason): void;
  /** Somebody else had removed or changed the rules; they are back with so many permits. */
  restored(permitCount: number): void;
}

export interface PermitsOptions {
  readonly policy: Policy;
  readonly kernel: KernelState;
  readonly clock: Clock;
  readonly events: PermitEvents;
}

export class Permits {
  readonly #policy: Policy;
  readonly #kernel: KernelState;
  readonly #clock: Clock;
  readonly #events: PermitEvents;
  readonly #clients = new ClientTable();
  #restoring: Promise<void> | undefined;

  constructor(options: PermitsOptions) {
    this.#policy = options.policy;
    this.#kernel = options.kernel;
    this.#clock = options.clock;
    this.#events = options.events;
  }

  /** How many clients may pass. */
  get size(): number {
    return this.#clients.size;
  }

  /** Loads the rules, takes over who passes already, and stops whom the policy does not allow any more. */
  async start(): Promise<void> {
    for (const { client } of await this.#kernel.load()) this.#clients.put(client);
    const refused = [...this.#clients].filter((client) => refusal(this.#policy, client) !== undefined);
    await this.#end(refused, "refused");
  }

  /** @throws RefusedError, LimitExceededError, and what the kernel says */
  async permit(request: PermitRequest): Promise<void> {
    const { mac, address } = request;
    const why = refusal(this.#policy, request);
    if (why !== undefined) throw new RefusedError(`Cannot permit ${mac} at ${address}: ${why}`);
    // Only a client that has a permit already has counters to go on with.
    const known = this.#clients.at(address)?.mac.equals(mac) ?? false;
    const traffic = known ? await this.#whole(() => this.#kernel.readOne(request)) : undefined;

    const client = clientOf(request, this.#clock.now());
    const before = this.#clients.at(address);
    if (before === undefined && this.#clients.count(address.family) >= CLIENT_COUNT_MAX) {
      const limit = `${CLIENT_COUNT_MAX} clients of IPv${address.family} have a permit`;
      throw new LimitExceededError(`Cannot permit ${mac} at ${address}: ${limit}`);
    }
    const isSame = before !== undefined && isSamePermit(before, client);
    const steps = permitSteps(client, this.#clock.now(), traffic);
    this.#clients.put(client);
    try {
      await this.#change([before && !isSame ? [...revokeSteps(before), ...steps] : steps]);
    } catch (error) {
      if (this.#clients.delete(client) && before) this.#clients.put(before);
      throw error;
    }
    if (before && !before.mac.equals(mac)) this.#events.revoked(before, "replaced");
    if (!isSame) this.#events.permitted(client);
  }

  /** Ends one permit of a client, or all; gives how many. */
  async revoke(mac: MacAddress, address?: IpAddress): Promise<number> {
    const clients = this.#clients
      .of(mac)
      .filter((client) => address === undefined || client.address.equals(address));
    await this.#end(clients, "asked");
    return clients.length;
  }

  /** What has passed of everybody, or of one client. */
  async counters(mac?: MacAddress): Promise<readonly Counted[]> {
    return this.#whole(async () => {
      if (mac === undefined) return this.#kernel.read();
      const counted: Counted[] = [];
      for (const client of this.#clients.of(mac)) {
        const one = await this.#kernel.readOne(client);
        if (one !== undefined) counted.push(one);
      }
      return counted;
    });
  }

  /** Ends the permits whose time is over, and puts the rules back when somebody changed them. */
  async sweep(): Promise<void> {
    await this.#end(this.#clients.expired(this.#clock.now()), "expired");
    if (!(await this.#kernel.isIntact())) await this.#restore();
  }

  async #end(clients: readonly Client[], reason: EndReason): Promise<void> {
    const ended = clients.filter((client) => this.#clients.delete(client));
    try {
      await this.#change(ended.map(revokeSteps));
    } catch (error) {
      // They still pass, so they must still be known, to be ended at the next attempt.
      for (const client of ended) if (!this.#clients.at(client.address)) this.#clients.put(client);
      throw error;
    }
    for (const client of ended) this.#events.revoked(client, reason);
  }

  /** Does steps that memory holds already, so that bringing back the table does them as well. */
  async #change(groups: readonly (readonly ElementChange[])[]): Promise<void> {
    try {
      await this.#kernel.change(groups);
    } catch (error) {
      if (!(error instanceof TableGoneError)) throw error;
      await this.#restore();
    }
  }

  /** Reads, and once more after the table was brought back. */
  async #whole<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof TableGoneError)) throw error;
      await this.#restore();
      return read();
    }
  }

  /** However many notice at the same time, the table is loaded once. */
  #restore(): Promise<void> {
    this.#restoring ??= this.#load().finally(() => {
      this.#restoring = undefined;
    });
    return this.#restoring;
  }

  async #load(): Promise<void> {
    await this.#kernel.load();
    const clients = [...this.#clients].map((client) => ({ client }));
    await this.#kernel.put(clients);
    this.#events.restored(clients.length);
  }
}

function clientOf({ mac, address, mark, timeout }: PermitRequest, now: Instant): Client {
  return {
    mac,
    address,
    mark,
    ...(timeout === undefined ? {} : { timeout, expiresAt: after(now, timeout) }),
  };
}

/** A permit with a timeout is never the same: its time begins again. */
function isSamePermit(before: Client, client: Client): boolean {
  const isTimed = before.timeout !== undefined || client.timeout !== undefined;
  return !isTimed && before.mark === client.mark && before.mac.equals(client.mac);
}
