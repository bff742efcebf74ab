/**
 * The rules that bring packets to a queue: for each script a chain of its own at one hook, which chooses
 * packets by interface and by an expression in nft's language. All chains stand in one table of ours for each
 * family; nobody else's are touched. `linux/` answers with nf_tables, `sim/` with a list.
 * @module
 */
import { ConfigurationError, UnavailableError } from "#base/errors.ts";

/**
 * Which packets a chain can see: `inet` is IPv4 and IPv6, `bridge` the frames between the ports of a bridge.
 */
export type QueueFamily = "inet" | "ip" | "ip6" | "bridge";
export type QueueHook = "prerouting" | "input" | "forward" | "output" | "postrouting";

export const QUEUE_FAMILIES: readonly QueueFamily[] = ["inet", "ip", "ip6", "bridge"];
export const QUEUE_HOOKS: readonly QueueHook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/**
 * Chains at one hook: they take the priorities from -150 ("mangle") up to -102, before address translation.
 */
export const RULE_INDEX_MAX = 48;
/** Characters of {@link QueueRule.match} at most. */
export const MATCH_CHARACTERS_MAX = 1000;

/** One script's way to its queue. */
export interface QueueRule {
  /**
   * 1 to 64 of `a-z A-Z 0-9 _ -`, a letter first; names the chain. Loading a name again replaces its chain.
   */
  readonly name: string;
  readonly family: QueueFamily;
  readonly hook: QueueHook;
  /**
   * The order among the scripts of a hook, 0 to {@link RULE_INDEX_MAX}; one script of a family at each place.
   */
  readonly index: number;
  /** Names of interfaces, as nft has them: `lan0`, `veth*`. Not every hook knows both. */
  readonly inInterface?: string;
  readonly outInterface?: string;
  /** What else a packet has to be, in nft's language: `udp dport 53`. Everything when absent. */
  readonly match?: string;
  readonly queueNumber: number;
  /**
   * Packets are spread over this many queues from `queueNumber` on, a connection always to the same; 1 at
   * first.
   */
  readonly queueCount?: number;
  /** Whether packets go on unseen while nobody reads the queue, instead of being dropped. */
  readonly bypass: boolean;
  /**
   * Whether the kernel tracks connections on behalf of this rule, as it does only while some rule asks for it; false at
   * first. The bridge family asks for nothing: not every kernel could.
   */
  readonly tracksConnections?: boolean;
  /** Only packets whose mark has this bit, one of {@link QueueRuleMarks.handOver}; it is cleared. */
  readonly handOverMark?: number;
}

