/**
 * A packet filter made of maps. It takes a table's description at its word and does not read the rules; packets
 * pass by {@link SimPacketFilter.count}. Several rule sets on one filter are several processes on one machine.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { LimitExceededError, UnavailableError } from "#base/errors.ts";
import { after, between, type Instant } from "#base/time.ts";
import {
  ClaimedError,
  checkChangeCount,
  type ElementChange,
  ElementConflictError,
  type ElementSet,
  type ElementState,
  type RuleSet,
  type RuleTable,
  type SetElement,
  TableGoneError,
} from "#io/rule-set.ts";

interface Entry {
  readonly element: SetElement;
  /** Absent: never. */
  readonly expiresAt?: Instant;
  packets: number;
  bytes: number;
}

type Entries = Map<string, Entry>;
type Sets = Map<string, { readonly set: ElementSet; readonly entries: Entries }>;

/** The kernel's side: what stays when a process ends. */
export class SimPacketFilter {
  readonly clock: Clock;
  readonly #tables = new Map<string, Sets>();
  readonly #claims = new Map<string, SimRuleSet>();
  readonly #flushed = new Set<string>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Lets traffic pass an element's counter; `false` when the element is not there. */
  count(tableName: string, set: string, key: SetElement["key"], packets: number, bytes: number): boolean {
    const entry = this.entries(tableName, set).get(keyText(key));
    if (entry === undefined) return false;
    entry.packets += packets;
    entry.bytes += bytes;
    return true;
  }

  /** What somebody else does with `nft delete table`. */
  removeTable(tableName: string): void {
    this.#tables.delete(tableName);
    this.#flushed.add(tableName);
  }

  /** What somebody else does with `nft flush table`: the rules go, the elements stay. */
  flushTable(tableName: string): void {
    this.#flushed.add(tableName);
  }

  /** Whether the rules of a table are those that were loaded. */
  isIntact(tableName: string): boolean {
    return this.#tables.has(tableName) && !this.#flushed.has(tableName);
  }

  /** Makes the table, and keeps the elements of the sets that stay. */
  load(table: RuleTable): void {
    const before = this.#tables.get(table.name);
    const sets: Sets = new Map();
    for (const set of table.sets) {
      sets.set(set.name, { set, entries: before?.get(set.name)?.entries ?? new Map() });
    }
    this.#tables.set(table.name, sets);
    this.#flushed.delete(table.name);
  }

  tableNames(): string[] {
    return [...this.#tables.keys(), ...this.#claims.keys()];
  }

  /** @throws ClaimedError */
  claim(name: string, owner: SimRuleSet): void {
    if (this.#claims.has(name) || this.#tables.has(name)) {
      throw new ClaimedError(`Cannot claim ${name}: another process holds it. Stop the other gateway first`);
    }
    this.#claims.set(name, owner);
  }

  releaseClaimsOf(owner: SimRuleSet): void {
    for (const [name, holder] of this.#claims) if (holder === owner) this.#claims.delete(name);
  }

  /** All steps or none. */
  change(table: RuleTable, changes: readonly ElementChange[]): void {
    const undo: (() => void)[] = [];
    const names = new Set(changes.map(({ set }) => set));
    const entries = new Map([...names].map((name) => [name, this.entries(table.name, name)]));
    try {
      for (const step of changes) {
        const target = entries.get(step.set) ?? new Map<string, Entry>();
        const key = keyText(step.do === "add" ? step.element.key : step.key);
        const before = target.get(key);
        undo.push(() => (before ? target.set(key, before) : target.delete(key)));
        if (step.do === "remove") target.delete(key);
        else this.#add(target, step.element, this.#sets(table.name).get(step.set)?.set);
      }
    } catch (error) {
      for (const action of undo.reverse()) action();
      throw error;
    }
  }

  /** The elements of a set that have not expired. @throws TableGoneError */
  entries(tableName: string, setName: string): Entries {
    const found = this.#sets(tableName).get(setName);
    if (found === undefined) throw new TableGoneError(`Cannot use set ${setName}: it is not there`);
    const now = this.clock.now();
    for (const [key, entry] of found.entries) {
      if (entry.expiresAt !== undefined && entry.expiresAt <= now) found.entries.delete(key);
    }
    return found.entries;
  }

  #add(entries: Entries, element: SetElement, set: ElementSet | undefined): void {
    const key = keyText(element.key);
    const there = entries.get(key);
    if (there !== undefined) {
      if (there.element.mark === element.mark) return;
      throw new ElementConflictError(`Cannot add ${key}: the element is there with another mark`);
    }
    if (set !== undefined && entries.size >= set.countMax) {
      throw new LimitExceededError(`Cannot add ${key}: the set is full`);
    }
    const expiresIn = element.expiresIn ?? element.timeout;
    entries.set(key, {
      element,
      ...(expiresIn === undefined ? {} : { expiresAt: after(this.clock.now(), expiresIn) }),
      packets: element.counter?.packets ?? 0,
      bytes: element.counter?.bytes ?? 0,
    });
  }

  /** @throws TableGoneError */
  #sets(tableName: string): Sets {
    const sets = this.#tables.get(tableName);
    if (sets === undefined) throw new TableGoneError(`Cannot use table ${tableName}: it is not there`);
    return sets;
  }
}

/** One process's face of a {@link SimPacketFilter}. */
export class SimRuleSet implements RuleSet {
  readonly #filter: SimPacketFilter;
  #open = true;

  constructor(filter: SimPacketFilter) {
    this.#filter = filter;
  }

  async claim(name: string): Promise<void> {
    this.#filter.claim(name, this);
  }

  async load(table: RuleTable): Promise<void> {
    this.#filter.load(table);
  }

  async isIntact(table: RuleTable): Promise<boolean> {
    return this.#filter.isIntact(table.name);
  }

  async change(table: RuleTable, changes: readonly ElementChange[]): Promise<void> {
    if (!this.#open) throw new UnavailableError("Cannot change the packet filter: it is closed");
    checkChangeCount(changes, 0);
    this.#filter.change(table, changes);
  }

  async elements(table: RuleTable, set: ElementSet): Promise<readonly ElementState[]> {
    const now = this.#filter.clock.now();
    return [...this.#filter.entries(table.name, set.name).values()].map((entry) => stateOf(entry, now));
  }

  async element(
    table: RuleTable,
    set: ElementSet,
    key: SetElement["key"],
  ): Promise<ElementState | undefined> {
    const entry = this.#filter.entries(table.name, set.name).get(keyText(key));
    return entry && stateOf(entry, this.#filter.clock.now());
  }

  async tables(): Promise<readonly string[]> {
    return this.#filter.tableNames();
  }

  async remove(tableName: string): Promise<void> {
    this.#filter.removeTable(tableName);
  }

  close(): void {
    this.#open = false;
    this.#filter.releaseClaimsOf(this);
  }
}

function stateOf({ element, expiresAt, packets, bytes }: Entry, now: Instant): ElementState {
  return {
    key: element.key,
    mark: element.mark,
    counter: { packets, bytes },
    ...(element.timeout === undefined ? {} : { timeout: element.timeout }),
    ...(expiresAt === undefined ? {} : { expiresIn: between(now, expiresAt) }),
  };
}

function keyText(key: SetElement["key"]): string {
  return key.join(" . ");
}
