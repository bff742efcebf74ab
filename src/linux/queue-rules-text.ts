/**
 * The queue rules in nft's language. Of a script there are three chains: one at the hook, for its place
 * there; one with the rule that chooses packets and counts them; and one that queues them, filled over
 * netlink. Only the first is ever replaced while packets flow, and by flushing it: a chain that leaves its
 * hook makes the kernel drop what waits in all queues.
 * @module
 */
import type { QueueFamily, QueueHook, QueueRule, QueueRuleMarks } from "#io/queue-rules.ts";

/** nft's "mangle": behind connection tracking, before address translation at -100. */
const FIRST_PRIORITY = -150;
/** Behind the scripts of a hook. */
const END_PRIORITY = -101;

/** Where the rule stands that chooses packets, and what it is made of. */
export interface ChosenRule {
  readonly chain: string;
  readonly line: string;
  /** Where in the line the user's expression starts and ends, in characters from 0. */
  readonly matchStart: number;
  readonly matchEnd: number;
}

/** The chain at a hook in which the script of one place stands. */
export function placeChain(rule: { readonly hook: QueueHook; readonly index: number }): string {
  return `${rule.hook}-${rule.index}`;
}

export function matchChain(name: string, generation: number): string {
  return `match-${generation}-${name}`;
}

export function queueChain(name: string, generation: number): string {
  return `queue-${generation}-${name}`;
}

/** The rule that counts the packets a script wants and passes them on. */
export function chooseRule(table: string, rule: QueueRule, generation: number): ChosenRule {
  const chain = matchChain(rule.name, generation);
  const words = [`add rule ${rule.family} ${table} ${chain} `];
  if (rule.inInterface !== undefined) words.push(`iifname "${rule.inInterface}" `);
  if (rule.outInterface !== undefined) words.push(`oifname "${rule.outInterface}" `);
  if (rule.handOverMark !== undefined) words.push(`meta mark & ${hex(rule.handOverMark)} != 0 `);
  const before = words.join("");
  const match = rule.match ?? "";
  const line = `${before}${match} counter jump ${queueChain(rule.name, generation)}`;
  return { chain, line, matchStart: before.length, matchEnd: before.length + match.length };
}

/** Makes the two chains of a script that are at no hook. */
export function prepareText(table: string, rule: QueueRule, generation: number): string {
  const { family, name, handOverMark, tracksConnections = false } = rule;
  const queue = `${family} ${table} ${queueChain(name, generation)}`;
  return [
    `add table ${family} ${table}`,
    `add chain ${queue}`,
    // Decides nothing: that there is an expression of this kind makes the kernel track.
    ...(tracksConnections && family !== "bridge" ? [`add rule ${queue} ct state invalid`] : []),
    // Here, so that the script and whoever is behind it see the mark without it.
    ...(handOverMark === undefined
      ? []
      : [`add rule ${queue} meta mark set meta mark & ${hex(~handOverMark)}`]),
    `add chain ${family} ${table} ${matchChain(name, generation)}`,
    chooseRule(table, rule, generation).line,
    "",
  ].join("\n");
}

/** Lets a script's chain drop what it would queue. */
export function dropText(table: string, rule: QueueRule, generation: number): string {
  return `add rule ${rule.family} ${table} ${queueChain(rule.name, generation)} drop\n`;
}

/** Makes an empty table in the place of whatever stood there, or nothing. */
export function replaceTableText(table: string, family: QueueFamily): string {
  return ["add", "delete", "add"].map((verb) => `${verb} table ${family} ${table}\n`).join("");
}

/** Undoes {@link prepareText} or takes it out of use, when nothing jumps to the chains any more. */
export function discardText(table: string, family: QueueFamily, name: string, generation: number): string {
  const chains = [matchChain(name, generation), queueChain(name, generation)];
  return [
    ...chains.map((chain) => `flush chain ${family} ${table} ${chain}`),
    ...chains.map((chain) => `delete chain ${family} ${table} ${chain}`),
    "",
  ].join("\n");
}

/** Puts a script to its place, over what stood there. */
export function attachText(
  table: string,
  rule: QueueRule,
  generation: number,
  marks: QueueRuleMarks,
): string {
  const { family, hook } = rule;
  const place = placeChain(rule);
  const ends = [...new Set<QueueHook>([hook, "input", "postrouting"])];
  return [
    ...ends.flatMap((end) => endLines(table, family, end, marks)),
    `add chain ${family} ${table} ${place} { type filter hook ${hook} priority ${FIRST_PRIORITY + rule.index}; policy accept; }`,
    `flush chain ${family} ${table} ${place}`,
    `add rule ${family} ${table} ${place} meta mark & ${hex(marks.done | marks.sent)} != 0 accept`,
    `add rule ${family} ${table} ${place} jump ${matchChain(rule.name, generation)}`,
    "",
  ].join("\n");
}

/** Takes a script from its place, which stays as an empty chain. */
export function detachText(table: string, rule: QueueRule): string {
  return `flush chain ${rule.family} ${table} ${placeChain(rule)}\n`;
}

/** The chain behind the scripts of a hook, which gives the mark's bits back. */
function endLines(table: string, family: QueueFamily, hook: QueueHook, marks: QueueRuleMarks): string[] {
  const chain = `end-${hook}`;
  const rule = (condition: string, bits: number): string =>
    `add rule ${family} ${table} ${chain} ${condition}meta mark & ${hex(bits)} != 0 meta mark set meta mark & ${hex(~bits)}`;
  const lines = [
    `add chain ${family} ${table} ${chain} { type filter hook ${hook} priority ${END_PRIORITY}; policy accept; }`,
    `flush chain ${family} ${table} ${chain}`,
  ];
  if (hook === "input") return [...lines, rule("", marks.done | marks.sent)];
  lines.push(rule("", marks.done));
  // What goes to this machine itself comes in again, and has not arrived yet.
  if (hook === "postrouting") lines.push(rule('oifname != "lo" ', marks.sent));
  return lines;
}

function hex(bits: number): string {
  return `0x${(bits >>> 0).toString(16).padStart(8, "0")}`;
}
