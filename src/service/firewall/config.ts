/**
 * What the operator decides about the firewall, with defaults, and checked: names go into the text of the rules,
 * so nothing but a plain name may pass here.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { type Duration, hours } from "#base/time.ts";

/** What may be configured; only the two interfaces must be. */
export interface FirewallOptions {
  /** The interface the clients are on. */
  readonly inside: string;
  /** The interface towards the outside. */
  readonly outside: string;
  /** TCP port of the portal; plain HTTP of clients without a permit goes there. Default 5280. */
  readonly portalPort?: number | undefined;
  /** TCP port of the portal's API over TLS (RFC 8908), if there is one. */
  readonly apiPort?: number | undefined;
  /** Clients leave with the outside interface's IPv4 address. Default true. */
  readonly masquerade?: boolean | undefined;
  /** The same for IPv6. Default false: clients have addresses of their own. */
  readonly masquerade6?: boolean | undefined;
  /** The clients' networks; packets and permits with other addresses are refused. None means any. */
  readonly prefixes?: readonly IpPrefix[] | undefined;
  /** Name servers on the outside that everybody may ask, before the login too. */
  readonly resolvers?: readonly IpAddress[] | undefined;
  /** Marks that a permit may ask for, 1 to 4294967295. Default: only 1. */
  readonly marks?: readonly number[] | undefined;
  /** The longest timeout a permit may ask for. Default 24 h. */
  readonly timeoutMax?: Duration | undefined;
  /** Name of the nftables table: `metanet`, or `metanet-` and more. */
  readonly table?: string | undefined;
}

/** The same with everything decided. */
export interface FirewallConfig {
  readonly inside: string;
  readonly outside: string;
  readonly portalPort: number;
  readonly apiPort: number | undefined;
  readonly masquerade: boolean;
  readonly masquerade6: boolean;
  /** None lies inside another. */
  readonly prefixes: readonly IpPrefix[];
  readonly resolvers: readonly IpAddress[];
  readonly marks: readonly number[];
  readonly timeoutMax: Duration;
  readonly table: string;
}

/** A client's permit marks its packets with this unless another is asked for. */
export const DEFAULT_MARK = 1;

/** The kernel's limit is 15 characters; the rest is what appears in real names. */
const INTERFACE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
const TABLE_NAME = /^metanet(-[a-z0-9-]{1,20})?$/;
const PORT_MAX = 65_535;
const MARK_MAX = 0xffff_ffff;

/** @throws ConfigurationError that names the option and what was wrong with it. */
export function firewallConfig(options: FirewallOptions): FirewallConfig {
  const { inside, outside, apiPort, portalPort = 5280, marks = [DEFAULT_MARK] } = options;
  const { timeoutMax = hours(24), table = "metanet", prefixes = [] } = options;
  for (const [option, name] of Object.entries({ inside, outside })) {
    check(option, name, INTERFACE_NAME.test(name), "is not the name of an interface");
  }
  check("outside", outside, inside !== outside, "is the inside interface as well");
  for (const [option, port] of Object.entries({ portalPort, apiPort })) {
    check(option, port, port === undefined || isWhole(port, 1, PORT_MAX), "is not a port from 1 to 65535");
  }
  check("marks", marks.join(), marks.length > 0, "allow no permit at all");
  for (const mark of marks)
    check("marks", mark, isWhole(mark, 1, MARK_MAX), "is not a mark from 1 to 2^32-1");
  check("timeoutMax", timeoutMax, timeoutMax > 0, "is not a length of time");
  check("table", table, TABLE_NAME.test(table), "is not 'metanet', or 'metanet-' and more");
  return {
    inside,
    outside,
    portalPort,
    apiPort,
    masquerade: options.masquerade ?? true,
    masquerade6: options.masquerade6 ?? false,
    prefixes: withoutInner(prefixes),
    resolvers: unique(options.resolvers ?? []),
    marks,
    timeoutMax,
    table,
  };
}

/** A kernel set of ranges takes no range inside another. */
function withoutInner(prefixes: readonly IpPrefix[]): IpPrefix[] {
  return unique(prefixes).filter(
    (inner) =>
      !prefixes.some((outer) => outer.lengthBits < inner.lengthBits && outer.contains(inner.address)),
  );
}

function unique<T extends { toString(): string }>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [value.toString(), value])).values()];
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function check(option: string, value: unknown, fine: boolean, complaint: string): void {
  if (!fine) throw new ConfigurationError(`Cannot set up the firewall: ${option} '${value}' ${complaint}`);
}
