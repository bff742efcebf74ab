/**
 * A neighbour table that tests fill by hand.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Neighbours } from "#io/neighbours.ts";

export class SimNeighbours implements Neighbours {
  readonly #macs = new Map<string, MacAddress>();

  /** From now on `mac` answers for `address`. */
  add(address: IpAddress, mac: MacAddress): void {
    this.#macs.set(address.toString(), mac);
  }

  /** From now on nobody answers for `address`. */
  remove(address: IpAddress): void {
    this.#macs.delete(address.toString());
  }

  async find(address: IpAddress): Promise<MacAddress | undefined> {
    return this.#macs.get(address.toString());
  }

  async addressesOf(macs: readonly MacAddress[]): Promise<readonly (readonly IpAddress[])[]> {
    return macs.map((wanted) =>
      [...this.#macs].filter(([, mac]) => mac.equals(wanted)).map(([address]) => ip(address)),
    );
  }

  close(): void {
    this.#macs.clear();
  }
}
