/**
 * What the front end refuses: with its code, its place, and what to write instead.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileAt, frontAt } from "../../../../test/kernel-scripts/compiler.ts";
import { ModulePrograms } from "../../../../test/kernel-scripts/program.ts";
import type { AttachType } from "../target.ts";

interface Refused {
  /** Statements of the function; what stands before `##` is the module's. */
  readonly body: string;
  /** `code: construct`, for each problem in its order. */
  readonly problems: readonly string[];
  /** A part of the first one's text. */
  readonly says?: string;
  readonly attach?: AttachType;
}

const REFUSED: readonly Refused[] = [
  // Numbers.
  {
    body: "return m / 3 > m / 2 ? drop : accept;",
    problems: ["kernel-fraction: m / 3"],
    says: "Math.floor(a / b)",
  },
  { body: "const half = m / 2; return half * 3 > 1 ? drop : accept;", problems: ["kernel-fraction: m / 2"] },
  { body: "return m * 0.5 > 2 ? drop : accept;", problems: ["kernel-fraction: m * 0.5"] },
  {
    body: "return m + 2 ** 60 > 2 ? drop : accept;",
    problems: ["kernel-range: m + 2 ** 60"],
    says: "bigints",
  },
  { body: "return m ** m > 2 ? drop : accept;", problems: ["kernel-power: m ** m"] },
  {
    body: "return BigInt(m) << BigInt(m) > 2n ? drop : accept;",
    problems: ["kernel-shift: BigInt(m) << BigInt(m)"],
  },
  { body: "return Math.sqrt(m) > 2 ? drop : accept;", problems: ["kernel-global: Math.sqrt(m)"] },
  {
    body: "return Math.random() > 0.5 ? drop : accept;",
    problems: ["kernel-global: Math.random()"],
    says: "context.randomInteger",
  },
  {
    body: "return context.random() + m > 2 ? drop : accept;",
    problems: ["kernel-fraction: context.random() + m"],
  },
  { body: "return m == (m as unknown) ? drop : accept; ", problems: [] },
  {
    body: "return (m > 3 ? 1 : undefined) == 1 ? drop : accept;",
    problems: ["kernel-operator: (m > 3 ? 1 : undefined) == 1"],
    says: "write ===",
  },
  // Texts.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the script has the template
  { body: "context.counter(`c${m}`).add(); return drop;", problems: ["kernel-text: m"] },
  { body: 'return m.toString() === "1" ? drop : accept;', problems: ["kernel-text: m.toString()"] },
  {
    body: "return formatIpv4(m) === '10.0.0.1' ? drop : accept;",
    problems: ["kernel-text: m"],
    says: "format it where it is read",
  },
  { body: "return ipv4Address('ten') === m ? drop : accept;", problems: ["kernel-constant: 'ten'"] },
  // Names.
  {
    body: "let count = 0; ## count++; return drop;",
    problems: ["kernel-module-variable: count"],
    says: "several processors",
  },
  { body: "console.log(m); return drop;", problems: ["kernel-global: console"], says: "context.bus.post" },
  { body: "return Date.now() > m ? drop : accept;", problems: ["kernel-global: Date"], says: "context.now" },
  { body: "return a > m ? drop : accept; const a = 3;", problems: ["kernel-early: a"] },
  {
    body: "const A = Math.random(); ## return A > m ? drop : accept;",
    problems: ["kernel-global: Math.random()"],
  },
  {
    body: "const L: { n: number } = { n: 1 }; ## L.n = 3; return drop;",
    problems: ["kernel-module-variable: L.n = 3"],
  },
  { body: "class A {} ## return A.length > m ? drop : accept;", problems: ["kernel-declaration: A"] },
  { body: "return http === undefined ? drop : accept;", problems: ["kernel-export: http"] },
  // Objects and lists.
  {
    body: "const l = [1]; l.push(m); return drop;",
    problems: ["kernel-method: l.push(m)"],
    says: "new Uint32Array(8)",
  },
  { body: "const l = [1, 2]; l[0] = m; return drop;", problems: ["kernel-list-write: l[0]"] },
  {
    body: "return [1, 2].filter((x) => x > m).length > 1 ? drop : accept;",
    problems: ["kernel-method: [1, 2].filter((x) => x > m)"],
  },
  {
    body: "const o = { a: 1 }; return o[BigInt(m) as unknown as 'a'] === 1 ? drop : accept;",
    problems: ["kernel-field: o[BigInt(m) as unknown as 'a']"],
  },
  {
    body: "const s = new Map(); return drop;",
    problems: ["kernel-new: new Map()"],
    says: "a map of the context",
  },
  { body: "const a = new Uint8Array(m); return drop;", problems: ["kernel-array: new Uint8Array(m)"] },
  {
    body: "const a = new Uint32Array(100); return drop;",
    problems: ["kernel-array: new Uint32Array(100)"],
    says: "the kernel's stack",
  },
  {
    body: "const a = { get b() { return 1; } }; return drop;",
    problems: ["kernel-accessor: get b() { return 1; }"],
  },
  // Statements.
  {
    body: "for (let i = 0; i < 100_000; i++) ; return drop;",
    problems: ["kernel-loop: i < 100_000"],
    says: "100000 times",
  },
  {
    body: "for (const x of m > 3 ? [1] : [1, 2]) ; return drop;",
    problems: ["kernel-loop: m > 3 ? [1] : [1, 2]"],
  },
  {
    body: "for (const x in packet) ; return drop;",
    problems: ["kernel-operand: packet"],
  },
  {
    body: "try { return drop; } catch { return accept; }",
    problems: ["kernel-statement: try { return drop; } catch { return accept; }"],
  },
  { body: "throw new Error('x');", problems: ["kernel-statement: throw new Error('x');"] },
  { body: "if (accept) return drop; return;", problems: ["kernel-verdict-truth: accept"] },
  // Constants of modules that something changes.
  {
    body: "const P = [1, 2]; P.push(5); ## return P.includes(m) ? drop : accept;",
    problems: ["kernel-module-variable: P.push(5)"],
  },
  {
    body: "const P = new Set([1]); function more() { P.add(5); } more(); ## return P.has(m) ? drop : accept;",
    problems: ["kernel-module-variable: P.add(5)"],
  },
  {
    body: "const P = new Map([[1, 2]]); P.set(5, 7); ## return P.has(m) ? drop : accept;",
    problems: ["kernel-module-variable: P.set(5, 7)"],
  },
  {
    body: "const P = { a: 1 }; P.a = 5; ## return P.a > m ? drop : accept;",
    problems: ["kernel-module-variable: P.a = 5"],
  },
  {
    body: "const P: number[] = []; for (let i = 0; i < 4; i++) P[i] = i; ## return P[m & 3] === 1 ? drop : accept;",
    problems: ["kernel-module-variable: P[i] = i"],
  },
  {
    body: "const P = [{ n: 1 }]; for (const p of P) p.n++; ## return P[0]?.n === m ? drop : accept;",
    problems: ["kernel-module-variable: p.n++"],
  },
  {
    body: "const P = [{ n: 1 }]; P.forEach((p) => { p.n += 5; }); ## return P[0]?.n === m ? drop : accept;",
    problems: ["kernel-module-variable: p.n += 5"],
  },
  {
    body: "const P = [1]; const Q = P; Q.push(3); ## return P.length === m ? drop : accept;",
    problems: ["kernel-module-variable: Q.push(3)"],
  },
  {
    body: "const P = [1]; function fill(list: number[]) { list.push(3); } fill(P); ## return P.length === m ? drop : accept;",
    problems: ["kernel-module-variable: list.push(3)"],
  },
  {
    body: "const P = { a: 1 }; Object.assign(P, { a: 5 }); ## return P.a === m ? drop : accept;",
    problems: ["kernel-module-variable: Object.assign(P, { a: 5 })"],
  },
  // Names.
  {
    body: 'context.counter("").add(); return drop;',
    problems: ['kernel-context: ""'],
    says: "1 to 55 bytes",
  },
  {
    body: 'context.counter("x".repeat(56)).add(); return drop;',
    problems: ['kernel-context: "x".repeat(56)'],
  },
  { body: 'context.bus.post("alerts", { m }); return drop;', problems: ['kernel-event: "alerts"'] },
  { body: 'context.bus.post("ids:/a b", { m }); return drop;', problems: ['kernel-event: "ids:/a b"'] },
  { body: 'context.bus.post("ids@gw2:/a/b", { m }); return drop;', problems: [] },
  // Functions.
  {
    body: "function f(n: number): number { return n < 1 ? 0 : f(n - 1); } ## return f(m) > 1 ? drop : accept;",
    problems: ["kernel-recursion: f(n - 1)"],
  },
  {
    body: "const make = (x: number) => () => x; return make(m)() > 1 ? drop : accept;",
    problems: ["kernel-closure: make(m)"],
  },
  { body: "const wait = async () => drop; wait(); return drop;", problems: ["kernel-async: wait()"] },
  { body: "function* g() { yield 1; } ## g(); return drop;", problems: ["kernel-generator: g()"] },
  { body: "return eval('1') ? drop : accept;", problems: ["kernel-global: eval"] },
  // The context.
  {
    body: "context.log('x'); return drop;",
    problems: ["kernel-context: context.log('x')"],
    says: "context.bus.post",
  },
  { body: "context.defer(() => {}); return drop;", problems: ["kernel-context: context.defer(() => {})"] },
  {
    body: "return context.counter('x').value > m ? drop : accept;",
    problems: ["kernel-context: context.counter('x').value"],
  },
  { body: "context.map('x', { countMax: m }); return drop;", problems: ["kernel-constant: { countMax: m }"] },
  { body: "context.map('x', { key: 'text' }); return drop;", problems: ["kernel-map: { key: 'text' }"] },
  {
    body: "context.map('two words').add(1); return drop;",
    problems: ["kernel-map: 'two words'"],
    says: "a-z A-Z 0-9",
  },
  { body: "context.map('x', { countMax: 0 }); return drop;", problems: ["kernel-map: { countMax: 0 }"] },
  {
    body: "context.map('x'); context.map('x', { kind: 'lru' }); return drop;",
    problems: ["kernel-map: { kind: 'lru' }"],
  },
  { body: "context.map('x').get(3n); return drop;", problems: ["kernel-map: 3n"], says: "keys of map" },
  { body: "context.map('x', { key: 'bigint' }).get(m); return drop;", problems: ["kernel-map: m"] },
  {
    body: "return context.map('x').size > 1 ? drop : accept;",
    problems: ["kernel-map: context.map('x').size"],
  },
  {
    body: "context.map('x', { timeToLive: milliseconds(0.5) }); return drop;",
    problems: ["kernel-map: { timeToLive: milliseconds(0.5) }"],
  },
  {
    body: "context.map('x', { perProcessor: true }).get(m); return drop;",
    problems: ["kernel-map: context.map('x', { perProcessor: true }).get(m)"],
  },
  { body: "return context.randomInteger(0) > 1 ? drop : accept;", problems: ["kernel-limit: 0"] },
  {
    body: "context.bus.post('/x', { a: m > 3 ? 1 : undefined }); return drop;",
    problems: ["kernel-event: { a: m > 3 ? 1 : undefined }"],
  },
  { body: "context.bus.call('x'); return drop;", problems: ["kernel-context: context.bus.call('x')"] },
  // Verdicts.
  {
    body: "return m > 3 ? queue(3) : repeat;",
    problems: ["kernel-verdict: queue(3)", "kernel-verdict: repeat"],
  },
  { body: "return later(Promise.resolve(drop));", problems: ["kernel-global: Promise"] },
  { body: "return delayed(seconds(1));", problems: ["kernel-verdict: delayed(seconds(1))"] },
  { body: "return mark(m);", problems: ["kernel-no-mark: mark(m)"], attach: "netfilter" },
  { body: "return mark(m);", problems: ["kernel-no-mark: mark(m)"], attach: "xdp" },
  {
    body: "return redirect(packet, context, 'eth1');",
    problems: ["kernel-no-redirect: redirect(packet, context, 'eth1')"],
    attach: "netfilter",
  },
  {
    body: "return redirect(packet, context, m > 3 ? 'a' : 'b');",
    problems: ["kernel-constant: m > 3 ? 'a' : 'b'"],
  },
  { body: "return handOver(packet, context, () => drop);", problems: ["kernel-hand-over: () => drop"] },
  { body: "return 1 as unknown as Verdict;", problems: ["kernel-verdict: 1"] },
  // Several at once, each told once.
  {
    body: "const half = (x: number) => x * 0.5; const a = half(m); const b = half(3 + m); const c = a + b; console.log(c); return new Map();",
    problems: ["kernel-fraction: x * 0.5", "kernel-global: console", "kernel-new: new Map()"],
  },
  {
    body: "if (m / 2 === 3) { console.log(1); } else { new Date(); } for (let i = 0; i < 3; i++) { eval(''); } return drop;",
    problems: [
      "kernel-fraction: m / 2",
      "kernel-global: console",
      "kernel-new: new Date()",
      "kernel-global: eval",
    ],
  },
];

