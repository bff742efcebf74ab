/**
 * One subnet's rules: which addresses may be given, for how long, and what a DHCPREQUEST deserves in each of the
 * client's four states (RFC 2131 sections 4.3.1 and 4.3.2).
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { IpAddress, type IpPrefix } from "#base/ip-address.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import { LeaseTable, type Obstacle } from "./lease-table.ts";
import { AddressPool, type AddressRange } from "./pool.ts";
import type { ClientRequest } from "./request.ts";

export interface SubnetRules {
  readonly prefix: IpPrefix;
  /** The server's own address there: its server identifier, given to no client. */
  readonly server: IpAddress;
  /** What the pool gives from; empty when only listeners decide. */
  readonly ranges: readonly AddressRange[];
  /** Addresses never given, whoever says so: the routers, as a rule. */
  readonly reserved: readonly IpAddress[];
  readonly leaseTime: Duration;
  /** The bounds for a client that asks for a time of its own. */
  readonly leaseTimeMin: Duration;
  readonly leaseTimeMax: Duration;
  /**
   * We are the only server here. Then a client we do not know gets the free address of the pool that it asks for,
   * and a NAK for any other, instead of the silence that RFC 2131 section 4.3.2 wants where others may know it.
   */
  readonly authoritative: boolean;
  readonly quarantine: Duration;
  readonly leaseCountMax?: number;
}

/** Why an address cannot be given. */
export type Refusal = "outside" | "reserved" | Obstacle;

/** What a DHCPREQUEST deserves: `silent` when another server may know better. */
export type Judgement =
  | { readonly verdict: "ack"; readonly address: number }
  | { readonly verdict: "nak"; readonly reason: string }
  | { readonly verdict: "silent"; readonly reason: string };

export class Subnet {
  readonly rules: SubnetRules;
  readonly leases: LeaseTable;
  readonly pool: AddressPool;
  /** The server's address, unsigned 32-bit. */
  readonly server: number;
  readonly #first: number;
  readonly #last: number;
  readonly #reserved: ReadonlySet<number>;

  /** @throws ConfigurationError when the server or a range is outside of the prefix, or a range holds the server. */
  constructor(rules: SubnetRules) {
    this.rules = rules;
    this.server = rules.server.toUint32();
    this.#first = rules.prefix.address.toUint32();
    this.#last = this.#first + 2 ** (32 - rules.prefix.lengthBits) - 1;
    // RFC 1122 section 3.2.1.3: the first and last addresses are nobody's, but in the tiny subnets of RFC 3021.
    const edges = rules.prefix.lengthBits < 31 ? [this.#first, this.#last] : [];
    this.#reserved = new Set([this.server, ...edges, ...rules.reserved.map((each) => each.toUint32())]);
    this.pool = new AddressPool(rules.ranges);
    this.leases = new LeaseTable({
      pool: this.pool,
      quarantine: rules.quarantine,
      ...(rules.leaseCountMax === undefined ? {} : { leaseCountMax: rules.leaseCountMax }),
    });
    this.#check();
  }

  contains(address: number): boolean {
    return address >= this.#first && address <= this.#last;
  }

  /** Why an address cannot be the client's; `undefined` when it can. */
  refusal(address: number, clientKey: string): Refusal | undefined {
    if (!this.contains(address)) return "outside";
    if (this.#reserved.has(address)) return "reserved";
    return this.leases.obstacle(address, clientKey);
  }

  /** The pool's answer: to a DISCOVER a fitting address, to a DHCPREQUEST the one asked for where that is right. */
  choose(request: ClientRequest): number | undefined {
    const { clientKey, address, kind } = request;
    if (kind === "discover") return this.leases.choose(clientKey, address);
    const held = this.leases.at(address);
    if (held?.client.key === clientKey && held.state !== "declined") return address;
    const own = this.leases.of(clientKey);
    if (own && (own.state === "bound" || own.state === "offered")) return own.address;
    // The client says we offered it, or we are the only ones who can have given it: most likely we have forgotten.
    const mayTake = kind === "selecting" || this.rules.authoritative;
    const isFree = this.pool.contains(address) && this.refusal(address, clientKey) === undefined;
    return mayTake && isFree ? address : undefined;
  }

  /** The verdict on a DHCPREQUEST, when `answer` is the address the client should have. */
  judge(request: ClientRequest, answer: number | undefined): Judgement {
    const { address, clientKey, kind } = request;
    if (answer === address) return { verdict: "ack", address };
    if (!this.contains(address)) return { verdict: "nak", reason: "address is on another network" };
    if (answer !== undefined) return { verdict: "nak", reason: "another address is assigned" };
    const isKnown = this.leases.of(clientKey) !== undefined || this.leases.at(address)?.state === "bound";
    if (kind === "selecting" || isKnown || this.rules.authoritative) {
      return { verdict: "nak", reason: "address is not available" };
    }
    return { verdict: "silent", reason: "unknown-client" };
  }

  /** How long a client gets that asks for `wanted` (option 51); `undefined` when it leaves it to us. */
  leaseTime(wanted: Duration | undefined): Duration {
    const { leaseTime, leaseTimeMin, leaseTimeMax } = this.rules;
    if (wanted === undefined) return leaseTime;
    return milliseconds(Math.min(leaseTimeMax, Math.max(leaseTimeMin, wanted)));
  }

  #check(): void {
    const { prefix, server, ranges } = this.rules;
    if (prefix.address.family !== 4 || !this.contains(this.server)) {
      throw new ConfigurationError(`Cannot serve ${prefix}: the server's address ${server} is not in it`);
    }
    for (const { first, last } of ranges) {
      const text = `${IpAddress.fromUint32(first)} to ${IpAddress.fromUint32(last)}`;
      if (!this.contains(first) || !this.contains(last)) {
        throw new ConfigurationError(`Cannot serve ${prefix}: the pool ${text} is not in it`);
      }
      const taken = [...this.#reserved].find((address) => address >= first && address <= last);
      if (taken !== undefined) {
        throw new ConfigurationError(
          `Cannot serve ${prefix}: the pool ${text} holds the reserved address ${IpAddress.fromUint32(taken)}`,
        );
      }
    }
  }
}
