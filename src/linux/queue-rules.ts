/**
 * {@link QueueRules} on Linux: nf_tables through the `nft` program, and over netlink what nft cannot say on
 * kernels without its own way to a queue.
 * @module
 */
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import {
  checkMatch,
  checkQueueRule,
  MatchRefusedError,
  QUEUE_FAMILIES,
  QUEUE_RULE_MARKS,
  type QueueFamily,
  type QueueRule,
  type QueueRuleCount,
  type QueueRuleMarks,
  type QueueRules,
  RulesUnsupportedError,
} from "#io/queue-rules.ts";
import { ClaimedError, RulesRefusedError } from "#io/rule-set.ts";
import {
  decodeRuleContent,
  encodeAddQueueRule,
  encodeListFamilyRules,
  encodeRemoveTable,
  RULE_SEQUENCE_COUNT,
  type RuleContent,
} from "#wire/nfqueue-rules.ts";
import { encodeNftBatch, NETLINK_NETFILTER, NFT_NEWRULE, nftBatchSequenceCount } from "#wire/nftables.ts";
import { NetlinkSocket } from "./netlink.ts";
import { runNft } from "./nft-program.ts";
import { ENOENT, nftablesError } from "./nftables-error.ts";
import {
  attachText,
  chooseRule,
  detachText,
  discardText,
  dropText,
  matchChain,
  placeChain,
  prepareText,
  queueChain,
  replaceTableText,
} from "./queue-rules-text.ts";

/** What a rule that chooses packets may be made of: the kernel's names of its expressions. */
const CHOOSING: ReadonlySet<string> = new Set(
  [
    "meta cmp payload bitwise lookup ct fib limit exthdr range byteorder",
    "socket osf hash rt numgen tunnel xfrm connlimit",
  ].flatMap((line) => line.split(" ")),
);
const TABLE_NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/;

export interface QueueRulesOptions {
  /** The name of the tables, for us alone; `metanet-scripts` at first. */
  readonly table?: string;
  readonly marks?: QueueRuleMarks;
  /** The program that loads rules; `nft`, searched for in PATH and where Debian puts it. */
  readonly program?: string;
}

interface Loaded {
  readonly rule: QueueRule;
  readonly generation: number;
  /** Stands without a queue. */
  readonly isReserved?: boolean;
  /** Chooses packets no more, as it is about to go. */
  isDetached?: boolean;
}

/** The rules of the network namespace the thread is in. */
export class LinuxQueueRules implements QueueRules {
  readonly marks: QueueRuleMarks;
  readonly #table: string;
  readonly #program: string;
  readonly #socket: NetlinkSocket;
  readonly #loaded = new Map<string, Loaded>();
  #generation = 0;
  #isOurs = false;
  /** One change after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @throws ConfigurationError for a name that is none, UnavailableError when the kernel refuses a netlink
   * socket
   */
  constructor(options: QueueRulesOptions = {}) {
    const { table = "metanet-scripts", marks = QUEUE_RULE_MARKS, program = "nft" } = options;
    if (!TABLE_NAME.test(table)) throw new ConfigurationError(`Cannot use '${table}' as a table's name`);
    if ((marks.done & marks.sent) !== 0 || marks.done === 0 || marks.sent === 0) {
      throw new ConfigurationError("Cannot use these marks: 'done' and 'sent' want bits of their own");
    }
    this.#table = table;
    this.marks = marks;
    this.#program = program;
    this.#socket = new NetlinkSocket(NETLINK_NETFILTER);
  }

