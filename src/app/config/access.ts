/**
 * The sections `order` and `rights`: what the operator says of listeners and users, checked, and as the rules that
 * the services take.
 * @module
 */
import { dirname } from "node:path/posix";
import type { Right, RightsRule } from "#link/rights.ts";
import { isPath, isProcessName } from "#mailbox/address.ts";
import type { OrderRule } from "#mailbox/order-policy.ts";
import { CONTRACTS } from "../contracts.ts";
import { nearest } from "../suggest.ts";
import type { Contradiction } from "./cross-check.ts";
import { formatPath, type Path, type Positions } from "./positions.ts";
import type { Configuration, OrderSection, RightsSection } from "./schema.ts";
import { SERVICE_NAMES, type ServiceName } from "./service-options.ts";

/** Who there is on the machine; `undefined` for whom it does not know. */
export interface Accounts {
  uidOf(user: string): number | undefined;
  gidOf(group: string): number | undefined;
}

const RIGHTS = ["send", "observe", "intercept"] as const satisfies readonly Right[];

/** `process/label`, `process/*`, a label, or `*`. */
const LISTENER = /^(?:([A-Za-z0-9_.-]{1,64})\/)?(\*|[A-Za-z0-9_.:-]{1,64})$/;

/** A key of the two sections: a service, or every one, and a path. */
interface Target {
  readonly service: ServiceName | undefined;
  readonly path: string;
}

/** What in the two sections cannot be meant. */
export function checkAccess({ order = {}, rights = {} }: Configuration): Contradiction[] {
  return [
    ...Object.entries(order).flatMap(([key, rules]) => [
      ...checkOrderKey(key),
      ...Object.keys(rules).flatMap((listener) => checkListener(key, listener)),
    ]),
    ...Object.entries(rights).flatMap(([key, grants]) => checkRightsKey(key, grants)),
  ];
}

/** Users and groups that the machine does not know; checked only when services start. */
export function checkAccounts({ rights = {} }: Configuration, accounts: Accounts): Contradiction[] {
  const fix = "write a name that `getent` knows, or a number";
  return Object.entries(rights).flatMap(([key, grants]) =>
    RIGHTS.flatMap((right) => {
      const { users = [], groups = [] } = grants[right] ?? {};
      const at = (list: string, index: number): Path => ["rights", key, right, list, index];
      return [
        ...users.flatMap((user, index) =>
          accounts.uidOf(user) === undefined
            ? [{ path: at("users", index), seen: `this machine has no user '${user}'`, fix }]
            : [],
        ),
        ...groups.flatMap((group, index) =>
          accounts.gidOf(group) === undefined
            ? [{ path: at("groups", index), seen: `this machine has no group '${group}'`, fix }]
            : [],
        ),
      ];
    }),
  );
}

/** Where each rule of `order` is written, by its key: `gw.yaml:12`. */
export function orderSources(
  order: OrderSection | undefined,
  file: string,
  positions: Positions,
): Map<string, string> {
  const sources = new Map<string, string>();
  for (const [key, rules] of Object.entries(order ?? {})) {
    for (const listener of Object.keys(rules)) {
      const path = ["order", key, listener];
      sources.set(formatPath(path), `${file}:${positions.ofKey(path).line}`);
    }
  }
  return sources;
}

/** The operator's order of the listeners of one service. */
export function orderRulesOf({ order = {}, sources }: Configuration, service: ServiceName): OrderRule[] {
  return Object.entries(order).flatMap(([key, rules]) => {
    const target = targetOf(key);
    if (target?.service !== service) return [];
    return Object.entries(rules).map(([listener, band]) => {
      const at = formatPath(["order", key, listener]);
      return { path: target.path, listener, band, source: sources.get(at) ?? at };
    });
  });
}