/** Loops of which it cannot be proved that they end: only behind the front end it is known. */
const ENDLESS: readonly (readonly [body: string, construct: string])[] = [
  ["while (m > 3) {} return drop;", "m > 3"],
  ["do {} while (m > 3); return drop;", "m > 3"],
  ["for (;;) {} return drop;", "for (;;) {}"],
  ["for (let i = 0; i < 9; i++) i += 0 - 1; return drop;", "i < 9"],
  ["for (let i = 0; i < 9; i--) ; return drop;", "i < 9"],
  ["let n = m; while (n !== 3) n >>= 1; return drop;", "n !== 3"],
  ["let n = m; while (n >= 0) n >>= 1; return drop;", "n >= 0"],
  ["let n = 0; while (n < 9) { if (m > 40) continue; n++; } return drop;", "n < 9"],
  ["let n = 0; while (n < 9) n += packet.uint8(n) ?? 1; return drop;", "n < 9"],
];

const IMPORTS = [
  ...[
    "accept",
    "delayed",
    "drop",
    "formatIpv4",
    "handOver",
    "http",
    "ipv4Address",
    "later",
    "mark",
    "milliseconds",
  ],
  ...["queue", "redirect", "repeat", "seconds", "type Context", "type Packet", "type Verdict"],
];

