import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { vocabulary } from "./analysis/vocabulary.ts";
import { analyseScript, needsOf } from "./analysis.ts";

const PACKETS = join(import.meta.dirname, "../../packet");

const HEAD = `import { accept, build, type Context, defineProtocol, drop, formatIpv4, ipv4, mark, type Packet, part, tcp, udp, verdict } from "metanet/script";
import { readFileSync, writeFileSync } from "node:fs";
import { help, type Helper, table } from "./helper.ts";
`;
const HELPER = `import type { View } from "metanet/script";
export interface Helper { readonly source: number }
export const table = new Map<string, (packet: any) => void>();
export const help = {
  clear(view: { source: number }) { view.source = 0; },
  look(view: { source: number }) { return view.source; },
};
export function rewrite(view: { source: number }) { view.source = 1; }
`;

let folder = "";

/** What is found out about a function with this body: "" for a reader of headers. */
function found(body: string, before = ""): string {
  const file = join(folder, "script.ts");
  writeFileSync(join(folder, "helper.ts"), HELPER);
  writeFileSync(
    file,
    `${HEAD}${before}\nexport function run(packet: Packet, context: Context) {\n${body}\n}\n`,
  );
  const [analysis] = analyseScript(file, "run");
  assert.ok(analysis);
  return [...new Set(analysis.uses.map(({ kind }) => kind))].sort().join(" ");
}

