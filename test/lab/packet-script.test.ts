import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { milliseconds } from "#base/time.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, PacketQueueNet, SERVER, type UdpHost, type Version } from "./packet-queue-net.ts";
import { newEngine, type TestEngine } from "./packet-script-engine.ts";

const CASES = join(import.meta.dirname, "packet-script-cases.ts");
const PORT = 4242;

describe("packet scripts in the kernel's packet path", { skip: rootProblem() }, () => {
  let net: PacketQueueNet;
  let engine: TestEngine;
  let port = PORT;

  before(() => {
    net = new PacketQueueNet();
  });
  after(() => net.close());
  beforeEach(() => {
    engine = newEngine();
  });
  afterEach(async () => {
    await engine.close();
  });

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return {
      name: "case",
      file: CASES,
      hook: "forward",
      family: "inet",
      match: "udp dport 4000-9999",
      isolate: "case",
      onError: "drop",
      queueCount: 1,
      deadline: milliseconds(300),
      timeLimit: milliseconds(250),
      ...change,
    };
  }

  /** Sends from the client to the server, and answers what has come there. */
  async function pass(
    texts: readonly string[],
    count = texts.length,
    version: Version = 4,
  ): Promise<string[]> {
    const { from, to, at } = ends(version);
    for (const text of texts) from.send(SERVER[version], at, text);
    return await to.receive(count);
  }

  function ends(version: Version): { from: UdpHost; to: UdpHost; at: number } {
    port += 2;
    const from = net.udp(net.client, CLIENT[version], port);
    return { from, to: net.udp(net.server, SERVER[version], port + 1), at: port + 1 };
  }

  async function listed(name = "case"): Promise<LoadedScript> {
    const found = (await engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  for (const version of [4, 6] as const) {
    test(`accept, drop, mark and nothing do what they say, over IPv${version}`, async () => {
      await engine.load(spec({ function: "byLetter" }));
      assert.deepEqual(await pass(["a1", "d1", "c1", "m1", "q1", "a2"], 4, version), [
        "a1",
        "c1",
        "m1",
        "a2",
      ]);
      const { statistics } = await listed();
      const { accept, drop, continue: on, mark, queue } = statistics.verdicts;
      assert.deepEqual({ accept, drop, on, mark, queue }, { accept: 2, drop: 1, on: 1, mark: 1, queue: 1 });
      assert.equal(statistics.packets, 6);
      assert.equal(statistics.counters["a"], 2);
    });
  }
});
