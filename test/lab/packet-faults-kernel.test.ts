/**
 * Scripts where others are at work on the same kernel, and scripts that are loaded again and again.
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { milliseconds } from "#base/time.ts";
import { ClaimedError, NftMissingError } from "#io/rule-set.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, PacketQueueNet, run, SERVER } from "./packet-queue-net.ts";
import { eventually, newEngine, type TestEngine, testSpec } from "./packet-script-engine.ts";

/** The first number that engines try. */
const QUEUE_FIRST = 0x6d00;
const RELOAD_COUNT = 75;

describe("packet scripts and others", { skip: rootProblem() }, () => {
  let net: PacketQueueNet;
  let engine: TestEngine;
  let folder: string;
  let file: string;
  let port = 4000;

  before(() => {
    net = new PacketQueueNet();
    engine = newEngine();
    folder = mkdtempSync(join(tmpdir(), "metanet-faults-"));
    file = join(folder, "script.ts");
    write("A");
  });
  after(async () => {
    await engine.close();
    net.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    for (const { spec } of await engine.list()) await engine.unload(spec.name);
  });

  /** A script that writes this letter over the first one. */
  function write(letter: string, more = ""): void {
    const code = letter.charCodeAt(0);
    writeFileSync(
      file,
      `import { accept, type Context, type Packet, udp } from "metanet/script";
${more}
export function signs(packet: Packet, context: Context) {
  context.counter("seen").add();
  packet.find(udp)?.payload().setUint8(0, ${code});
  return accept;
}
`,
    );
  }

  function spec(change: Partial<ScriptSpec> = {}): ScriptSpec {
    return testSpec({ file, function: "signs", timeLimit: milliseconds(500), ...change });
  }

  async function pass(count = 1): Promise<string[]> {
    port += 2;
    const to = net.udp(net.server, SERVER[4], port);
    net.udp(net.client, CLIENT[4], port + 1).send(SERVER[4], port, "x");
    return await to.receive(count);
  }

  async function listed(name = "case"): Promise<LoadedScript> {
    const found = (await engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  test("a second engine is refused, and changes nothing of the first one's", async () => {
    await engine.load(spec());
    const second = newEngine();
    try {
      await assert.rejects(second.load(spec({ name: "second" })), ClaimedError);
      await assert.rejects(second.reserve([spec({ name: "second" })]), ClaimedError);
      await assert.rejects(second.reserve([]), ClaimedError);
      assert.deepEqual(await second.repair(), []);
    } finally {
      await second.close();
    }
    assert.deepEqual(await pass(), ["A"]);
  });

  test("a foreign reader of our first queue keeps it, and we take another", async () => {
    const foreign = new LinuxPacketQueue({ queueNumber: QUEUE_FIRST + 1 });
    try {
      for (const name of ["one", "two", "three"]) await engine.load(spec({ name, isolate: name }));
      assert.deepEqual(await pass(), ["A"]);
      assert.equal(foreign.statistics().receivedCount, 0);
    } finally {
      foreign.close();
    }
  });

  test("what is reserved drops or passes, keeps its place, and is loaded or unloaded later", async () => {
    const closed = spec({ name: "closed" });
    const open = spec({ name: "open", onError: "accept", file: "/nowhere.ts" });
    assert.deepEqual(await engine.reserve([closed, open, spec({ name: "odd", match: "udp dport fifty" })]), [
      "odd",
    ]);
    assert.deepEqual(await engine.list(), []);
    assert.deepEqual(await pass(0), []);
    await assert.rejects(engine.load(open), /there is no such file/);
    await engine.load(closed);
    assert.deepEqual(await pass(), ["A"]);
    const chain = run("nft list chain inet metanet-scripts forward-0");
    assert.match(chain, /jump match-\d+-closed/);
    assert.deepEqual(await engine.unload("closed"), true);
    assert.deepEqual(await pass(), ["x"]);
    assert.equal(await engine.unload("open"), true);
    assert.equal(await engine.unload("open"), false);
    assert.doesNotMatch(run("nft list tables"), /metanet/);
  });

  test("without nft, what an earlier process has left stays", async () => {
    run("nft add table inet metanet-scripts");
    const without = new LinuxQueueRules({ program: "/nowhere/nft" });
    const rule = { ...spec(), hook: "forward", index: 0, queueNumber: 1, bypass: false } as const;
    try {
      await assert.rejects(without.reserve([rule]), NftMissingError);
      await assert.rejects(without.load(rule), NftMissingError);
      assert.match(run("nft list tables"), /table inet metanet-scripts\n/);
    } finally {
      without.close();
      run("nft delete table inet metanet-scripts");
    }
  });

  test("rules that somebody removed, whole or in part, are brought back", async () => {
    await engine.load(spec());
    await engine.load(spec({ name: "second", isolate: "second", hook: "postrouting" }));
    for (const [command, names] of [
      ["list ruleset", []],
      ["flush ruleset", ["case", "second"]],
      ["delete table inet metanet-scripts", ["case", "second"]],
      ["flush chain inet metanet-scripts forward-0", ["case"]],
      ["flush chain inet metanet-scripts end-forward", ["case"]],
      ["add table inet metanet-scripts", []],
    ] as const) {
      run(`nft ${command}`);
      assert.deepEqual(await engine.repair(), names, command);
      assert.deepEqual(await pass(), ["A"], command);
      assert.deepEqual(await engine.repair(), [], command);
    }
    assert.equal((await listed()).state, "running");
    // The chains of before are gone.
    assert.equal(run("nft list table inet metanet-scripts").match(/chain match-/g)?.length, 2);
  });

  test(`loaded again ${RELOAD_COUNT} times: memory stays flat, and no packet is lost`, async (context) => {
    await engine.load(spec());
    const sizes: number[] = [];
    for (let count = 1; count <= RELOAD_COUNT; count++) {
      const letter = String.fromCharCode(65 + (count % 26));
      write(
        letter,
        `const ballast = new Array(10_000).fill(${count}); export const options = { writes: ballast.length > 0 };`,
      );
      await engine.load(spec());
      if (count % 25 !== 0) continue;
      assert.deepEqual(await pass(), [letter]);
      sizes.push(Math.round(process.memoryUsage.rss() / 1e6));
    }
    context.diagnostic(`megabytes: ${sizes.join(" ")}`);
    assert.equal((await listed()).version, RELOAD_COUNT + 1);
    assert.ok((sizes.at(-1) ?? 0) - (sizes[1] ?? 0) < 60, sizes.join(" "));
  });

  test("reload of a file that has lost its function, wants other packets, or shares its isolate", async () => {
    write("A");
    await engine.load(spec());
    const sister = join(folder, "sister.ts");
    writeFileSync(
      sister,
      `import { signs } from "./script.ts"; export const other = signs;
export function maps(_: unknown, context: any) { context.map("shared", { key: "number" }); }\n`,
    );
    await engine.load(spec({ name: "sister", file: sister, function: "other", hook: "postrouting" }));
    writeFileSync(file, "export const nothing = 1;\n");
    await assert.rejects(engine.load(spec()), /no export of that name/);
    assert.deepEqual(await pass(), ["A"]);
    write("B", "export const options = { writes: true, connection: false };");
    await engine.load(spec({ hook: "prerouting", onError: "accept" }));
    // The sister still has the module she was loaded with.
    assert.deepEqual(await pass(), ["A"]);
    await engine.unload("sister");
    assert.deepEqual(await pass(), ["B"]);
    const map = `context.map("shared", { key: "text" }).set("a", 1);`;
    write("C");
    const text = `import { accept, type Context, type Packet } from "metanet/script";
export function signs(_: Packet, context: Context) { ${map} return accept; }\n`;
    writeFileSync(file, text);
    await engine.load(spec());
    assert.deepEqual(await pass(), ["x"]);
    await engine.load(spec({ name: "sister", file: sister, function: "maps", hook: "postrouting" }));
    assert.deepEqual(await pass(0), []);
    await eventually(async () => (await listed("sister")).statistics.faults.length > 0);
    const [fault] = (await listed("sister")).statistics.faults;
    assert.match(`${fault?.place} ${fault?.message}`, /^sister\.ts:2:\d+ MapConflictError: .*key/);
  });
});
