/**
 * Who may pass, as the broker remembers it: the kernel's own sets are the truth, and this is what they must hold.
 * An address belongs to one client at a time; a client may have several.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { between, type Duration, type Instant, milliseconds } from "#base/time.ts";
import type { ElementChange, SetElement, TrafficCount } from "#io/rule-set.ts";
import { DOWN, UP } from "./rules.ts";

/** One permit. */
export interface Client {
  readonly mac: MacAddress;
  readonly address: IpAddress;
  readonly mark: number;
  /** As asked for; absent means for ever. */
  readonly timeout?: Duration;
  /** When the timeout is over. */
  readonly expiresAt?: Instant;
}

/** Permits by address and by client. */
export class ClientTable {
  readonly #byAddress = new Map<string, Client>();
  readonly #byMac = new Map<string, Map<string, Client>>();
  readonly #counts = { 4: 0, 6: 0 };

  get size(): number {
    return this.#byAddress.size;
  }

  /** How many permits there are for addresses of one family. */
  count(family: 4 | 6): number {
    return this.#counts[family];
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.#byAddress.values();
  }

  at(address: IpAddress): Client | undefined {
    return this.#byAddress.get(address.toString());
  }

  of(mac: MacAddress): readonly Client[] {
    return [...(this.#byMac.get(mac.toString())?.values() ?? [])];
  }

  /** Puts a permit in the place of whatever its address had. */
  put(client: Client): void {
    const before = this.at(client.address);
    if (before) this.delete(before);
    const address = client.address.toString();
    this.#byAddress.set(address, client);
    this.#counts[client.address.family]++;
    const mac = client.mac.toString();
    const siblings = this.#byMac.get(mac) ?? new Map<string, Client>();
    siblings.set(address, client);
    this.#byMac.set(mac, siblings);
  }

  /** Takes out this very permit; `false` when its address has another one by now, or none. */
  delete(client: Client): boolean {
    const address = client.address.toString();
    if (this.#byAddress.get(address) !== client) return false;
    this.#byAddress.delete(address);
    this.#counts[client.address.family]--;
    const mac = client.mac.toString();
    const siblings = this.#byMac.get(mac);
    siblings?.delete(address);
    if (siblings?.size === 0) this.#byMac.delete(mac);
    return true;
  }

  /** The permits whose time is over. */
  expired(now: Instant): Client[] {
    return [...this].filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now);
  }
}

/** Where a client's counters start. */
export interface ClientTraffic {
  readonly up?: TrafficCount | undefined;
  readonly down?: TrafficCount | undefined;
}

/** The steps that let a client pass, with what is left of its time. */
export function permitSteps(client: Client, now: Instant, traffic: ClientTraffic = {}): ElementChange[] {
  const { address, mark, timeout, expiresAt } = client;
  const expiresIn = expiresAt === undefined ? undefined : Math.max(1, Math.ceil(between(now, expiresAt)));
  const element = (key: SetElement["key"], counter: TrafficCount | undefined): SetElement => ({
    key,
    mark,
    ...(timeout === undefined ? {} : { timeout }),
    ...(expiresIn === undefined ? {} : { expiresIn: milliseconds(expiresIn) }),
    ...(counter === undefined ? {} : { counter }),
  });
  return [
    { do: "add", set: UP[address.family].name, element: element(upKey(client), traffic.up) },
    { do: "add", set: DOWN[address.family].name, element: element([address], traffic.down) },
  ];
}

/** The steps after which nothing of a client passes. */
export function revokeSteps(client: Client): ElementChange[] {
  const { family } = client.address;
  return [
    { do: "remove", set: UP[family].name, key: upKey(client) },
    { do: "remove", set: DOWN[family].name, key: [client.address] },
  ];
}

/** A client's key in the map of what it sends. */
export function upKey(client: Pick<Client, "mac" | "address">): SetElement["key"] {
  return [client.mac, client.address];
}
