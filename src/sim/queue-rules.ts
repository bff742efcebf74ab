/**
 * Queue rules as a list. Which packets a rule would choose is nft's to know: a test says what a rule has
 * brought. Several of these on one {@link SimRuleKernel} are several processes on one machine.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import {
  checkMatch,
  checkQueueRule,
  MatchRefusedError,
  QUEUE_RULE_MARKS,
  type QueueFamily,
  type QueueRule,
  type QueueRuleCount,
  type QueueRuleMarks,
  type QueueRules,
  RulesUnsupportedError,
} from "#io/queue-rules.ts";
import { ClaimedError } from "#io/rule-set.ts";

/** A rule and what it has brought. */
export interface LoadedRule {
  readonly rule: QueueRule;
  packets: number;
  bytes: number;
  isAttached: boolean;
}

/** The kernel's side: what stays when a process ends. */
export class SimRuleKernel {
  /** Families that this kernel cannot queue. */
  readonly unsupported: Set<QueueFamily> = new Set();
  /** Expressions that nft does not understand. */
  readonly misunderstood: Set<string> = new Set();
  owner: SimQueueRules | undefined;
  readonly loaded: Map<string, LoadedRule> = new Map();
}

export class SimQueueRules implements QueueRules {
  readonly marks: QueueRuleMarks = QUEUE_RULE_MARKS;
  readonly #kernel: SimRuleKernel;

  constructor(kernel: SimRuleKernel = new SimRuleKernel()) {
    this.#kernel = kernel;
  }

  /** The rules that stand, in the order of their loading. */
  get rules(): readonly QueueRule[] {
    return [...this.#kernel.loaded.values()].map(({ rule }) => rule);
  }

  /** Lets a rule bring packets to its queue; `false` when it is not there or detached. */
  count(name: string, packets: number, bytes: number): boolean {
    const found = this.#kernel.loaded.get(name);
    if (found === undefined || !found.isAttached) return false;
    found.packets += packets;
    found.bytes += bytes;
    return true;
  }

  async load(rule: QueueRule): Promise<void> {
    checkQueueRule(rule);
    if (rule.match !== undefined) await this.check(rule.family, rule.match);
    const { loaded, unsupported } = this.#kernel;
    for (const { rule: other } of loaded.values()) {
      if (this.#kernel.owner !== this) continue;
      const isSamePlace =
        other.family === rule.family && other.hook === rule.hook && other.index === rule.index;
      if (other.name === rule.name ? other.family !== rule.family : isSamePlace) {
        throw new ConfigurationError(
          `Cannot load the rule '${rule.name}': '${other.name}' stands at ${other.hook}-${other.index}`,
        );
      }
    }
    this.#takeTable();
    if (unsupported.has(rule.family)) {
      throw new RulesUnsupportedError(`Cannot load the rule '${rule.name}': family ${rule.family}`);
    }
    loaded.set(rule.name, { rule, packets: 0, bytes: 0, isAttached: true });
  }

  async reserve(rules: readonly QueueRule[]): Promise<readonly string[]> {
    const isNew = this.#kernel.owner !== this;
    this.#takeTable();
    if (!isNew) this.#kernel.loaded.clear();
    const refused: string[] = [];
    for (const rule of rules) {
      try {
        await this.load(rule);
      } catch {
        refused.push(rule.name);
      }
    }
    return refused;
  }

  /** Nobody else is here who could remove any. */
  repair(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async unload(name: string): Promise<void> {
    if (this.#kernel.owner !== this) return;
    this.#kernel.loaded.delete(name);
    if (this.#kernel.loaded.size === 0) this.#kernel.owner = undefined;
  }

  async detach(name: string): Promise<void> {
    const found = this.#kernel.loaded.get(name);
    if (found) found.isAttached = false;
  }

  async check(_family: QueueFamily, match: string): Promise<void> {
    checkMatch(match);
    if (this.#kernel.misunderstood.has(match)) {
      throw new MatchRefusedError(`Cannot use the match '${match}': nft does not understand it`);
    }
  }

  async counts(): Promise<readonly QueueRuleCount[]> {
    if (this.#kernel.owner !== this) return [];
    return [...this.#kernel.loaded.values()].map(({ rule, packets, bytes }) => ({
      name: rule.name,
      packets,
      bytes,
    }));
  }

  async removeAll(): Promise<void> {
    this.#takeTable();
    this.#kernel.loaded.clear();
    this.#kernel.owner = undefined;
  }

  /** Lets go of the kernel: what stands there stays, until another finds it. */
  close(): void {
    if (this.#kernel.owner === this) this.#kernel.owner = undefined;
  }

  #takeTable(): void {
    if (this.#kernel.owner === this) return;
    if (this.#kernel.owner !== undefined) {
      throw new ClaimedError(
        "Cannot load rules: another process has the table. Stop the other process first",
      );
    }
    this.#kernel.loaded.clear();
    this.#kernel.owner = this;
  }
}