describe("analyseScript()", () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "mn-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const reading: [body: string, before?: string][] = [
    ["return drop;"],
    ["if (packet.find(tcp)?.destinationPort === 23) return drop; return verdict.continue;"],
    ["const ip = packet.payload(ipv4); return ip?.source === 7 ? mark(3) : accept;"],
    ["packet.mark = 7;"],
    ["counts.set(packet.find(ipv4)?.source ?? 0, 1);", "const counts = new Map<number, number>();"],
    ["total.packets++; total.bytes += packet.fullLengthBytes;", "const total = { packets: 0, bytes: 0 };"],
    [
      "const flow = flows.get(1); if (flow) flow.packets++;",
      "const flows = new Map<number, { packets: number }>();",
    ],
    ["context.counter(formatIpv4(packet.find(ipv4)?.source ?? 0)).add();"],
    ["context.map('seen').set('x', 1);"],
    [
      "flows(context).set(3, 1);",
      "const flows = (context: Context) => context.map('flows', { countMax: 5 });",
    ],
    [
      "return LIMITS.connection.max > 3 ? drop : accept;",
      "const LIMITS = { connection: { max: 4 } } as const;",
    ],
    [
      "const { a: { connection } } = LIMITS; return connection > 3 ? drop : accept;",
      "const LIMITS = { a: { connection: 4 } };",
    ],
    [
      "for (const port of ports) if (packet.find(udp)?.sourcePort === port) return drop;",
      "const ports = [1, 2];",
    ],
    ["return later(packet);", "async function later(packet: Packet) { await 0; return drop; }"],
    [
      "return new Watch().look(packet);",
      "class Watch { #seen = 0; n = 0; look(packet: Packet) { this.#seen++; this.n = packet.find(ipv4)?.source ?? 0; } }",
    ],
    ["list.push(packet.time); list.sort();", "const list: number[] = [];"],
    ["console.log(packet.find(ipv4)?.source);"],
    ["context.defer(() => context.log('x'));"],
    ["context.send(build(ipv4.header({ source: '10.0.0.1' }), udp.header({}), new Uint8Array(4)));"],
    ["writeFileSync('/tmp/x', String(packet.find(ipv4)?.source));"],
    [
      "return drop;",
      "export function other(packet: Packet) { const ip = packet.find(ipv4); if (ip) ip.source = 1; }",
    ],
    ["const { source } = packet.find(ipv4) ?? { source: 0 }; return source === 0 ? drop : accept;"],
  ];
  for (const [body, before] of reading) {
    it(`finds that nothing but headers is read by: ${before ?? ""} ${body}`, () => {
      assert.equal(found(body, before), "");
    });
  }

  const writing: [body: string, before?: string][] = [
    ["const ip = packet.find(ipv4); if (ip) ip.source = '10.0.0.1';"],
    ["const ip = packet.find(ipv4); if (ip) ip.timeToLive--;"],
    ["const ip = packet.find(ipv4); if (ip) ip['source'] = 1;"],
    ["const ip = packet.find(ipv4); const name: string = 'so' + 'urce'; (ip as any)[name] = 1;"],
    ["const ip = packet.find(ipv4); if (ip) [ip.source] = [1];"],
    ["const ip = packet.find(ipv4); if (ip) ({ a: ip.source } = { a: 1 });"],
    ["const ip = packet.find(ipv4); if (ip) for (ip.source of [1, 2]) ;"],
    ["const ip = packet.find(ipv4); Object.assign(ip ?? {}, { source: 1 });"],
    ["const ip = packet.find(ipv4); Reflect.set(ip ?? {}, 'source', 1);"],
    ["const set = Object.assign; set(packet.find(ipv4) ?? {}, { source: 1 });"],
    ["packet.fill(0);"],
    ["packet.setUint8(0, 1);"],
    ["packet.bytes()[0] = 1;"],
    ["packet.bytes().set([1]);"],
    ["new Uint8Array(packet.bytes().buffer)[0] = 1;"],
    ["set(packet);", "function set(packet: Packet) { const ip = packet.find(ipv4); if (ip) ip.source = 1; }"],
    ["const ip = packet.find(ipv4); if (ip) help.clear(ip);"],
    ["const ip = packet.find(ipv4); if (ip) other.rewrite(ip);", "import * as other from './helper.ts';"],
    ["const ip = packet.find(ipv4); if (ip) rewrite(ip);", "import { rewrite } from './helper.ts';"],
    [
      "store.packet = packet; change();",
      "const store: any = {}; function change() { store.packet.find(ipv4).source = 1; }",
    ],
    [
      "handlers.get('x')?.(packet);",
      "const handlers = new Map<string, any>(); export function setUp() { handlers.set('x', (p: Packet) => { const ip = p.find(ipv4); if (ip) ip.source = 1; }); }",
    ],
    ["table.get('x')?.(packet);", "table.set('x', (p) => { p.find(ipv4).source = 1; });"],
    [
      "return [packet].forEach(handlers.x);",
      "const handlers: any = {}; handlers.x = (p: Packet) => { const ip = p.find(ipv4); if (ip) ip.source = 1; };",
    ],
    ["writeFileSync('/tmp/x', packet.bytes());"],
    ["eval('packet.fill(0)');"],
    ["(globalThis as any).foo(packet);"],
    [
      "const mine = packet.find(own); if (mine) mine.colour = 3;",
      "const own = defineProtocol({ name: 'own', fields: { colour: { bits: 8 } } });",
    ],
    ["const ip = packet.find(ipv4); if (ip) delete (ip as any).source;"],
    [
      "holder.value = 1;",
      "const holder = { set value(v: number) { saved.find(ipv4)!.source = v; } }; let saved: any;",
    ],
    ["set.call(packet);", "function set(this: Packet) { this.find(ipv4)!.source = 1; }"],
    ["return inner();\nfunction inner() { packet.find(ipv4)!.source = 1; }"],
    ["context.defer((_, kept) => { kept!.find(ipv4)!.source = 1; }, { packet });"],
  ];
  for (const [body, before] of writing) {
    it(`finds that a packet may be written to by: ${before ?? ""} ${body}`, () => {
      assert.match(found(body, before), /writes/);
    });
  }

  const more: [kinds: string, body: string, before?: string][] = [
    ["connection", "return packet.connection?.state === 'new' ? drop : accept;"],
    ["connection", "const { connection } = packet; return connection ? drop : accept;"],
    [
      "connection",
      "held.now = packet; return held.now?.connection ? drop : accept;",
      "const held = { now: undefined as Packet | undefined };",
    ],
    [
      "connection",
      "const other = held; other.now = packet; return held.now?.connection ? drop : accept;",
      "const held = { now: undefined as Packet | undefined };",
    ],
    [
      "whole writes",
      "views(packet).setUint8(3, 1); return accept;",
      "const views = (packet: Packet) => packet.payload();",
    ],
    [
      "connection",
      "return state(packet);",
      "function state(p: Packet) { return p['connection'] ? drop : accept; }",
    ],
    ["whole", "return packet.uint8(0) === 1 ? drop : accept;"],
    ["whole", "return packet.lengthBytes > 1000 ? drop : accept;"],
    ["whole", "return packet.find(tcp)?.payload().text().includes('x') ? drop : accept;"],
    ["whole", "context.send(packet);"],
    ["whole", "context.defer(() => undefined, { packet });"],
    [
      "whole",
      "return packet.find(own) ? drop : accept;",
      "const own = defineProtocol({ name: 'own', fields: { colour: { bits: 8 } } });",
    ],
    [
      "whole",
      "return packet.find(which(3)) ? drop : accept;",
      "function which(n: number) { return n ? tcp : udp; }",
    ],
  ];
  for (const [kinds, body, before] of more) {
    it(`finds '${kinds}' in: ${before ?? ""} ${body}`, () => assert.equal(found(body, before), kinds));
  }

  it("knows every setter of the packets' own files", () => {
    const files = readdirSync(PACKETS).filter((name) => /(?<!\.test)\.ts$/.test(name));
    const setters = files.flatMap((name) =>
      [...readFileSync(join(PACKETS, name), "utf8").matchAll(/^ +set (\w+)\(/gm)].map(
        (match) => match[1] ?? "",
      ),
    );
    assert.ok(setters.length > 10);
    const { fields } = vocabulary();
    // The mark goes with the verdict and is no byte of the packet.
    assert.deepEqual(
      setters.filter((name) => !fields.has(name) && name !== "mark"),
      [],
    );
  });

  it("tells the line and the reason", () => {
    found("const ip = packet.find(ipv4);\nif (ip) ip.source = 1;");
    const [analysis] = analyseScript(join(folder, "script.ts"), "run");
    assert.deepEqual(
      analysis?.uses.map(({ line, column, reason }) => ({ line, column, reason })),
      [{ line: 7, column: 9, reason: "sets source" }],
    );
    assert.equal(analysis?.line, 5);
  });
});

describe("needsOf()", () => {
  const use = { file: "x.ts", line: 1, column: 1, reason: "sets x" };
  it("needs headers only when nothing was found", () => {
    assert.deepEqual(needsOf({ uses: [] }), { isWriting: false, readBytes: 256, connection: false });
  });
  it("needs all of a packet that is written to", () => {
    assert.deepEqual(needsOf({ uses: [{ kind: "writes", ...use }] }), {
      isWriting: true,
      readBytes: 65_535,
      connection: false,
    });
  });
  it("goes by the script's own word", () => {
    assert.deepEqual(
      needsOf({ uses: [{ kind: "writes", ...use }] }, { writes: false, readBytes: 40, connection: true }),
      {
        isWriting: false,
        readBytes: 40,
        connection: true,
      },
    );
  });
});