/** The rights that the operator grants on one service, with users and groups by number. */
export function rightsRulesOf(
  { rights = {} }: Configuration,
  service: ServiceName,
  accounts: Accounts,
): RightsRule[] {
  return Object.entries(rights).flatMap(([key, grants]) => {
    const target = targetOf(key);
    if (!target || (target.service ?? service) !== service) return [];
    return RIGHTS.flatMap((right): RightsRule[] => {
      const grant = grants[right];
      if (!grant) return [];
      const uids = numbersOf(grant.users, accounts.uidOf);
      return [{ prefix: target.path, may: [right], uids, gids: numbersOf(grant.groups, accounts.gidOf) }];
    });
  });
}

/** The part of the two sections that a service sees, for telling whether it changed. */
export function accessOf({ order = {}, rights = {} }: Configuration, service: ServiceName): unknown {
  const seen = <T>(section: Readonly<Record<string, T>>): [string, T][] =>
    Object.entries(section).filter(([key]) => (targetOf(key)?.service ?? service) === service);
  return [seen(order), seen(rights)];
}

function numbersOf(names: readonly string[], numberOf: (name: string) => number | undefined): number[] {
  return names.map(numberOf).filter((number) => number !== undefined);
}

function targetOf(key: string): Target | undefined {
  if (isPath(key) || key === "/") return { service: undefined, path: key };
  const colon = key.indexOf(":");
  const [process, path] = [key.slice(0, colon), key.slice(colon + 1)];
  const service = SERVICE_NAMES.find((name) => name === process);
  return service !== undefined && (isPath(path) || path === "/") ? { service, path } : undefined;
}

function checkOrderKey(key: string): Contradiction[] {
  const path = ["order", key];
  const target = targetOf(key);
  const known = SERVICE_NAMES.flatMap((name) => pathsOf(name).map((mailbox) => `${name}:${mailbox}`));
  if (target?.service !== undefined && pathsOf(target.service).includes(target.path)) return [];
  const near = nearest(key, known);
  const fix = near === undefined ? "`metanet list --addresses` shows all" : `did you mean ${near}?`;
  return [{ path, seen: "no service has such a mailbox", fix }];
}

function checkListener(key: string, listener: string): Contradiction[] {
  const path = ["order", key, listener];
  const [, process, label] = LISTENER.exec(listener) ?? [];
  if (label === undefined || (process !== undefined && !isProcessName(process))) {
    const fix = "write process/label, process/*, a label, or * for everybody else";
    return [{ path, seen: `'${listener}' is not a listener`, fix }];
  }
  if (process === undefined || process !== targetOf(key)?.service) return [];
  const fix = "give bands to the others' listeners; its own stand at 1000";
  return [{ path, seen: `${process} orders its own listeners itself`, fix }];
}

function checkRightsKey(key: string, grants: RightsSection[string]): Contradiction[] {
  const path = ["rights", key];
  const target = targetOf(key);
  if (!target) {
    const fix = `write SERVICE:/PATH with ${SERVICE_NAMES.join(", ")}, or /PATH for every service`;
    return [{ path, seen: "it names no mailboxes", fix }];
  }
  const services = target.service === undefined ? SERVICE_NAMES : [target.service];
  const known = [...services.flatMap(pathsOf), ...SYS_PATHS];
  const folder = target.path.endsWith("/") ? target.path : `${target.path}/`;
  if (!known.some((mailbox) => mailbox === target.path || mailbox.startsWith(folder))) {
    const near = nearest(target.path, [...known, ...known.map((mailbox) => dirname(mailbox))]);
    const fix = near === undefined ? "`metanet list --addresses` shows all" : `did you mean ${near}?`;
    return [{ path, seen: "no mailbox is there or below", fix }];
  }
  if (grants.intercept && (target.path === "/sys" || target.path.startsWith("/sys/"))) {
    const seen = "mailboxes under /sys cannot be intercepted";
    return [{ path: [...path, "intercept"], seen, fix: "remove it; send and observe can be granted" }];
  }
  return [];
}

function pathsOf(contract: string): string[] {
  return Object.keys(CONTRACTS.find(({ name }) => name === contract)?.specs ?? {});
}

const SYS_PATHS: readonly string[] = pathsOf("sys");
