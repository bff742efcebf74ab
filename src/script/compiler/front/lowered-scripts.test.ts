/**
 * What scripts become does what they do: bodies of functions of two numbers, run as the intermediate form and as
 * JavaScript.
 * @module
 */
import assert from "node:assert/strict";
import { stripTypeScriptTypes } from "node:module";
import { describe, it } from "node:test";
import { compileAt, frontAt } from "../../../../test/kernel-scripts/compiler.ts";
import { ModulePrograms } from "../../../../test/kernel-scripts/program.ts";
import { interpretFunction } from "../ir/interpret.ts";
import { PlainWorld } from "../ir/interpreted-world.ts";

type Body = (m: number, l: number) => number;

/** Values of `m`, the packet's mark; `l` is its length. */
const MARKS = [0, 1, 2, 5, 7, 12, 31, 200, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const LENGTH = 60;

/** Bodies of `(m, l) => number`; what stands before `##` is the module's. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  numbers: [
    "return m + l * 3 - 7;",
    "return Math.floor(m / 7) + Math.trunc(m / 9) + Math.ceil(m / 10);",
    "return Math.floor((l - m) / 7) + Math.ceil((l - m) / 7);",
    "return (m / 3) | 0;",
    "return (m / 3) >>> 0;",
    "return (l - m) % 7;",
    "return (m & 0xff) | (m ^ l) | (~m & 3);",
    "return (m << 5) ^ (m >> 3) ^ (m >>> 7);",
    "return Math.imul(m, 0x9e3779b1);",
    "return Math.min(m, l, 9) + Math.max(m, 3);",
    "return Math.abs(l - m) + Math.sign(l - m);",
    "return -m + +l;",
    "return (m & 0xff) ** 3;",
    "return 2 ** 10 + 1e3 + 0.5 * 4;",
    "return Number(m > 5) + Number(BigInt(m) & 0xffn);",
    "return Math.floor(Math.PI) + Number.MAX_SAFE_INTEGER % 1000;",
    "let x = m & 15; x += 3; x *= 2; x -= 1; x <<= 2; x |= 1; x ^= 9; x %= 50; return x++ + ++x - x-- - --x;",
    "return Math.round(m / 8) + Math.round((l - m) / 8) * 3 + Math.round((m - l) / -6) + Math.round(m);",
    "return Math.clz32(m) * 100 + Math.clz32(m - 7) + (31 - Math.clz32(l));",
    "return (m / 7 < 1 ? 1 : 0) + (m / 4 <= 3 ? 2 : 0) + (m / 5 > 1 ? 4 : 0) + (m / 31 >= 1 ? 8 : 0) + (5 < m / 2 ? 16 : 0) + ((l - m) / -4 > -15 ? 32 : 0) + (3 >= (m - l) / 4 ? 64 : 0);",
    "let least = Infinity; for (const x of [m, l, 7]) least = Math.min(least, x); let most = -Infinity; [m & 3, 2].forEach((x) => { if (x > most) most = x; }); return least + most;",
    "return m < 5.5 ? 1 : m >= 199.5 ? 2 : m <= Infinity ? 3 : 4;",
  ],
  bigints: [
    "return Number(BigInt.asUintN(32, BigInt(m) * BigInt(m)));",
    "return Number(BigInt.asUintN(32, BigInt.asUintN(64, BigInt(m) * 0x9e3779b97f4a7c15n + 1n) >> 11n));",
    "return Number(BigInt.asIntN(16, BigInt(m)));",
    "return Number(BigInt.asUintN(32, (BigInt(l) - BigInt(m)) >> 3n));",
    "return Number(BigInt.asUintN(20, ~BigInt(m)));",
    "return Number((BigInt(m) << 20n) / 3n % 1000n);",
    "const w = (BigInt(m) << 64n) | BigInt(l); return Number((w >> 60n) & 0xffffffn);",
    "const w = (BigInt(m) << 64n) | BigInt(l); return w === (5n << 64n) + 60n ? 1 : w > (7n << 64n) ? 2 : 3;",
    "const w = (BigInt(m) << 48n) | (BigInt(l) << 32n) | 7n; return Number((w >> 40n) & 0xffffffn) + Number(w & 0xfn);",
    "const w = (BigInt(m) << 48n) + (BigInt(m) << 40n) + BigInt(m) * 0xffffffffn; return Number(BigInt.asUintN(32, w >> 33n)) + (w > 1n << 64n ? 1 : 0);",
    "const w = BigInt(m) * 0xffffffffn + BigInt(m > 5 ? m : 0) + (1n << 70n) + 0xffffffffffffffffn; return Number(BigInt.asUintN(32, w >> 40n));",
    "const w = ((BigInt(m) << 60n) << 20n) ^ (BigInt(m) << 3n); return Number(BigInt.asUintN(32, (w >> 50n) ^ (w >> 2n)));",
    "return BigInt(m) > 12n && BigInt(m) !== 200n ? 1 : 0;",
    "return Number(BigInt.asIntN(12, BigInt(m)) & 0xfffn);",
  ],
  conditions: [
    "return m > 5 && l > 50 ? 1 : m === 0 || l < 3 ? 2 : 3;",
    "const isBig = m > 100; const isOdd = (m & 1) === 1; return isBig && !isOdd ? 1 : isBig !== isOdd ? 2 : 3;",
    "return (m && l) + (m || l);",
    "const x: number | undefined = m > 5 ? m : undefined; return (x ?? 3) + (x === undefined ? 1 : 2);",
    "const x: number | undefined = m > 5 ? m : undefined; if (x === undefined) return 1; return x & 0xff;",
    "let x: number | undefined; if (m > 5) x = 4; x ??= 9; return x;",
    "let x = m & 7; x ||= 100; x &&= x + 1; return x;",
    "return typeof m === 'number' ? 1 : 2;",
    "const x = m > 5 ? m : 7n; return typeof x === 'bigint' ? Number(x) : x & 0xff;",
    "const p = m > 5 ? { a: 1, b: { c: m & 3 } } : undefined; return p?.b.c ?? 9;",
    "const p = m > 5 ? { a: 1 } : undefined; const q = m > 100 ? { a: 7 } : undefined; return (q ?? p)?.a ?? 0;",
    "if (!(m > 5) || !(l > 3)) return 1; else if (m === 12) return 2; return 3;",
  ],
  statements: [
    "switch (m) { case 0: case 1: return 10; case 2: l = 3; case 5: l += 4; break; default: return 7; case 12: l = 1; } return l;",
    "switch (m & 3) { case 1: { const x = 5; return x; } case 2: break; } return 9;",
    "let n = 0; for (let i = 0; i < 5; i++) { if (i === 2) continue; if (i > m) break; n += i; } return n;",
    "let n = 0; for (let i = 0; i < 100; i++) { n = (n * 31 + i + m) & 0xffff; if (n === 7) break; } return n;",
    "let n = 0; for (let i = 200; i > 0; i -= 3) { n = (n ^ (i * (m & 0xff))) & 0xfff; } return n;",
    "for (let i = 0; i < 300; i++) { if ((i * 7 + 3) % 251 === (m & 0xff)) return i; } return 999;",
    "let found: number | undefined; for (let i = 0; i < 64; i++) if (i * i > (m & 0x3ff)) { found = i; break; } return found ?? 77;",
    "let a = 0; let b = 1; for (let i = 0; i < (m & 31); i++) { const t = (a + b) & 0xffff; a = b; b = t; } return a;",
    "outer: for (let i = 0; i < 9; i++) { for (let j = 0; j < 9; j++) { if (i * j === (m & 15)) break outer; if (j > i) continue outer; l = i * 16 + j; } } return l;",
    "let n = 0; for (let i = 0; i < 40; i++) for (let j = 0; j < 3; j++) n = (n + i * j + (m & 1)) & 0xffff; return n;",
    "let i = 0; let n = 0; while (i < 40) { n = (n * 3 + i + m) & 0xffff; i++; } return n;",
    "let i = 0; let n = 0; while (i < 40) { i += 1 + (m & 3); if ((i & 7) === 3) continue; n += i; if (n > 300) break; } return n * 50 + i;",
    "let i = 0; do { i += 3; } while (i < (m & 0xff)); return i;",
    "let i = 0; let n = 0; do { i++; if ((i & 1) === 0) continue; n += i; } while (i < 20 && n < (m & 63)); return n;",
    "let i = 3; let n = 1; while (i--) n = n * ((m & 7) + 1) & 0xfff; return n;",
    "let i = 0; while (true) { if (++i > 12 || i * i > (m & 0x3ff)) break; } return i;",
    "let x = m & 0x7fffffff; let bits = 0; while (x > 1) { x >>= 1; bits++; } return bits;",
    "let x = m; let bits = 0; while (x !== 0) { bits += x & 1; x >>>= 1; } return bits;",
    "let x = BigInt(m); let bits = 0; for (; x > 0n; x /= 3n) bits++; return bits;",
    "let i = 0; for (; i + 4 <= Math.min(m, 40); i++); return i;",
    "let n = 0; for (let i = 0; i < 9; ) { i += n < 5 ? 1 : 2; n++; } return n;",
    "let n = 0; outer: while (n < 50) { n++; let j = 0; do { if (j * n === (m & 31)) break outer; if (j > n) continue outer; j++; } while (j < 9); } return n;",
    "let p: number | undefined; let i = 0; while (i < 3 && p === undefined) { if (i === (m & 3)) p = i; i++; } return p ?? 9;",
    "block: { if (m > 5) break block; l = 5; } return l;",
    "let n = 0; for (const x of [3, 1, 4]) n += x * (m & 3); return n;",
    "let n = 0; for (const [i, x] of [7, 8].entries()) n += i * x + (m & 1); return n;",
  ],
  functions: [
    "const twice = (x: number) => x * 2; return twice(m & 0xff) + twice(3);",
    "function add(x: number, y = 4, ...rest: number[]) { if (x > 9) return 1; return x + y + rest.length; } return add(m & 15) + add(1, 2, 3, 4);",
    "let n = 0; const count = () => { n += 1; }; count(); if (m > 5) count(); return n;",
    "const f = m > 5 ? (x: number) => x + 1 : (x: number) => x * 2; return f(3);",
    "const sum = ({ a, b: { c = 5 } }: { a: number; b: { c?: number } }) => a + c; return sum({ a: m & 3, b: {} });",
    "const pick = (x: number): number | undefined => { for (let i = 0; i < 40; i++) if (i * 3 === x) return i; return undefined; }; return pick(m) ?? 50;",
    "function later(x: number) { return earlier(x) + 1; } function earlier(x: number) { return x & 7; } return later(m);",
  ],
  closures: [
    "let f = () => 9; let n = 0; for (let i = 0; i < 3; i++) { const k = i * 10; if (i === 0) f = () => k; n += f(); } return n;",
    "let f = () => 9; let n = 0; for (const x of [1, 2, 3]) { if (x === 1) f = () => x; n += f(); } return n;",
    "const o = { f: () => 9 }; let n = 0; for (const x of [1, 2, 3]) { if (x === 1) o.f = () => x; n += o.f(); } return n;",
    "const mk = (a: number) => (m > 5 ? () => a : () => a + 1); const h = mk(1); const g = mk(2); return h() + g() * 10;",
    "const mk = (a: number) => ({ f: () => a }); const h = mk(1); const g = mk(2); return h.f() + g.f() * 10;",
    "const mk = (a: number) => [() => a, () => a * 2]; const [f, g] = mk(3); return f!() + g!() * 10;",
    "const onPort = (port: number) => (x: number) => x === port; ## return onPort(5)(m) ? 1 : onPort(7)(m) ? 2 : 3;",
    "const all = (...ts: ((x: number) => boolean)[]) => (x: number) => ts.every((t) => t(x)); const gt = (n: number) => (x: number) => x > n; const T = [all(gt(5), gt(10)), gt(5)]; ## for (const [i, t] of T.entries()) if (t(m)) return i; return 9;",
    "let fs = [() => 0]; for (let i = 0; i < 3; i++) { const k = i * 2; fs = [...fs, () => k]; } return fs.reduce((n, f) => n * 10 + f(), m & 1);",
    "let f = () => 1; for (let i = 0; i < 90; i++) { const k = i; if (i === 4) f = () => k; l = (l + f()) & 0xff; } return l;",
    "const make = (step: number) => { const f = (x: number) => x + step; return (x: number) => f(f(x)); }; return make(3)(m & 7) + make(1)(1);",
    "const make = (step: number) => { function f(x: number) { return x + step; } return (x: number) => f(x); }; return make(3)(m & 7) + make(1)(1);",
    "const curry = (a: number) => (b: number) => (c: number) => a * 100 + b * 10 + c; ## return curry(1)(2)(m & 7) + curry(3)(4)(5);",
    'const limits = { a: 5, b: 9 } as const; const above = (key: "a" | "b") => (x: number) => x > limits[key]; ## return (above("a")(m) ? 1 : 0) + (above("b")(m) ? 2 : 0);',
    "const not = <T>(p: (x: T) => boolean) => (x: T) => !p(x); const odd = (x: number) => (x & 1) === 1; const EVEN = not(odd); ## return EVEN(m) ? 1 : 0;",
  ],
  "parts taken to what is there": [
    "let a = 1; let b = m & 3; [a, b] = [b, a]; return a * 10 + b;",
    "let a = 1; let b = 2; ({ a, b } = { a: b, b: a }); return a * 10 + b;",
    "const o = { x: 1, y: 2 }; [o.x, o.y] = [o.y, o.x]; return o.x * 10 + o.y;",
    "let a = 1; let b = 2; ({ a, b } = { a: b, b: a }); return a * 10 + b;",
    "let a = 1; let b = m & 3; [a, b] = [b, a]; return a * 10 + b;",
    "let n = 0; let k = 0; for (let i = 0; i < 9; i++) { [i, k] = [i + 1, i]; n++; } return n * 100 + k;",
    "let n = 0; let k = 0; for (let i = 0; i < 9; i++) { ({ i, k } = { i: i + 1, k: i }); n++; } return n * 100 + k;",
    "let a = 0; let b = 1; for (let i = 0; i < 30; i++) [a, b] = [b, (a + b) & 0xffff]; return a + (m & 1);",
    "let a; let b; let rest: number[]; [a = 5, , b = 7, ...rest] = [undefined, 1, m & 3, 4, 5]; return a + b + rest.length;",
    "let x = 0; ({ p: { q: x = 9 } } = { p: { q: m > 5 ? 3 : undefined } }); return x;",
    "const xs = new Uint8Array(4); [xs[0], xs[m & 3]] = [5, 300]; return xs[0]! * 1000 + xs[m & 3]!;",
  ],
  objects: [
    "const o = { a: 1, b: m & 3 }; o.a = 5; if (m > 5) o.b += 2; return o.a * 10 + o.b;",
    "const o = { n: 0 }; for (let i = 0; i < 50; i++) { o.n = (o.n + i) & 0xff; } return o.n + (m & 1);",
    "const o = { p: { n: 1 } }; for (let i = 0; i < 90; i++) { if ((i & 1) === (m & 1)) o.p.n = (o.p.n + i) & 0xff; } return o.p.n;",
    "const { a, ...rest } = { a: 1, b: 2, c: m & 1 }; return a + Object.values(rest).reduce((x, y) => x + y, 0);",
    "const o = { ...{ a: 1 }, b: 2 }; return Object.entries(o).length + ('a' === Object.keys(o)[0] ? 1 : 0);",
    "const [a, , b = 9, ...c] = [1, 2, undefined, m & 1, 5]; return a + b + c.length + (c[0] ?? 0);",
    "const o = { f: (x: number) => x + 1, g(x: number) { return x * 2; } }; return o.f(m & 1) + o.g(3);",
  ],
  lists: [
    "const P = [22, 80, 7]; return (P.includes(m) ? 1 : 0) + (P.indexOf(m) & 3) + (P.some((p) => p > m) ? 8 : 0) + (P.every((p) => p > m) ? 16 : 0);",
    "const P = [22, 80, 7]; return P.find((p) => p < m) ?? 5;",
    "const P = [-1, 80, 70000]; return (P[m & 7] ?? 3) + (P.at(-1) ?? 0) + P.length;",
    "const P = [{ a: 1, b: true }, { a: 9, b: false }]; const p = P[m & 1]; return p === undefined ? 0 : p.a + (p.b ? 100 : 0);",
    "const P = [1n, 2n ** 70n]; const p = P[m & 1]; return p === undefined ? 0 : Number(p >> 66n);",
    "return [3, 4].map((x) => x * (m & 3)).concat([1]).reduce((a, b) => a + b) + [1, 2, 3].filter((x) => x > 1).length;",
    "const S = new Set([1, 5]); return S.has(m) ? 1 : S.size;",
    "const P = [m & 1, l, 7]; return P[m & 3] ?? 50;",
    "let best = -1; for (const p of [5, 9, 2]) best = (p ^ (m & 15)) > best ? p ^ (m & 15) : best; return best;",
  ],
  "typed arrays": [
    "const a = new Uint8Array(4); a[m & 7] = 300; a[1] = 7; return (a[0] ?? 0) + (a[1] ?? 0) * 2 + (a[m] ?? 9);",
    "const a = new Int16Array(8); for (let i = 0; i < 8; i++) a[i] = i * 9000; let n = 0; for (const x of a) n += x; return n;",
    "const a = new Uint32Array([1, 2, 3]); a[2]! += m & 3; return a[2]! + a.length;",
    "const a = new BigUint64Array(2); a[0] = BigInt(m) * 3n; return Number((a[0] ?? 0n) & 0xffffn);",
    "const a = new Uint16Array(40).fill(5, 2, 4); for (let i = 0; i < 40; i++) a[i] = (a[i] ?? 0) + i; return a[m % 40] ?? 0;",
  ],
  tables: [
    "const M = new Map([[1, 148], [2, 92], [3, 64]]); ## return M.get(m) ?? 7;",
    'const M: ReadonlyMap<string, number> = new Map([["a", 1], ["b", 2]]); ## return (M.get("b") ?? 0) + M.size + (M.has("z") ? 1 : 0);',
    "const M = new Map([[1, 148], [2, 92]]); ## let n = 0; for (const [k, v] of M) n += k * v; return n + (M.has(m) ? 1 : 0) + [...M.keys()].length + [...M.values()].length;",
    "const V: Record<number, number> = { 1: 148, 2: 92, 0x7fffffff: 5 }; ## return V[m] ?? 9;",
    'const V: Record<number, string> = { 1: "a", 5: "b" }; ## const t = V[m] ?? "c"; return t === "a" ? 1 : t === "b" ? 2 : 3;',
    'const E = { a: 1, b: 2 } as const; type K = keyof typeof E; ## const k: K = m > 5 ? "a" : "b"; return E[k];',
    'const N = ["zero", "one"]; const E: Record<string, number> = { zero: 4, one: 6 }; ## const name = N[m & 1]!; return E[name] ?? 0;',
    "const V: Record<number, number> = { 1: 148, 2: 92, 0x7fffffff: 5 }; ## return V[m] ?? 9;",
    "const V: Record<number, number> = { 1: 148, [-1]: 92 }; ## return (V[m] ?? 9) + (V[-(m & 1)] ?? 3);",
    "const M = new Map([[1, 148], [1, 92], [7, 3]]); ## return (M.get(m) ?? 7) + M.size;",
    "const M = new Map([[1n, 1], [5n, 2], [2n ** 70n, 3]]); ## return (M.get(BigInt(m)) ?? 7);",
    "const M = new Map([[1, { a: 1, b: 2 }], [5, { a: 3, b: 4 }]]); ## const r = M.get(m); return r ? r.a * 10 + r.b : 0;",
    "const M = new Map<number, (x: number) => number>([[1, (x) => x + 1], [5, (x) => x * 3]]); ## return M.get(m)?.(m) ?? 9;",
    "const H = { 1: (x: number) => x + 1, 5: (x: number) => x * 3 } as Record<number, (x: number) => number>; ## return H[m]?.(m) ?? 9;",
    'return "abc".charCodeAt(1) + "abc".length + (m & 1);',
    'return "abc".includes("b") && "abc".startsWith("a") ? 1 : 2;',
    'return Object.keys({ 2: 1, 1: 2, a: 3 }).join("") === "12a" ? 1 : 2;',
    "const a = new Uint8Array(4); for (const [i, x] of a.entries()) { a[(i + 1) & 3]! += x + i; } return a[0]! * 1000 + a[1]! * 100 + a[2]! * 10 + a[3]!;",
    "for (const k in { b: 1, a: 2, 7: 3, 3: 4 }) l = l * 3 + k.charCodeAt(0); return l + (m & 1);",
    "let n = 0; for (const k of new Set([3, 1, 3])) n = n * 10 + k; return n + (m & 1);",
    "const R = [1, 2]; const Q = [...R, 3]; let total = 0; for (const q of Q) total += q; ## return R.length + Q.length + (m & 1);",
    "const R = { a: [1, 2], n: 3 } as const; const { a, n } = R; ## return a.length + n + (m & 1);",
    "const T = new Uint8Array([1, 300, 7, 9]); ## return (T[m & 3] ?? 0) + T.length;",
    "const a = new Uint8Array([1, 2, 3, 4]); return (a.includes(m) ? 100 : 0) + a.indexOf(3) + (a.at(-1) ?? 0);",
    "const api = { add: (x: number) => x + 1 }; ## return api.add(m & 7);",
  ],
  modules: [
    "const PORTS = { ssh: 22, web: 80 } as const; const SUM = PORTS.ssh + PORTS.web; ## return m === PORTS.ssh ? SUM : 3;",
    "const half = (x: number) => x / 2; const A = half(9) * 2; function helper(x: number) { return x > A ? 1 : 2; } ## return helper(m);",
    "const TABLE = Array.from({ length: 16 }, (_, i) => i * i); ## return TABLE[m & 15] ?? 0;",
    "const { a, b: [c] } = { a: 3, b: [4] }; ## return a * 10 + c + (m & 1);",
    "const LATE = EARLY_FN(3); function EARLY_FN(x: number) { return x * 7; } ## return LATE + (m & 1);",
  ],
};

function moduleOf(bodies: readonly string[]): string {
  const functions = bodies.map((text, index) => {
    const [top = "", body = ""] = text.includes("##") ? text.split("##") : ["", text];
    return `${top}\nfunction body${index}(m: number, l: number): number { ${body} }
export function f${index}(packet: Packet) { return mark(body${index}(packet.mark, packet.lengthBytes) >>> 0); }`;
  });
  return `import { mark, type Packet } from "metanet/script";\n${functions.join("\n")}\n`;
}

function plainBody(text: string): Body {
  const [top = "", body = ""] = text.includes("##") ? text.split("##") : ["", text];
  const plain = stripTypeScriptTypes(`${top}\nfunction body(m: number, l: number) { ${body} }`);
  return new Function(`${plain}\nreturn body;`)() as Body;
}

const programs = new ModulePrograms();

for (const [topic, bodies] of Object.entries(BODIES)) {
  describe(`${topic} in the intermediate form`, () => {
    // Names of the tops are apart, as each topic's bodies share one module.
    const modules = bodies.map((body) => moduleOf([body]));
    for (const [index, body] of bodies.entries()) {
      it(`does what JavaScript does: ${body}`, () => {
        const module = programs.make(modules[index] ?? "");
        const target = { attach: "tcx-ingress", first: "ethernet" } as const;
        const { function: lowered, problems } = frontAt(module, "f0", target);
        assert.deepEqual(problems, []);
        assert.ok(lowered !== undefined);
        const plain = plainBody(body);
        for (const mark of MARKS) {
          const world = new PlainWorld({ packet: new Uint8Array(LENGTH), facts: { mark: BigInt(mark) } });
          const outcome = interpretFunction(lowered, world);
          const wanted = plain(mark, LENGTH) >>> 0;
          assert.deepEqual(
            { mark, outcome, result: Number(world.mark) },
            { mark, outcome: { kind: "verdict", verdict: 2n }, result: wanted },
          );
        }
        assert.deepEqual(compileAt(module, "f0", target).problems, []);
      });
    }
  });
}