function moduleOf(text: string): string {
  const [top = "", body = ""] = text.includes("##") ? text.split("##") : ["", text];
  return `import { ${IMPORTS.join(", ")} } from "metanet/script";
${top}
export function script(packet: Packet, context: Context) { const m = packet.lengthBytes; ${body} }`;
}

const programs = new ModulePrograms();

describe("the front end", () => {
  for (const { body, problems, says, attach = "tcx-ingress" } of REFUSED) {
    it(`${problems.length === 0 ? "takes" : "refuses"} ${body}`, () => {
      const { problems: found } = frontAt(programs.make(moduleOf(body)), "script", { attach });
      assert.deepEqual(
        found.map(({ code, construct }) => `${code}: ${construct}`),
        problems,
      );
      for (const { place, length, why, instead } of found) {
        assert.ok(place.line >= 2 && place.column > 0 && length > 0);
        assert.match(`${why}; ${instead}`, /^[^.].*[^.]$/s);
      }
      const [first] = found;
      if (says !== undefined) assert.ok(`${first?.why}; ${first?.instead}`.includes(says), first?.instead);
    });
  }
});

describe("the compiler", () => {
  for (const [body, construct] of ENDLESS) {
    it(`refuses ${body}`, () => {
      const { problems } = compileAt(programs.make(moduleOf(body)), "script", { attach: "tcx-ingress" });
      assert.deepEqual(
        problems.map(({ code, construct }) => [code, construct]),
        [["kernel-loop", construct]],
      );
    });
  }
});
