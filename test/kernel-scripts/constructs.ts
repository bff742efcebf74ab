/**
 * What generated scripts consist of, so that a run can tell that nothing was left out: constructs by their text, and what
 * became of frames by their outcome.
 * @module
 */
import type { TestFrame } from "./frames.ts";
import type { Outcome } from "./outcome.ts";

/** How often each was met, by its name; those that were not are 0. */
export type ConstructTally = Map<string, number>;

const CONSTRUCTS: readonly (readonly [name: string, text: RegExp])[] = [
  ["+ - *", /[\w)] [-+*] [\w(]/],
  ["division", /Math\.(floor|trunc)\(.* \/ /],
  ["remainder", / % /],
  ["Math.min, Math.max, Math.abs", /Math\.(min|max|abs)\(/],
  ["Math.imul", /Math\.imul\(/],
  ["bits of 32", /( [&|^] |~)/],
  ["shifts", /(<<|>>|>>>) /],
  ["assigning operators", /(\^|&|\||<<|>>|>>>)= /],
  ["bigints", /\d+n\b/],
  ["BigInt.asUintN", /BigInt\.asUintN\(/],
  ["BigInt.asIntN", /BigInt\.asIntN\(/],
  ["addresses of 128 bits", /\.(source|destination) (&|>>) \d+n/],
  ["&& ||", /(&&|\|\|)/],
  ["?:", / \? .* : /],
  ["??", /\?\?/],
  ["?.", /\?\./],
  ["=== undefined", /[!=]== undefined/],
  ["records", /= \{ x: /],
  ["typed arrays", /new (Ui|I)nt\d+Array\(/],
  ["typed arrays of bigints", /new Big(Ui|I)nt64Array\(/],
  ["constant lists", /(PORTS|SIGNED|ADDRESSES)\[/],
  ["list.includes", /\.includes\(/],
  ["if", /\bif \(/],
  ["else", /\} else \{/],
  ["switch", /\bswitch \(/],
  ["for", /\bfor \(let /],
  ["for of", /\bfor \(const /],
  ["break, continue", /\b(break|continue);/],
  ["functions inside", /^function f\d|const f\d+ = \(/m],
  ["functions of the module", /^function s\d+_t/m],
  ["payload(protocol)", /\.payload\(\w+\)/],
  ["payload()", /\.payload\(\)/],
  ["as(protocol)", /\.as\(/],
  ["find(protocol)", /\.find\(/],
  ["protocols of the script", /\(proto\d\)/],
  ["bytes at offsets", /\.uint(8|16|32)\(/],
  ["options of TCP", /\.(windowScale|timestamp|timestampEcho|maximumSegmentSize) \?\?/],
  ["fields written", /^h\d+\.\w+ (=|\^=|-=|\+=)|^h\d+\.\w+(--|\+\+)/m],
  ["addresses written as texts", / = "10\.0\.0\./],
  ["segment size clamped", /\.maximumSegmentSize = /],
  ["bytes written", /\.setUint(8|16|32)\(/],
  ["the mark read", /packet\.mark\b(?! =)/],
  ["the mark set", /packet\.mark = /],
  ["mark(n)", /return mark\(/],
  ["isAggregate", /packet\.isAggregate/],
  ["lengthBytes", /packet\.lengthBytes/],
  ...["hash", "lru", "array", "prefix"].map((kind) => [`${kind} maps`, new RegExp(`"${kind}"`)] as const),
  ["keys of bigints", /key: "bigint"/],
  ["timeToLive", /timeToLive/],
  ["perProcessor", /perProcessor/],
  ...["get", "has", "set", "add", "delete", "compareAndSet", "touch"].map(
    (name) => [`map.${name}`, new RegExp(`m\\d+\\.${name}\\(`)] as const,
  ),
  ["counters", /context\.counter\(/],
  ["the time", /context\.now/],
  ["randomInteger", /context\.randomInteger\(/],
  ["random", /context\.random\(\)/],
  ["events", /context\.bus\.post\(/],
  ["bytes in events", /f\d: \w+\.(bytes|copy)\(/],
  ["redirect", /return redirect\(/],
  ["handOver", /return handOver\(/],
];

/** What may become of a frame. */
const OUTCOMES: readonly (readonly [name: string, is: (outcome: Outcome, before: TestFrame) => boolean])[] = [
  ["frames dropped", ({ verdict }) => verdict === "drop"],
  ["frames accepted", ({ verdict }) => verdict === "accept"],
  ["frames that continue", ({ verdict }) => verdict === "continue"],
  ["frames redirected", ({ verdict }) => verdict === "redirect"],
  [
    "frames changed",
    ({ verdict, bytes }, before) => verdict !== "drop" && Buffer.compare(bytes, before.bytes) !== 0,
  ],
  ["marks changed", ({ verdict, mark }, before) => verdict === "continue" && mark !== before.mark],
  ["events posted", ({ events }) => events.length > 0],
  ["entries in maps", ({ maps }) => Object.values(maps).some((entries) => entries.length > 0)],
];

export function emptyTally(): ConstructTally {
  return new Map([...CONSTRUCTS, ...OUTCOMES].map(([name]) => [name, 0]));
}

function count(tally: ConstructTally, name: string): void {
  tally.set(name, (tally.get(name) ?? 0) + 1);
}

export function countScript(tally: ConstructTally, text: string): void {
  for (const [name, pattern] of CONSTRUCTS) if (pattern.test(text)) count(tally, name);
}

export function countOutcome(tally: ConstructTally, outcome: Outcome, before: TestFrame): void {
  for (const [name, is] of OUTCOMES) if (is(outcome, before)) count(tally, name);
}