  load(rule: QueueRule): Promise<void> {
    return this.#next(async () => {
      checkQueueRule(rule);
      if (rule.match !== undefined) checkMatch(rule.match);
      this.#checkPlace(rule);
      await this.#takeTableFor(rule);
      const generation = ++this.#generation;
      await this.#prepare(rule, generation);
      const before = this.#loaded.get(rule.name);
      const hasMoved = before !== undefined && !isSamePlace(before.rule, rule);
      try {
        await this.#run(
          (hasMoved ? detachText(this.#table, before.rule) : "") +
            attachText(this.#table, rule, generation, this.marks) +
            (before ? this.#discardText(before) : ""),
        );
      } catch (error) {
        await this.#run(this.#discardText({ rule, generation })).catch(() => undefined);
        // Some kernels find out only when the chain is reached from a hook.
        throw isMissing(error) ? unsupported(rule, ENOENT) : error;
      }
      this.#loaded.set(rule.name, { rule, generation });
    });
  }

  reserve(rules: readonly QueueRule[]): Promise<readonly string[]> {
    return this.#next(async () => {
      const isNew = !this.#isOurs;
      this.#claimTable();
      try {
        return await this.#reserve(rules);
      } catch (error) {
        if (isNew) this.#giveBackClaim();
        throw error;
      }
    });
  }

  async #reserve(rules: readonly QueueRule[]): Promise<readonly string[]> {
    const wanted: Loaded[] = [];
    for (const rule of rules) {
      const one = { rule, generation: ++this.#generation, isReserved: true };
      const isTaken = wanted.some(({ rule: other }) => isSamePlace(other, rule) || other.name === rule.name);
      if (!isTaken && (await this.#canStand(one))) wanted.push(one);
    }
    const families = new Set(wanted.map(({ rule }) => rule.family));
    const text = [
      ...[...families].map((family) => replaceTableText(this.#table, family)),
      ...wanted.map((one) => this.#reservedText(one)),
    ];
    if (wanted.length > 0) await this.#run(text.join(""));
    for (const family of QUEUE_FAMILIES) if (!families.has(family)) this.#removeTable(family, this.#table);
    this.#loaded.clear();
    for (const one of wanted) this.#loaded.set(one.rule.name, one);
    if (wanted.length === 0) this.#giveBack();
    return rules.map(({ name }) => name).filter((name) => !this.#loaded.has(name));
  }

  /** Whether nft takes the rule, without any change. */
  async #canStand(one: Loaded): Promise<boolean> {
    try {
      checkQueueRule(one.rule);
      if (one.rule.match !== undefined) checkMatch(one.rule.match);
      await runNft(this.#program, this.#reservedText(one), true);
      return true;
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof RulesRefusedError) return false;
      throw error;
    }
  }

  #reservedText({ rule, generation }: Loaded): string {
    return (
      prepareText(this.#table, rule, generation) +
      (rule.bypass ? "" : dropText(this.#table, rule, generation)) +
      attachText(this.#table, rule, generation, this.marks)
    );
  }

  repair(): Promise<readonly string[]> {
    return this.#next(async () => {
      const families = new Set([...this.#loaded.values()].map(({ rule }) => rule.family));
      const chains = new Map([...families].map((family) => [family, this.#countRules(family)]));
      const gone = [...this.#loaded.values()].filter(
        (one) => !one.isDetached && !isWhole(one, chains.get(one.rule.family) ?? new Map()),
      );
      for (const one of gone) await this.#bringBack(one);
      return gone.map(({ rule }) => rule.name);
    });
  }

  async #bringBack(one: Loaded): Promise<void> {
    const { rule, isReserved = false } = one;
    const generation = ++this.#generation;
    // What is left of it would count beside the new one.
    await this.#run(detachText(this.#table, rule)).catch(() => undefined);
    await this.#run(this.#discardText(one)).catch(() => undefined);
    const again = { rule, generation, isReserved };
    if (isReserved) {
      await this.#run(this.#reservedText(again));
    } else {
      await this.#prepare(rule, generation);
      await this.#run(attachText(this.#table, rule, generation, this.marks));
    }
    this.#loaded.set(rule.name, again);
  }

  /** How many rules each chain has. */
  #countRules(family: QueueFamily): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { chain } of this.#list(family)) counts.set(chain, (counts.get(chain) ?? 0) + 1);
    return counts;
  }

  unload(name: string): Promise<void> {
    return this.#next(async () => {
      const loaded = this.#loaded.get(name);
      if (loaded === undefined) return;
      this.#loaded.delete(name);
      if (this.#loaded.size === 0) this.#giveBack();
      else await this.#runIfThere(detachText(this.#table, loaded.rule) + this.#discardText(loaded));
    });
  }

  detach(name: string): Promise<void> {
    return this.#next(async () => {
      const loaded = this.#loaded.get(name);
      if (loaded === undefined) return;
      loaded.isDetached = true;
      await this.#runIfThere(detachText(this.#table, loaded.rule));
    });
  }

  async check(family: QueueFamily, match: string): Promise<void> {
    checkMatch(match);
    const rule: QueueRule = {
      name: "check",
      family,
      hook: "forward",
      index: 0,
      match,
      queueNumber: 0,
      bypass: true,
    };
    await this.#explain(rule, 0, () => runNft(this.#program, prepareText(this.#table, rule, 0), true));
  }

  counts(): Promise<readonly QueueRuleCount[]> {
    return this.#next(async () => {
      const families = new Set([...this.#loaded.values()].map(({ rule }) => rule.family));
      const rules = [...families].flatMap((family) =>
        this.#list(family).map((content) => ({ family, content })),
      );
      return [...this.#loaded.values()].flatMap(({ rule, generation }): QueueRuleCount[] => {
        const chain = matchChain(rule.name, generation);
        const found = rules.find(({ family, content }) => family === rule.family && content.chain === chain);
        const counter = found?.content.counter;
        return counter ? [{ name: rule.name, ...counter }] : [];
      });
    });
  }

  removeAll(): Promise<void> {
    return this.#next(async () => {
      this.#takeTable();
      this.#loaded.clear();
      this.#giveBack();
    });
  }

  close(): void {
    this.#socket.close();
  }

  get #claim(): string {
    return `${this.#table}-owner`;
  }

  #next<R>(action: () => Promise<R>): Promise<R> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** @throws ConfigurationError */
  #checkPlace(rule: QueueRule): void {
    for (const { rule: other } of this.#loaded.values()) {
      if (other.name === rule.name) {
        if (other.family === rule.family) continue;
        throw new ConfigurationError(
          `Cannot load the rule '${rule.name}': it is loaded for ${other.family}; unload that first`,
        );
      }
      if (isSamePlace(other, rule)) {
        throw new ConfigurationError(
          `Cannot load the rule '${rule.name}': '${other.name}' stands at ${placeChain(rule)}`,
        );
      }
    }
  }

  /** Clears away what a dead process has left, once it is sure that the rule can take its place. */
  async #takeTableFor(rule: QueueRule): Promise<void> {
    if (this.#isOurs) return;
    await this.#explain(rule, 0, () => runNft(this.#program, prepareText(this.#table, rule, 0), true));
    this.#takeTable();
  }

  #takeTable(): void {
    if (this.#isOurs) return;
    this.#claimTable();
    this.#removeTables();
  }

  /**
   * The first time: takes the name by a table that the kernel removes with our socket, so that two processes
   * do not remove each other's rules.
   * @throws ClaimedError
   */
  #claimTable(): void {
    if (this.#isOurs) return;
    const claim = this.#claim;
    const first = this.#socket.reserve(nftBatchSequenceCount(1));
    const batch = encodeNftBatch(first, [{ do: "add-owned-table", table: claim }]);
    const errno = firstErrno(this.#socket.ask(batch, first, first + 1));
    const EPERM = 1;
    const EEXIST = 17;
    if (errno === EEXIST || (errno === EPERM && process.geteuid?.() === 0)) {
      const fix = "Stop the other process first";
      throw new ClaimedError(`Cannot load rules into ${this.#table}: another process has it. ${fix}`);
    }
    if (errno !== 0) throw nftablesError(`claim ${claim}`, errno);
    this.#isOurs = true;
  }

  #removeTables(): void {
    for (const family of QUEUE_FAMILIES) this.#removeTable(family, this.#table);
  }

  /** Nothing of ours is left, and another process may have the name. */
  #giveBack(): void {
    this.#removeTables();
    this.#giveBackClaim();
  }

  #giveBackClaim(): void {
    this.#removeTable("inet", this.#claim);
    this.#isOurs = false;
  }

  #removeTable(family: QueueFamily, table: string): void {
    const first = this.#socket.reserve(RULE_SEQUENCE_COUNT);
    const batch = encodeRemoveTable(first, family, table);
    const errno = firstErrno(this.#socket.ask(batch, first, first + 1));
    const isUnknownFamily = errno === EOPNOTSUPP || errno === EAFNOSUPPORT;
    if (errno !== 0 && errno !== ENOENT && !isUnknownFamily) {
      throw nftablesError(`remove table ${family} ${table}`, errno);
    }
  }

  /** The chains that are at no hook yet, looked through once they are there. */
  async #prepare(rule: QueueRule, generation: number): Promise<void> {
    await this.#explain(rule, generation, () => this.#run(prepareText(this.#table, rule, generation)));
    try {
      this.#checkContent(rule, generation);
      this.#addQueueRule(rule, generation);
    } catch (error) {
      await this.#run(this.#discardText({ rule, generation })).catch(() => undefined);
      throw error;
    }
  }

  /**
   * What nft made of the expression has to be one rule that chooses, counts and jumps. @throws
   * MatchRefusedError
   */
  #checkContent(rule: QueueRule, generation: number): void {
    const chain = matchChain(rule.name, generation);
    const rules = this.#list(rule.family).filter((content) => content.chain === chain);
    const [content] = rules;
    const [jump, counter, ...choosing] = (content?.expressions ?? []).toReversed();
    const isChoice =
      rules.length === 1 &&
      jump?.name === "immediate" &&
      counter?.name === "counter" &&
      choosing.every(({ name, isSetting }) => CHOOSING.has(name) && !isSetting);
    if (isChoice) return;
    throw new MatchRefusedError(
      `Cannot use the match '${rule.match ?? ""}': it does something, and a match only chooses packets`,
    );
  }

  /** @throws RulesUnsupportedError */
  #addQueueRule(rule: QueueRule, generation: number): void {
    const { family, queueNumber, queueCount = 1, bypass } = rule;
    const place = { family, table: this.#table, chain: `queue-${generation}-${rule.name}` };
    let errno = 0;
    for (const way of ["queue", "target"] as const) {
      const first = this.#socket.reserve(RULE_SEQUENCE_COUNT);
      const batch = encodeAddQueueRule(first, place, { queueNumber, queueCount, bypass }, way);
      errno = firstErrno(this.#socket.ask(batch, first, first + 1));
      if (errno === 0) return;
    }
    throw unsupported(rule, errno);
  }

  #list(family: QueueFamily): RuleContent[] {
    const messages = this.#socket.list((sequence) => encodeListFamilyRules(sequence, family, this.#table));
    if (messages === ENOENT) return [];
    if (typeof messages === "number") throw nftablesError("list the rules", messages);
    return messages.flatMap((message) =>
      message.type === NFT_NEWRULE ? (decodeRuleContent(message.body) ?? []) : [],
    );
  }

  #discardText({ rule, generation }: Loaded): string {
    return discardText(this.#table, rule.family, rule.name, generation);
  }

  #run(text: string): Promise<void> {
    return runNft(this.#program, text);
  }

  /** What somebody else has removed already needs no removing. */
  async #runIfThere(text: string): Promise<void> {
    try {
      await this.#run(text);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Turns nft's complaint about the line with the expression into one about the expression. */
  async #explain(rule: QueueRule, generation: number, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof RulesRefusedError)) throw error;
      const said = /:\d+:(\d+)-(\d+): Error: (.*)/.exec(error.message);
      const chosen = chooseRule(this.#table, rule, generation);
      if (said === null || rule.match === undefined || !error.message.includes(chosen.chain)) {
        throw new UnavailableError(error.message, { cause: error });
      }
      const start = Number(said[1]) - 1 - chosen.matchStart;
      const part = rule.match.slice(Math.max(start, 0), Math.max(Number(said[2]) - chosen.matchStart, 0));
      const where = start >= 0 && part !== "" ? `at '${part}' (character ${start + 1})` : "at its end";
      const what = `nft says: ${said[3]}, ${where}`;
      throw new MatchRefusedError(`Cannot use the match '${rule.match}': ${what}`, { cause: error });
    }
  }
}

