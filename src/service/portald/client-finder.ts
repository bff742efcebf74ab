/**
 * Which MAC address stands behind a client's IP address, and which others it has, from the neighbour
 * table; the former is remembered for a moment so that a burst of requests asks once.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { after, type Duration, type Instant, seconds } from "#base/time.ts";
import type { Neighbours } from "#io/neighbours.ts";

/** How long an answer is taken for still true; never when a session is opened or closed. */
export const FINDING_LIFETIME: Duration = seconds(2);

/** Answers remembered at once; all are forgotten when there would be more. */
export const FINDING_COUNT_MAX = 4096;

export class ClientFinder {
  readonly #neighbours: Neighbours;
  readonly #found = new Map<string, { readonly mac: MacAddress | undefined; readonly until: Instant }>();
  #unknownCount = 0;

  constructor(neighbours: Neighbours) {
    this.#neighbours = neighbours;
  }

  /** Times nobody stood behind an address, or the table could not be read. */
  get unknownCount(): number {
    return this.#unknownCount;
  }

  /** The client's MAC address, at once when it is remembered; `undefined` when there is none to be had. */
  find(address: IpAddress, now: Instant): MacAddress | undefined | Promise<MacAddress | undefined> {
    const known = this.#found.get(address.toString());
    return known && now < known.until ? known.mac : this.findAfresh(address, now);
  }

  /** The same, always from the table itself. */
  async findAfresh(address: IpAddress, now: Instant): Promise<MacAddress | undefined> {
    const found = await this.#neighbours.find(address).catch(() => undefined);
    if (!found) this.#unknownCount++;
    if (this.#found.size >= FINDING_COUNT_MAX) this.#found.clear();
    this.#found.set(address.toString(), { mac: found, until: after(now, FINDING_LIFETIME) });
    return found;
  }

  /** The addresses of each of these clients, in the order asked; none when the table cannot be read. */
  async addressesOf(clients: readonly MacAddress[]): Promise<readonly (readonly IpAddress[])[]> {
    return this.#neighbours.addressesOf(clients).catch(() => []);
  }
}
