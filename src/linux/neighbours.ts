/**
 * The kernel's neighbour table over rtnetlink; works without privileges. One look at it lists the addresses
 * of any number of clients.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Neighbours } from "#io/neighbours.ts";
import {
  decodeNeighbour,
  encodeGetNeighbour,
  encodeListNeighbours,
  NETLINK_ROUTE,
  type Neighbour,
  RTM_NEWNEIGH,
} from "#wire/rtnetlink.ts";
import { native } from "./native.ts";
import { NetlinkSocket } from "./netlink.ts";
import { translateErrors } from "./system-error.ts";

const ENOENT = 2;
const ENODEV = 19;

/** What may be chosen. */
export interface LinuxNeighboursOptions {
  /** Looks on this interface only, which costs the same with ten neighbours and ten thousand. */
  readonly interface?: string;
}

/** The neighbour table of the network namespace the process is in. */
export class LinuxNeighbours implements Neighbours {
  readonly #socket: NetlinkSocket;
  readonly #interface: string | undefined;
  #index: number | undefined;

  /** @throws UnavailableError when the kernel refuses a netlink socket. */
  constructor(options: LinuxNeighboursOptions = {}) {
    this.#interface = options.interface;
    this.#socket = new NetlinkSocket(NETLINK_ROUTE);
  }

  /** @throws UnavailableError when the interface is not there or the kernel gives no answer. */
  async find(address: IpAddress): Promise<MacAddress | undefined> {
    if (this.#interface === undefined) return this.#search(address)?.mac;
    const known = this.#index;
    const found = known === undefined ? undefined : this.#get(address, known);
    if (found) return found.mac;
    // An interface that was made again has another index: what is not found may only be looked for in the wrong place.
    this.#index = indexOf(this.#interface);
    return this.#index === known ? undefined : this.#get(address, this.#index)?.mac;
  }

  async addressesOf(macs: readonly MacAddress[]): Promise<readonly (readonly IpAddress[])[]> {
    const found = new Map<string, IpAddress[]>(macs.map((mac) => [mac.toString(), []]));
    const index = this.#interface === undefined ? undefined : indexOf(this.#interface);
    const messages = this.#socket.list((sequence) => encodeListNeighbours(sequence, "any", index));
    if (typeof messages === "number") throw refused("list the neighbours", messages);
    for (const message of messages) {
      const neighbour = message.type === RTM_NEWNEIGH ? decodeNeighbour(message.body) : undefined;
      if (neighbour?.mac !== undefined) found.get(neighbour.mac.toString())?.push(neighbour.address);
    }
    return macs.map((mac) => found.get(mac.toString()) ?? []);
  }

  close(): void {
    this.#socket.close();
  }

  #get(address: IpAddress, index: number): Neighbour | undefined {
    const sequence = this.#socket.reserve(1);
    let found: Neighbour | undefined;
    const request = encodeGetNeighbour(sequence, address, index);
    const [answer] = this.#socket.ask(request, sequence, sequence, (message) => {
      if (message.type === RTM_NEWNEIGH) found = decodeNeighbour(message.body);
    });
    const errno = answer?.errno ?? 0;
    if (errno !== 0 && errno !== ENOENT && errno !== ENODEV)
      throw refused(`look up neighbour ${address}`, errno);
    return found;
  }

  #search(address: IpAddress): Neighbour | undefined {
    const messages = this.#socket.list((sequence) => encodeListNeighbours(sequence, address.family));
    if (typeof messages === "number") throw refused(`look up neighbour ${address}`, messages);
    for (const message of messages) {
      const neighbour = message.type === RTM_NEWNEIGH ? decodeNeighbour(message.body) : undefined;
      if (neighbour?.mac !== undefined && neighbour.address.equals(address)) return neighbour;
    }
    return undefined;
  }
}

function indexOf(interfaceName: string): number {
  return translateErrors(`look up a neighbour on ${interfaceName}`, () =>
    native().interfaceIndex(interfaceName),
  );
}

function refused(what: string, errno: number): UnavailableError {
  return new UnavailableError(`Cannot ${what}: the kernel gave errno ${errno}`);
}
