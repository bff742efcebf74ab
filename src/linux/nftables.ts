/**
 * The packet filter of Linux: whole tables through the `nft` program, elements over netlink. The changes of all
 * callers of one turn of the event loop are one transaction; a caller whose steps the kernel refuses is taken out
 * of it and told so, and the others' go through.
 * @module
 */
import { type MetanetError, UnavailableError } from "#base/errors.ts";
import {
  ClaimedError,
  checkChangeCount,
  ELEMENT_CHANGE_COUNT_MAX,
  type ElementChange,
  type ElementSet,
  type ElementState,
  type RuleSet,
  type RuleTable,
  type SetElement,
} from "#io/rule-set.ts";
import type { NetlinkMessage } from "#wire/netlink.ts";
import {
  decodeNftElements,
  decodeNftRule,
  decodeNftTable,
  encodeNftBatch,
  encodeNftGetElement,
  encodeNftGetSet,
  encodeNftListElements,
  encodeNftListRules,
  encodeNftListTables,
  NETLINK_NETFILTER,
  NFT_NEWRULE,
  NFT_NEWSETELEM,
  NFT_NEWTABLE,
  type NftOperation,
  type NftTable,
  nftBatchSequenceCount,
} from "#wire/nftables.ts";
import { NetlinkSocket } from "./netlink.ts";
import { runNft } from "./nft-program.ts";
import { ENOENT, nftablesError } from "./nftables-error.ts";

/** What may be chosen. */
export interface NftablesOptions {
  /** The program that loads rule sets; `nft`, searched for in PATH and where Debian puts it. */
  readonly program?: string;
}

/** One caller's steps, waiting for the turn to end. */
interface Pending {
  readonly table: RuleTable;
  readonly operations: readonly NftOperation[];
  readonly settle: (error?: Error) => void;
}

/** The packet filter of the network namespace the process is in. */
export class NftablesRuleSet implements RuleSet {
  readonly #program: string;
  readonly #socket: NetlinkSocket;
  /** Tables by name, each with its rules' handles at the time it was loaded. */
  readonly #loaded = new Map<string, string>();
  #pending: Pending[] = [];
  #pendingCount = 0;
  #scheduled = false;

  /** @throws UnavailableError when the kernel refuses a netlink socket. */
  constructor(options: NftablesOptions = {}) {
    this.#program = options.program ?? "nft";
    this.#socket = new NetlinkSocket(NETLINK_NETFILTER);
  }

  /** The name becomes an empty table which the kernel removes with our socket, kill -9 included. */
  async claim(name: string): Promise<void> {
    const errno = this.#transact([{ do: "add-owned-table", table: name }]).get(0);
    if (errno === undefined) return;
    // The kernel says EPERM for a table that another socket owns, EEXIST for one without an owner.
    const holder = this.#listTables().find((table) => table.name === name);
    if (holder === undefined) throw nftablesError(`claim ${name}`, errno);
    const who = holder.owner === undefined ? "a table without an owner" : `process ${holder.owner}`;
    throw new ClaimedError(`Cannot claim ${name}: ${who} holds it. Stop the other gateway first`);
  }

  async load(table: RuleTable): Promise<void> {
    await runNft(this.#program, table.text);
    this.#loaded.set(table.name, this.#listRules(table.name));
  }

  async isIntact(table: RuleTable): Promise<boolean> {
    const loaded = this.#loaded.get(table.name);
    return loaded !== undefined && loaded === this.#listRules(table.name);
  }

  change(table: RuleTable, changes: readonly ElementChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      checkChangeCount(changes, this.#pendingCount);
      const operations = changes.map((change) => operationOf(table, change));
      const settle = (error?: Error): void => (error ? reject(error) : resolve());
      if (operations.length === 0) return settle();
      this.#pending.push({ table, operations, settle });
      this.#pendingCount += operations.length;
      this.#schedule();
    });
  }

  async elements(table: RuleTable, set: ElementSet): Promise<readonly ElementState[]> {
    const messages = this.#socket.list((sequence) => encodeNftListElements(sequence, table.name, set.name));
    if (typeof messages === "number") {
      throw nftablesError(`list the elements of ${table.name} ${set.name}`, messages);
    }
    return messages.flatMap((message) => statesOf(message, set));
  }