const EAFNOSUPPORT = 97;
const EOPNOTSUPP = 95;

function firstErrno(answers: readonly { readonly errno: number }[]): number {
  return answers.find(({ errno }) => errno !== 0)?.errno ?? 0;
}

function isSamePlace(one: QueueRule, other: QueueRule): boolean {
  return one.family === other.family && placeChain(one) === placeChain(other);
}

/** Whether every chain of a script has what was put into it. */
function isWhole({ rule, generation, isReserved }: Loaded, chains: ReadonlyMap<string, number>): boolean {
  const has = (chain: string, count: number): boolean => (chains.get(chain) ?? 0) >= count;
  const isPassing = isReserved && rule.bypass;
  return (
    has(placeChain(rule), 2) &&
    has(matchChain(rule.name, generation), 1) &&
    (isPassing || has(queueChain(rule.name, generation), 1)) &&
    [rule.hook, "input", "postrouting"].every((hook) => has(`end-${hook}`, 1))
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof RulesRefusedError && error.message.includes("No such file");
}

function unsupported({ name, family }: QueueRule, errno: number): RulesUnsupportedError {
  const seen = `this kernel cannot queue packets of family ${family} (errno ${errno})`;
  const fix =
    family === "bridge"
      ? "It needs CONFIG_NFT_QUEUE; without it, " +
        "`ip link set BRIDGE type bridge nf_call_iptables 1 nf_call_ip6tables 1` " +
        "sends IP packets that cross a bridge through family inet"
      : "It needs CONFIG_NFT_QUEUE, or CONFIG_NETFILTER_XT_TARGET_NFQUEUE with CONFIG_NFT_COMPAT";
  return new RulesUnsupportedError(`Cannot load the rule '${name}': ${seen}. ${fix}`);
}
