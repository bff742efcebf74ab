/**
 * What the operator decides about the DHCP server, with defaults, and checked.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { IpAddress, type IpPrefix } from "#base/ip-address.ts";
import { type Duration, hours, milliseconds, minutes, seconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { uint32Data } from "#protocol/dhcp4/reply.ts";
import { Subnet } from "#protocol/dhcp4/subnet.ts";
import { DHCP4_OPTION, encodeOptionValue, specOfName } from "#wire/dhcp4-options.ts";

/** What may be configured. */
export interface DhcpdOptions {
  /** At least one. */
  readonly subnets: readonly SubnetOptions[];
  /** How long a lookup may stay unanswered before the pool answers. Default 500 ms. */
  readonly lookupDeadline?: Duration | undefined;
}

/** One network of clients. */
export interface SubnetOptions {
  /** The interface its clients are on; relayed requests for it may come in anywhere. */
  readonly interface: string;
  /** The server's own address there. */
  readonly server: IpAddress;
  readonly subnet: IpPrefix;
  /** What the pool gives from; none when only listeners decide. */
  readonly pool: readonly { readonly first: IpAddress; readonly last: IpAddress }[];
  /** Option 3. Default: the server. */
  readonly routers?: readonly IpAddress[] | undefined;
  /** Option 6. */
  readonly dns?: readonly IpAddress[] | undefined;
  /** Option 15. */
  readonly domain?: string | undefined;
  /** Option 114 (RFC 8910): the URI of the portal's API, at most 255 bytes. */
  readonly captivePortal?: string | undefined;
  /** More options, by the names in the manual page or `option-N`. */
  readonly options?: Readonly<Record<string, Value>> | undefined;
  /** How long an address is leased for. Default 1 h. */
  readonly lease?: Duration | undefined;
  /** The least a client may ask for; default 1 min, or `lease` when that is less. */
  readonly leaseMin?: Duration | undefined;
  /** The most a client may ask for; default `lease`. */
  readonly leaseMax?: Duration | undefined;
  /** There is no other server on the network (see the manual page). Default true. */
  readonly authoritative?: boolean | undefined;
  /** How long an offered address is held. Default 30 s. */
  readonly offerHold?: Duration | undefined;
  /** How long an address found in use is given to nobody. Default 1 h. */
  readonly quarantine?: Duration | undefined;
  /** Records at the most. */
  readonly leaseCountMax?: number | undefined;
}

/** A subnet with everything decided. */
export interface ServedSubnet {
  readonly interface: string;
  readonly subnet: Subnet;
  readonly prefix: IpPrefix;
  readonly offerHold: Duration;
  /** Configured options with their values, as tags of messages. */
  readonly values: ReadonlyMap<number, { readonly name: string; readonly value: Value }>;
  /** The same as they are sent. */
  readonly data: ReadonlyMap<number, Uint8Array>;
}

/** The service's configuration with everything decided. */
export interface DhcpdConfig {
  readonly subnets: readonly ServedSubnet[];
  readonly lookupDeadline: Duration;
}

const CAPTIVE_PORTAL_BYTES_MAX = 255; // RFC 8910 section 2.1

/** @throws ConfigurationError that names the subnet and what was wrong. */
export function dhcpdConfig(options: DhcpdOptions): DhcpdConfig {
  const { subnets, lookupDeadline = milliseconds(500) } = options;
  if (subnets.length === 0) throw new ConfigurationError("Cannot serve DHCP: no subnet is configured");
  for (const [index, { subnet }] of subnets.entries()) {
    const other = subnets
      .slice(0, index)
      .find((each) => each.subnet.contains(subnet.address) || subnet.contains(each.subnet.address));
    if (other) throw new ConfigurationError(`Cannot serve ${subnet}: it overlaps ${other.subnet}`);
  }
  if (!(lookupDeadline > 0)) {
    throw new ConfigurationError(
      `Cannot serve DHCP: lookupDeadline '${lookupDeadline}' is not a length of time`,
    );
  }
  return { subnets: subnets.map(servedSubnet), lookupDeadline };
}