/** What a rule has brought to its queue. */
export interface QueueRuleCount {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

/** The bits of a packet's mark that belong to us. */
export interface QueueRuleMarks {
  /**
   * Set with a verdict: the packet skips the scripts that are left at this hook. Cleared behind the last one.
   */
  readonly done: number;
  /**
   * Set on what scripts send: it skips the scripts of all hooks on its way. Cleared when it leaves or
   * arrives.
   */
  readonly sent: number;
  /** Set by programs in the kernel on what they hand over to a script: a bit for each of them; none when absent. */
  readonly handOver?: readonly number[];
}

export const QUEUE_RULE_MARKS: QueueRuleMarks = {
  done: 0x4000_0000,
  sent: 0x2000_0000,
  handOver: [0x1000_0000, 0x0800_0000, 0x0400_0000, 0x0200_0000],
};

export interface QueueRules {
  readonly marks: QueueRuleMarks;
  /**
   * Makes the rules of a script, or changes them, in one step: packets meet the old ones or the new ones. The
   * first call removes what an earlier process left behind.
   * @throws MatchRefusedError, ConfigurationError, RulesUnsupportedError, ClaimedError when another process
   * has rules of this table, and what `RuleSet` throws without nft or root.
   */
  load(rule: QueueRule): Promise<void>;
  /**
   * Puts rules in the place of whatever an earlier process has left, in one step: they drop their packets, or let them
   * pass when they are to bypass, until {@link load} of the same name brings them to a queue. To be called before any
   * other; the numbers of queues do not count yet.
   * @returns the names of those that cannot stand, as their packets cannot be told.
   * @throws as {@link load}; what an earlier process has left stays then.
   */
  reserve(rules: readonly QueueRule[]): Promise<readonly string[]>;
  /**
   * Brings back the rules that somebody else has removed.
   * @returns their names.
   * @throws what `RuleSet` throws when they cannot be brought back.
   */
  repair(): Promise<readonly string[]>;
  /**
   * Removes a script's rules, and the table with the last ones; nothing to do when they are gone already.
   * Packets that already wait in its queue, and all others, stay untouched while any script is left: the
   * kernel drops what waits in every queue when a chain leaves its hook, so empty chains stay until then.
   */
  unload(name: string): Promise<void>;
  /**
   * Stops bringing packets without removing anything: for one who lets his queue run empty before `unload`.
   */
  detach(name: string): Promise<void>;
  /** Whether nft understands an expression. @throws MatchRefusedError when not. */
  check(family: QueueFamily, match: string): Promise<void>;
  /** Packets and bytes of every chain since it was loaded, in the order of their loading. */
  counts(): Promise<readonly QueueRuleCount[]>;
  /** Removes the table with all chains, also one that another process left behind. */
  removeAll(): Promise<void>;
  /** Lets go of the kernel; chains stay. */
  close(): void;
}

/** nft does not understand the expression, or it is more than one that chooses packets. */
export class MatchRefusedError extends ConfigurationError {
  override readonly code: string = "match-refused";
}

/** The kernel has no way to bring packets of this family to a queue. */
export class RulesUnsupportedError extends UnavailableError {
  override readonly code: string = "queue-rules-unsupported";
}

const NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/;
/** What the kernel takes (dev_valid_name), with nft's `*` at the end, without what would need quoting. */
const INTERFACE = /^[^\s/:"'\\;{}*#$@]{1,15}\*?$/;

/** What implementations refuse in the same words. @throws ConfigurationError */
export function checkQueueRule(rule: QueueRule): void {
  const { name, family, hook, index, inInterface, outInterface, queueNumber, queueCount = 1 } = rule;
  const refuse = (seen: string): never => {
    throw new ConfigurationError(`Cannot load the rule '${name}': ${seen}`);
  };
  if (!NAME.test(name)) refuse("the name is not a letter and up to 63 of a-z A-Z 0-9 _ -");
  if (!QUEUE_FAMILIES.includes(family)) refuse(`no family ${family}, wanted ${QUEUE_FAMILIES.join(", ")}`);
  if (!QUEUE_HOOKS.includes(hook)) refuse(`no hook ${hook}, wanted ${QUEUE_HOOKS.join(", ")}`);
  if (!Number.isInteger(index) || index < 0 || index > RULE_INDEX_MAX) {
    refuse(`place ${index} at its hook, not 0 to ${RULE_INDEX_MAX}`);
  }
  for (const given of [inInterface, outInterface]) {
    if (given !== undefined && !INTERFACE.test(given)) refuse(`'${given}' is not the name of an interface`);
  }
  if (inInterface !== undefined && hook === "output" && family !== "bridge") {
    refuse("packets at output have not come in by an interface; take outInterface");
  }
  if (outInterface !== undefined && (hook === "prerouting" || hook === "input")) {
    refuse(`packets at ${hook} do not leave by an interface yet; take inInterface`);
  }
  const last = queueNumber + queueCount - 1;
  const whole = Number.isInteger(queueNumber) && Number.isInteger(queueCount);
  if (!whole || queueNumber < 0 || queueCount < 1 || last > 65_535) {
    refuse(`queues ${queueNumber} to ${last}, not within 0 to 65535`);
  }
}

/** Words that do something instead of choosing, and none of which an expression that chooses needs. */
const DOING: ReadonlySet<string> = new Set(
  [
    "accept drop queue continue return jump goto reject dnat snat masquerade redirect tproxy dup fwd log counter",
    "quota notrack synproxy set map vmap add update delete meter flow comment include define redefine undefine",
    "reset destroy last xt",
  ].flatMap((line) => line.split(" ")),
);

/**
 * Refuses an expression that holds more than what chooses packets, before nft sees it: another rule, a
 * statement, a block, a comment. @throws MatchRefusedError
 */
export function checkMatch(match: string): void {
  const refuse = (seen: string): never => {
    throw new MatchRefusedError(`Cannot use the match '${printable(match)}': ${seen}`);
  };
  if (match.trim() === "") refuse("it is empty; leave it out to take every packet");
  if (match.length > MATCH_CHARACTERS_MAX) {
    refuse(`${match.length} characters, at most ${MATCH_CHARACTERS_MAX}`);
  }
  // Names in quotes are taken out first: they are text, whatever stands in them.
  const bare = match.replace(/"[^"\\]*"/g, "_");
  const strange = /[^\x20-\x7e]|[;#\\$`'"]/.exec(match.includes("\n") ? "\n" : bare)?.[0];
  if (strange !== undefined) refuse(`the character ${JSON.stringify(strange)} has no place in it`);
  checkBraces(bare, refuse);
  // The type of an ICMP message may be called so.
  const withoutTypes = bare.replace(/\btype\s+((==|!=)\s*)?(\{[^}]*\}|redirect\b)/gi, "");
  for (const [word] of withoutTypes.matchAll(/[a-z_][a-z0-9_-]*/gi)) {
    if (DOING.has(word.toLowerCase())) refuse(`'${word}' does something, and a match only chooses packets`);
  }
}

/** Braces hold the elements of a set, behind a value, and are not nested. */
function checkBraces(bare: string, refuse: (seen: string) => never): void {
  let isOpen = false;
  for (const [index, character] of [...bare].entries()) {
    if (character === "{") {
      if (isOpen || bare.slice(0, index).trim() === "") refuse("a block; braces are for sets of values");
      isOpen = true;
    } else if (character === "}") {
      if (!isOpen) refuse("a brace closes what was not opened");
      isOpen = false;
    }
  }
  if (isOpen) refuse("a brace is not closed");
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 200)).slice(1, -1);
}
