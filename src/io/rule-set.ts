/**
 * The packet filter as an interface: tables of rules loaded as a whole, and sets whose elements come and go one by
 * one with counters and timeouts. `linux/` answers with nf_tables, `sim/` with maps.
 * @module
 */
import { ConfigurationError, LimitExceededError, UnavailableError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Duration } from "#base/time.ts";

/** What a part of a key is, by nft's own names. */
export type KeyType = "ether_addr" | "ipv4_addr" | "ipv6_addr";

/** A set in a table whose elements are changed through {@link RuleSet.change}; each has a mark and a counter. */
export interface ElementSet {
  readonly name: string;
  /** Several types make a key of several parts. */
  readonly key: readonly KeyType[];
  /** At this many elements, one more is refused with a {@link LimitExceededError}. */
  readonly countMax: number;
}

/** A table of the inet family as it shall be. */
export interface RuleTable {
  readonly name: string;
  readonly sets: readonly ElementSet[];
  /** The transaction, in nft's language, that makes the table so and keeps the elements of `sets`. */
  readonly text: string;
}

/** An element to add. */
export interface SetElement {
  /** In the order of the set's `key`. */
  readonly key: readonly (MacAddress | IpAddress)[];
  /** 1 to 4294967295. */
  readonly mark: number;
  /** At least 1 ms; absent means for ever. */
  readonly timeout?: Duration;
  /** What is left of `timeout`; the whole when absent. */
  readonly expiresIn?: Duration;
  /** Where the counter starts; 0 when absent. */
  readonly counter?: TrafficCount;
}

/** An element as it stands. */
export interface ElementState extends SetElement {
  readonly counter: TrafficCount;
}

/** What has passed. */
export interface TrafficCount {
  readonly packets: number;
  readonly bytes: number;
}

/**
 * One step of a change. Adding an element that is there with the same mark changes nothing; removing one that is
 * not there neither.
 */
export type ElementChange =
  | { readonly do: "add"; readonly set: string; readonly element: SetElement }
  | { readonly do: "remove"; readonly set: string; readonly key: SetElement["key"] };

/** The most steps of one {@link RuleSet.change}. */
export const ELEMENT_CHANGE_COUNT_MAX = 1000;
/** The most steps that wait for the kernel at one time; more are refused with a {@link LimitExceededError}. */
export const PENDING_CHANGE_COUNT_MAX = 100_000;

export interface RuleSet {
  /**
   * Takes a name for this object alone, in this network namespace, until it is closed or its process ends in
   * whatever way.
   * @throws ClaimedError when another holds it.
   */
  claim(name: string): Promise<void>;
  /**
   * Makes a table as described, as one transaction: all of it or nothing.
   * @throws NftMissingError, RulesRefusedError, NotPermittedError
   */
  load(table: RuleTable): Promise<void>;
  /** Whether the rules are still those that this object loaded: nobody removed, flushed or added any. */
  isIntact(table: RuleTable): Promise<boolean>;
  /**
   * Changes elements, as one transaction: all steps or none. At most {@link ELEMENT_CHANGE_COUNT_MAX} steps.
   * @throws TableGoneError, ElementConflictError, LimitExceededError, NotPermittedError
   */
  change(table: RuleTable, changes: readonly ElementChange[]): Promise<void>;
  /**
   * Every element of a set.
   * @throws TableGoneError
   */
  elements(table: RuleTable, set: ElementSet): Promise<readonly ElementState[]>;
  /**
   * One element, or `undefined` when it is not there. Costs the same whatever the set's size.
   * @throws TableGoneError
   */
  element(table: RuleTable, set: ElementSet, key: SetElement["key"]): Promise<ElementState | undefined>;
  /** The names of all inet tables, other people's too. */
  tables(): Promise<readonly string[]>;
  /** Removes one table and nothing else; nothing to do when it is gone already. */
  remove(tableName: string): Promise<void>;
  /** Gives up what was claimed. Tables stay. */
  close(): void;
}

/** Somebody else holds the name: another gateway is running here. */
export class ClaimedError extends ConfigurationError {
  override readonly code: string = "gateway-running";
}

/** The table or a set of it was removed by somebody else: load it again. */
export class TableGoneError extends UnavailableError {
  override readonly code: string = "table-gone";
}

/** The element is there with another mark: remove it first. */
export class ElementConflictError extends ConfigurationError {
  override readonly code: string = "element-conflict";
}

/** The process may not change the packet filter. */
export class NotPermittedError extends ConfigurationError {
  override readonly code: string = "not-permitted";
}

/** The program that loads rule sets is not on this machine. */
export class NftMissingError extends UnavailableError {
  override readonly code: string = "nft-missing";
}

/** The kernel or nft refused the rules: a feature is missing, or what is there has another shape. */
export class RulesRefusedError extends UnavailableError {
  override readonly code: string = "rules-refused";
}

/** What implementations refuse in the same words. @throws LimitExceededError */
export function checkChangeCount(changes: readonly ElementChange[], pendingCount: number): void {
  if (changes.length > ELEMENT_CHANGE_COUNT_MAX) {
    throw new LimitExceededError(
      `Cannot change the packet filter: ${changes.length} steps at once, at most ${ELEMENT_CHANGE_COUNT_MAX}`,
    );
  }
  if (pendingCount + changes.length > PENDING_CHANGE_COUNT_MAX) {
    throw new LimitExceededError(
      `Cannot change the packet filter: ${pendingCount} steps are waiting, at most ${PENDING_CHANGE_COUNT_MAX}`,
    );
  }
}
