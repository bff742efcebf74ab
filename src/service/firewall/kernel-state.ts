/**
 * The broker's view of the kernel's tables: what they hold at the start, what has passed, and how they are put
 * right when they are not as they should be.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { InvariantError } from "#base/errors.ts";
import { IpAddress } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { after } from "#base/time.ts";
import {
  ELEMENT_CHANGE_COUNT_MAX,
  type ElementChange,
  type ElementState,
  type RuleSet,
  RulesRefusedError,
  type RuleTable,
  TableGoneError,
  type TrafficCount,
} from "#io/rule-set.ts";
import { type Client, permitSteps, upKey } from "./client-table.ts";
import { DOWN, UP } from "./rules.ts";

const FAMILIES = [4, 6] as const;
const NOTHING: TrafficCount = { packets: 0, bytes: 0 };

/** A permit and what has passed since. */
export interface Counted {
  readonly client: Client;
  readonly up: TrafficCount;
  readonly down: TrafficCount;
}

export class KernelState {
  readonly #rules: RuleSet;
  readonly #table: RuleTable;
  readonly #clock: Clock;

  constructor(rules: RuleSet, table: RuleTable, clock: Clock) {
    this.#rules = rules;
    this.#table = table;
    this.#clock = clock;
  }

  /** Does steps in transactions as large as they may be; those of one group stay together. */
  async change(groups: readonly (readonly ElementChange[])[]): Promise<void> {
    const transactions: ElementChange[][] = [];
    for (const group of groups) {
      const last = transactions.at(-1);
      if (last && last.length + group.length <= ELEMENT_CHANGE_COUNT_MAX) last.push(...group);
      else transactions.push([...group]);
    }
    await Promise.all(transactions.map((steps) => this.#rules.change(this.#table, steps)));
  }

  /** Everybody the kernel lets pass. @throws TableGoneError */
  async read(): Promise<Counted[]> {
    const counted: Counted[] = [];
    for (const family of FAMILIES) {
      const downs = new Map<string, ElementState>();
      for (const state of await this.#rules.elements(this.#table, DOWN[family])) {
        downs.set(String(state.key[0]), state);
      }
      for (const up of await this.#rules.elements(this.#table, UP[family])) {
        const client = this.#clientOf(up);
        const down = downs.get(client.address.toString())?.counter ?? NOTHING;
        counted.push({ client, up: up.counter, down });
      }
    }
    return counted;
  }

  /** What has passed of one client, with the time it has left; absent when the kernel does not let it pass. */
  async readOne(client: Pick<Client, "mac" | "address">): Promise<Counted | undefined> {
    const { family } = client.address;
    const up = await this.#rules.element(this.#table, UP[family], upKey(client));
    if (up === undefined) return undefined;
    const down = await this.#rules.element(this.#table, DOWN[family], [client.address]);
    return { client: this.#clientOf(up), up: up.counter, down: down?.counter ?? NOTHING };
  }

  /**
   * Loads the rules and gives back who may pass by the kernel's maps. Rules of another shape, left by another
   * version, are replaced, and the permits in them put back.
   */
  async load(): Promise<Counted[]> {
    const counted = await this.#readBefore();
    try {
      await this.#rules.load(this.#table);
    } catch (error) {
      if (!(error instanceof RulesRefusedError) || counted === undefined) throw error;
      await this.#rules.remove(this.#table.name);
      await this.#rules.load(this.#table);
    }
    await this.put(counted ?? []);
    await this.#removeStrays(new Set(counted?.map(({ client }) => client.address.toString())));
    return counted ?? [];
  }

  /** Makes sure that both directions of these clients pass. */
  async put(clients: readonly { client: Client; up?: TrafficCount; down?: TrafficCount }[]): Promise<void> {
    const now = this.#clock.now();
    await this.change(clients.map(({ client, ...traffic }) => permitSteps(client, now, traffic)));
  }

  /** Whether our rules are there as we loaded them. */
  isIntact(): Promise<boolean> {
    return this.#rules.isIntact(this.#table);
  }

  /** What may be received by an address that nobody sends with, left behind by hand or by an older version. */
  async #removeStrays(addresses: ReadonlySet<string>): Promise<void> {
    for (const family of FAMILIES) {
      const states = await this.#rules.elements(this.#table, DOWN[family]);
      const strays = states.filter(({ key }) => !addresses.has(String(key[0])));
      await this.change(strays.map(({ key }) => [{ do: "remove", set: DOWN[family].name, key }]));
    }
  }

  /** `undefined` when there is no table yet. */
  async #readBefore(): Promise<Counted[] | undefined> {
    if (!(await this.#rules.tables()).includes(this.#table.name)) return undefined;
    try {
      return await this.read();
    } catch (error) {
      if (error instanceof TableGoneError) return [];
      throw error;
    }
  }

  #clientOf(up: ElementState): Client {
    const [mac, address] = up.key;
    if (!(mac instanceof MacAddress && address instanceof IpAddress)) {
      throw new InvariantError(`Cannot read a permit: its key is ${up.key.join(" . ")}`);
    }
    return {
      mac,
      address,
      mark: up.mark,
      ...(up.timeout === undefined ? {} : { timeout: up.timeout }),
      ...(up.expiresIn === undefined ? {} : { expiresAt: after(this.#clock.now(), up.expiresIn) }),
    };
  }
}