  async element(
    table: RuleTable,
    set: ElementSet,
    key: SetElement["key"],
  ): Promise<ElementState | undefined> {
    const sequence = this.#socket.reserve(1);
    const found: ElementState[] = [];
    const request = encodeNftGetElement(sequence, table.name, set.name, key);
    const [answer] = this.#socket.ask(request, sequence, sequence, (message) => {
      found.push(...statesOf(message, set));
    });
    const errno = answer?.errno ?? 0;
    const missing = errno === ENOENT && this.#hasSet({ table: table.name, set: set.name });
    if (errno !== 0 && !missing) throw nftablesError(`read an element of ${table.name} ${set.name}`, errno);
    return found[0];
  }

  async tables(): Promise<readonly string[]> {
    return this.#listTables().map((table) => table.name);
  }

  async remove(tableName: string): Promise<void> {
    const errno = this.#transact([{ do: "remove-table", table: tableName }]).get(0);
    if (errno !== undefined && errno !== ENOENT) throw nftablesError(`remove table ${tableName}`, errno);
  }

  close(): void {
    this.#socket.close();
    for (const pending of this.#pending.splice(0)) {
      pending.settle(new UnavailableError("Cannot change the packet filter: it was closed meanwhile"));
    }
    this.#pendingCount = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#pending.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit(this.#take());
      // What did not fit waits for another turn, so that others get theirs in between.
      this.#schedule();
    });
  }

  /** As many callers as fit into one transaction, in their order. */
  #take(): Pending[] {
    let count = 0;
    const fits = this.#pending.findIndex(({ operations }) => {
      count += operations.length;
      return count > ELEMENT_CHANGE_COUNT_MAX;
    });
    const taken = this.#pending.splice(0, fits < 0 ? this.#pending.length : fits);
    this.#pendingCount -= taken.reduce((sum, { operations }) => sum + operations.length, 0);
    return taken;
  }

  /** Every round but the last takes out at least one step, so this ends. */
  #commit(callers: readonly Pending[]): void {
    let rest = callers;
    try {
      while (rest.length > 0) {
        const failures = this.#transact(rest.flatMap(({ operations }) => operations));
        if (failures.size === 0) {
          for (const { settle } of rest) settle();
          return;
        }
        rest = this.#withoutFailures(rest, failures);
      }
    } catch (error) {
      for (const { settle } of rest) settle(error as Error);
    }
  }

  /** Who may try again, without the removals of what was not there; the others are told why not. */
  #withoutFailures(callers: readonly Pending[], failures: ReadonlyMap<number, number>): Pending[] {
    const again: Pending[] = [];
    let index = 0;
    for (const caller of callers) {
      let error: MetanetError | undefined;
      const operations = caller.operations.filter((operation) => {
        const errno = failures.get(index++);
        if (errno === undefined) return true;
        if (errno === ENOENT && isRemoval(operation) && this.#hasSet(operation)) return false;
        error ??= nftablesError(`change the elements of table ${caller.table.name}`, errno);
        return false;
      });
      if (error !== undefined || operations.length === 0) caller.settle(error);
      else again.push({ ...caller, operations });
    }
    return again;
  }

  /** Tells a removal of what is not there from a removal in a table that is not there. */
  #hasSet(operation: { table: string; set: string }): boolean {
    const sequence = this.#socket.reserve(1);
    const request = encodeNftGetSet(sequence, operation.table, operation.set);
    return this.#socket.ask(request, sequence, sequence).every(({ errno }) => errno === 0);
  }

  /** The errnos of the operations that failed; nothing has changed unless there are none. */
  #transact(operations: readonly NftOperation[]): Map<number, number> {
    const first = this.#socket.reserve(nftBatchSequenceCount(operations.length));
    const answers = this.#socket.ask(encodeNftBatch(first, operations), first, first + operations.length);
    const failures = new Map<number, number>();
    for (const { sequence, errno } of answers) {
      if (errno === 0) continue;
      if (sequence === first) throw nftablesError("change the packet filter", errno);
      failures.set(sequence - first - 1, errno);
    }
    return failures;
  }

  /** The rules' places and handles as text to compare; empty when there is no table. */
  #listRules(table: string): string {
    const messages = this.#socket.list((sequence) => encodeNftListRules(sequence, table));
    if (messages === ENOENT) return "";
    if (typeof messages === "number") throw nftablesError("list the rules", messages);
    const rules = messages.map((message) =>
      message.type === NFT_NEWRULE ? decodeNftRule(message.body) : undefined,
    );
    return rules.map((rule) => (rule ? `${rule.chain} ${rule.handle}` : "")).join();
  }

  #listTables(): NftTable[] {
    const messages = this.#socket.list(encodeNftListTables);
    if (typeof messages === "number") throw nftablesError("list the tables", messages);
    return messages.flatMap((message) =>
      message.type === NFT_NEWTABLE ? (decodeNftTable(message.body) ?? []) : [],
    );
  }
}

/** @throws UnavailableError when the set has keys of another type. */
function statesOf(message: NetlinkMessage, set: ElementSet): ElementState[] {
  if (message.type !== NFT_NEWSETELEM) return [];
  const list = decodeNftElements(message.body, set.key);
  if (list === undefined) {
    throw new UnavailableError(`Cannot read the elements of ${set.name}: its keys are of another type`);
  }
  return list.elements.map((element) => ({ mark: 0, counter: { packets: 0, bytes: 0 }, ...element }));
}

function operationOf(table: RuleTable, change: ElementChange): NftOperation {
  const target = { table: table.name, set: change.set };
  return change.do === "add"
    ? { do: "add-elements", ...target, elements: [change.element] }
    : { do: "remove-elements", ...target, elements: [{ key: change.key }] };
}

function isRemoval(operation: NftOperation): operation is Extract<NftOperation, { set: string }> {
  return operation.do === "remove-elements";
}