function servedSubnet(options: SubnetOptions): ServedSubnet {
  const {
    subnet: prefix,
    server,
    lease = hours(1),
    offerHold = seconds(30),
    quarantine = hours(1),
  } = options;
  const { leaseMin = milliseconds(Math.min(minutes(1), lease)), leaseMax = lease } = options;
  if (!(leaseMin > 0 && leaseMin <= lease && lease <= leaseMax)) {
    throw new ConfigurationError(
      `Cannot serve ${prefix}: lease ${lease} ms is not between leaseMin ${leaseMin} ms and leaseMax ${leaseMax} ms`,
    );
  }
  const values = optionValues(options);
  return {
    interface: options.interface,
    prefix,
    offerHold,
    subnet: new Subnet({
      prefix,
      server,
      ranges: options.pool.map(({ first, last }) => ({ first: first.toUint32(), last: last.toUint32() })),
      reserved: options.routers ?? [],
      leaseTime: lease,
      leaseTimeMin: leaseMin,
      leaseTimeMax: leaseMax,
      authoritative: options.authoritative ?? true,
      quarantine,
      ...(options.leaseCountMax === undefined ? {} : { leaseCountMax: options.leaseCountMax }),
    }),
    values,
    data: new Map([...values].map(([code, { name, value }]) => [code, optionData(prefix, name, value)])),
  };
}

/** What the server decides itself, whatever is configured. */
const OWN_OPTIONS: ReadonlySet<string> = new Set([
  "requested-address",
  "lease-time",
  "option-overload",
  "message-type",
  "server-identifier",
  "parameter-request-list",
  "maximum-message-size",
  "renewal-time",
  "rebinding-time",
  "client-id",
  "relay-agent-information",
]);

/** Whether an option is a listener's or the operator's to set: not one the protocol itself needs. */
export function isSettable(name: string): boolean {
  return !OWN_OPTIONS.has(name);
}

function optionValues(options: SubnetOptions): Map<number, { name: string; value: Value }> {
  const { subnet: prefix, server, dns = [], routers = [server], captivePortal } = options;
  const mask = prefix.lengthBits === 0 ? 0 : (0xffff_ffff << (32 - prefix.lengthBits)) >>> 0;
  if (captivePortal !== undefined && captivePortal.length > CAPTIVE_PORTAL_BYTES_MAX) {
    throw new ConfigurationError(`Cannot serve ${prefix}: captivePortal is longer than 255 bytes`);
  }
  const byName: Record<string, Value | undefined> = {
    "subnet-mask": new IpAddress(uint32Data(mask)),
    routers: routers.length > 0 ? routers : undefined,
    "domain-name-servers": dns.length > 0 ? dns : undefined,
    "domain-name": options.domain,
    "broadcast-address": broadcastAddress(prefix, mask),
    "captive-portal": captivePortal,
    ...options.options,
  };
  const values = new Map<number, { name: string; value: Value }>();
  for (const [name, value] of Object.entries(byName)) {
    if (value === undefined) continue;
    const spec = specOfName(name);
    if (!spec || !isSettable(name)) {
      const known = Object.keys(DHCP4_OPTION).filter(isSettable).join(", ");
      throw new ConfigurationError(
        `Cannot serve ${prefix}: there is no option '${name}' to set; known are ${known}, and option-N`,
      );
    }
    values.set(spec.code, { name: spec.name, value });
  }
  return values;
}

function broadcastAddress(prefix: IpPrefix, mask: number): IpAddress | undefined {
  if (prefix.lengthBits >= 31) return undefined; // RFC 3021
  return new IpAddress(uint32Data((prefix.address.toUint32() | ~mask) >>> 0));
}

function optionData(prefix: IpPrefix, name: string, value: Value): Uint8Array {
  const spec = specOfName(name);
  const data = spec && encodeOptionValue(spec.kind, value);
  if (data) return data;
  throw new ConfigurationError(`Cannot serve ${prefix}: option ${name} cannot be '${String(value)}'`);
}
