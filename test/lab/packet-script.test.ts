import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
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
    engine = newEngine();
  });
  after(async () => {
    await engine.close();
    net.close();
  });
  afterEach(async () => {
    for (const { spec } of await engine.list()) await engine.unload(spec.name);
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
      assert.equal(statistics.counters.a, 2);
    });
  }

  /** Which of the texts arrive after how many milliseconds. */
  async function passTimed(texts: readonly string[], forMilliseconds = 500): Promise<Map<string, number>> {
    const { from, to, at } = ends(4);
    const start = performance.now();
    for (const text of texts) from.send(SERVER[4], at, text);
    const seen = new Map<string, number>();
    while (performance.now() - start < forMilliseconds) {
      await pause(2);
      for (const text of to.received()) seen.set(text, performance.now() - start);
    }
    return seen;
  }

  async function faults(name = "case"): Promise<string[]> {
    await pause(300);
    return (await listed(name)).statistics.faults.map(
      ({ kind, place, message, count }) => `${kind} ${place} ${message} x${count}`,
    );
  }

  test("repeat asks again, and no more than eight times", async () => {
    await engine.load(spec({ function: "thrice" }));
    assert.deepEqual(await pass(["r1", "c1"]), ["r1", "c1"]);
    assert.equal((await listed()).statistics.verdicts.repeat, 2);
    await engine.load(spec({ function: "byLetter" }));
    assert.deepEqual(await pass(["r1", "c1"], 1), ["c1"]);
    assert.match((await faults())[0] ?? "", /^nonsense byLetter repeat, 8 times in a row x1$/);
  });

  for (const onError of ["drop", "accept"] as const) {
    test(`a script that throws or answers nonsense: ${onError}, counted with its line`, async () => {
      await engine.load(spec({ function: "byLetter", onError }));
      const passed = onError === "drop" ? ["c1"] : ["t1", "n1", "c1", "t2"];
      assert.deepEqual(await pass(["t1", "n1", "c1", "t2"], passed.length), passed);
      assert.deepEqual(await faults(), [
        "threw packet-script-cases.ts:41:13 TypeError: thrown for a test x2",
        'nonsense byLetter answered "nonsense", which is no verdict x1',
      ]);
      assert.equal((await listed()).statistics.errors, 3);
    });
  }

  test("later verdicts: promises, delays, deadlines, and changes made meanwhile", async () => {
    await engine.load(spec({ function: "byLetterLater" }));
    const seen = await passTimed(["p", "x", "s", "e", "z", "w", "c"]);
    assert.deepEqual([...seen.keys()].sort(), ["W", "c", "p", "s"]);
    assert.ok((seen.get("s") ?? 0) >= 99 && (seen.get("s") ?? 0) < 300, `delayed by ${seen.get("s")} ms`);
    assert.ok((seen.get("W") ?? 0) >= 49, `held for ${seen.get("W")} ms`);
    const told = await faults();
    assert.ok(told.includes("timed-out byLetterLater no verdict before the deadline x1"), told.join());
    assert.ok(told.includes("threw packet-script-cases.ts:67:29 Error: rejected for a test x1"), told.join());
    const { statistics } = await listed();
    assert.equal(statistics.held, 0);
    assert.equal(statistics.verdicts.later, 6);
  });

  for (const onError of ["drop", "accept"] as const) {
    for (const [name, letter, kind] of [
      ["loops", "l", "stuck"],
      ["spins", "s", "stuck"],
      ["hoards", "h", "memory"],
    ] as const) {
      test(`a script that ${name} is ended and started again: ${onError}`, async () => {
        await engine.load(
          spec({ function: name, onError, timeLimit: milliseconds(name === "hoards" ? 5000 : 250) }),
        );
        assert.deepEqual(await pass(["a"]), ["a"]);
        const { from, to, at } = ends(4);
        from.send(SERVER[4], at, `${letter}1`);
        const start = performance.now();
        let sent = 0;
        let arrived: string[] = [];
        // The time for which traffic stands still.
        let longest = 0;
        let last = start;
        while (performance.now() - start < 2000) {
          from.send(SERVER[4], at, `c${sent++}`);
          await pause(5);
          const texts = to.received();
          arrived.push(...texts);
          if (texts.length > 0) {
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
          }
        }
        arrived = arrived.filter((text) => text.startsWith("c"));
        if (name !== "hoards") assert.ok(longest < 1000, `nothing passed for ${longest} ms`);
        if (onError === "accept") assert.equal(arrived.length, sent);
        else assert.ok(arrived.length < sent && arrived.length > 0, `${arrived.length} of ${sent}`);
        const { state, statistics } = await listed();
        assert.equal(state, "running");
        assert.ok(statistics.bypassed > 0);
        assert.match((await faults())[0] ?? "", new RegExp(`^${kind} ${name} `));
        assert.deepEqual(await pass(["a"]), ["a"]);
      });
    }
  }

  test("what an isolate holds when it is ended goes by the rule at once", async () => {
    await engine.load(spec({ function: "holdsAndLoops", onError: "accept" }));
    const seen = await passTimed(["h", "c", "l", "d"], 1000);
    assert.deepEqual([...seen.keys()].sort(), ["c", "d", "h", "l"]);
    assert.equal((await listed()).statistics.held, 0);
  });

  test("what cannot be loaded changes nothing", async () => {
    await engine.load(spec({ function: "capitals" }));
    for (const [change, expected] of [
      [{ function: "nothing" }, /Cannot load nothing of .*: there is no export of that name/],
      [{ function: "capitals", file: "/nowhere.ts" }, /Cannot load .*nowhere.ts: there is no such file/],
      [{ function: "capitals", match: "udp dport" }, /Cannot use the match 'udp dport'/],
      [{ function: "capitals", match: "udp dport 53 accept" }, /Cannot use the match/],
      [{ function: "capitals", queueCount: 65 }, /with 65 queues: not 1 to 64/],
      [{ function: "capitals", timeLimit: milliseconds(1) }, /a time limit of 1 ms: not 20 to 60000/],
    ] as const) {
      await assert.rejects(engine.load(spec(change)), expected);
      assert.deepEqual(await pass(["a"]), ["A"]);
      assert.equal((await listed()).version, 1);
    }
    // Loaded twice is loaded again, under the same name.
    assert.equal((await engine.load(spec({ function: "capitals" }))).version, 2);
    assert.equal((await engine.list()).length, 1);
    assert.equal((await engine.load(spec({ function: "byLetter", hook: "prerouting" }))).version, 3);
    assert.deepEqual(await pass(["a"]), ["a"]);
  });

  test("what ends its isolate again and again fails, and the rule says what becomes of packets", async () => {
    for (const onError of ["drop", "accept"] as const) {
      await engine.load(spec({ function: "ends", onError }));
      const { from, at } = ends(4);
      const end = Date.now() + 15_000;
      while ((await listed()).state !== "failed" && Date.now() < end) {
        from.send(SERVER[4], at, "k");
        await pause(20);
      }
      assert.equal((await listed()).state, "failed");
      await pause(50);
      assert.deepEqual(
        await pass(["a", "b"], onError === "drop" ? 0 : 2),
        onError === "drop" ? [] : ["a", "b"],
      );
      await engine.load(spec({ function: "byLetter", onError }));
      assert.equal((await listed()).state, "running");
      assert.deepEqual(await pass(["a", "d", "b"], 2), ["a", "b"]);
      await engine.unload("case");
    }
  });

  test("two scripts at one hook run in order: accept ends, nothing goes on", async () => {
    await engine.load(spec({ function: "byLetter", name: "first" }));
    await engine.load(spec({ function: "capitals", name: "second", isolate: "second" }));
    assert.deepEqual(await pass(["ax", "cx", "dx"], 2), ["ax", "CX"]);
    assert.equal((await listed("second")).statistics.packets, 1);
    await engine.unload("second");
    assert.deepEqual(await pass(["ax", "cx"]), ["ax", "cx"]);
  });
});
