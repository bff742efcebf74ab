import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, SERVER, type UdpHost, type Version } from "./packet-queue-net.ts";
import { eventually, testSpec } from "./packet-script-engine.ts";
import { ScriptLab } from "./packet-script-lab.ts";

const CASES = join(import.meta.dirname, "packet-script-cases.ts");
const PORT = 4242;

describe("packet scripts in the kernel's packet path", { skip: rootProblem() }, () => {
  const lab = new ScriptLab();
  let port = PORT;

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return testSpec({ file: CASES, ...change });
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
    const from = lab.net.udp(lab.net.client, CLIENT[version], port);
    return { from, to: lab.net.udp(lab.net.server, SERVER[version], port + 1), at: port + 1 };
  }

  async function listed(name = "case"): Promise<LoadedScript> {
    const found = (await lab.engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  for (const version of [4, 6] as const) {
    test(`accept, drop, mark and nothing do what they say, over IPv${version}`, async () => {
      await lab.engine.load(spec({ function: "byLetter" }));
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

  /** The first `count` texts that arrive, after how many milliseconds each, and whatever comes just behind them. */
  async function passTimed(texts: readonly string[], count: number): Promise<Map<string, number>> {
    const { from, to, at } = ends(4);
    const start = performance.now();
    for (const text of texts) from.send(SERVER[4], at, text);
    const seen = new Map<string, number>();
    await eventually(() => {
      for (const text of to.received()) seen.set(text, performance.now() - start);
      return seen.size >= count;
    });
    await eventually(async () => (await listed()).statistics.held === 0);
    await pause(20);
    for (const text of to.received()) seen.set(text, performance.now() - start);
    return seen;
  }

  /** As soon as `count` places have some; isolates tell them a few times a second. */
  async function faults(count = 1, name = "case"): Promise<string[]> {
    await eventually(async () => (await listed(name)).statistics.faults.length >= count);
    return (await listed(name)).statistics.faults.map(
      ({ kind, place, message, count: times }) => `${kind} ${place} ${message} x${times}`,
    );
  }

  test("repeat asks again, and no more than eight times", async () => {
    await lab.engine.load(spec({ function: "thrice" }));
    assert.deepEqual(await pass(["r1", "c1"]), ["r1", "c1"]);
    assert.equal((await listed()).statistics.verdicts.repeat, 2);
    await lab.engine.load(spec({ function: "byLetter" }));
    assert.deepEqual(await pass(["r1", "c1"], 1), ["c1"]);
    assert.match((await faults())[0] ?? "", /^nonsense byLetter repeat, 8 times in a row x1$/);
  });

  for (const onError of ["drop", "accept"] as const) {
    test(`a script that throws or answers nonsense: ${onError}, counted with its line`, async () => {
      await lab.engine.load(spec({ function: "byLetter", onError }));
      const passed = onError === "drop" ? ["c1"] : ["t1", "n1", "c1", "t2"];
      assert.deepEqual(await pass(["t1", "n1", "c1", "t2"], passed.length), passed);
      assert.deepEqual(await faults(2), [
        "threw packet-script-cases.ts:41:13 TypeError: thrown for a test x2",
        'nonsense byLetter answered "nonsense", which is no verdict x1',
      ]);
      assert.equal((await listed()).statistics.errors, 3);
    });
  }

  test("later verdicts: promises, delays, deadlines, and changes made meanwhile", async () => {
    await lab.engine.load(spec({ function: "byLetterLater" }));
    const seen = await passTimed(["p", "x", "s", "e", "z", "w", "c"], 4);
    assert.deepEqual([...seen.keys()].sort(), ["W", "c", "p", "s"]);
    assert.ok((seen.get("s") ?? 0) >= 99, `delayed by ${seen.get("s")} ms`);
    assert.ok((seen.get("W") ?? 0) >= 49, `held for ${seen.get("W")} ms`);
    const told = await faults(2);
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
      test(`a script that ${name} is ended and started again: ${onError}`, async (context) => {
        const loadedAt = performance.now();
        await lab.engine.load(
          spec({ function: name, onError, timeLimit: milliseconds(name === "hoards" ? 5000 : 250) }),
        );
        const loadTook = performance.now() - loadedAt;
        assert.deepEqual(await pass(["a"]), ["a"]);
        const { from, to, at } = ends(4);
        from.send(SERVER[4], at, `${letter}1`);
        let sent = 0;
        const arrived: string[] = [];
        // The time for which traffic stands still.
        let longest = 0;
        let last = performance.now();
        let sentAfter = 0;
        await eventually(async () => {
          from.send(SERVER[4], at, `c${sent++}`);
          const texts = to.received().filter((text) => text.startsWith("c"));
          arrived.push(...texts);
          if (texts.length > 0) {
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
          }
          const { state, statistics } = await listed();
          if (state === "running" && statistics.faults.length > 0) sentAfter++;
          return sentAfter === 50;
        });
        arrived.push(...(await to.receive(onError === "accept" ? sent - arrived.length : 0)));
        context.diagnostic(
          `nothing passed for ${Math.round(longest)} ms; loading took ${Math.round(loadTook)} ms`,
        );
        // Its time limit and one loading, with room for a machine that is busy.
        if (name !== "hoards") assert.ok(longest < 1000 + 5 * loadTook, `nothing passed for ${longest} ms`);
        const count = arrived.filter((text) => text.startsWith("c")).length;
        if (onError === "accept") assert.equal(count, sent);
        else assert.ok(count < sent && count > 0, `${count} of ${sent}`);
        assert.ok((await listed()).statistics.bypassed > 0);
        assert.match((await faults())[0] ?? "", new RegExp(`^${kind} ${name} `));
        assert.deepEqual(await pass(["a"]), ["a"]);
      });
    }
  }

  test("what an isolate holds when it is ended goes by the rule at once", async () => {
    await lab.engine.load(spec({ function: "holdsAndLoops", onError: "accept" }));
    const seen = await passTimed(["h", "c", "l", "d"], 4);
    assert.deepEqual([...seen.keys()].sort(), ["c", "d", "h", "l"]);
    assert.equal((await listed()).statistics.held, 0);
  });

  test("what cannot be loaded changes nothing", async () => {
    await lab.engine.load(spec({ function: "capitals" }));
    for (const [change, expected] of [
      [{ function: "nothing" }, /Cannot load nothing of .*: there is no export of that name/],
      [{ function: "capitals", file: "/nowhere.ts" }, /Cannot load .*nowhere.ts: there is no such file/],
      [{ function: "capitals", match: "udp dport" }, /Cannot use the match 'udp dport'/],
      [{ function: "capitals", match: "udp dport 53 accept" }, /Cannot use the match/],
      [{ function: "capitals", queueCount: 65 }, /with 65 queues: not 1 to 64/],
      [{ function: "capitals", timeLimit: milliseconds(1) }, /a time limit of 1 ms: not 20 to 60000/],
    ] as const) {
      await assert.rejects(lab.engine.load(spec(change)), expected);
      assert.deepEqual(await pass(["a"]), ["A"]);
      assert.equal((await listed()).version, 1);
    }
    // Loaded twice is loaded again, under the same name.
    assert.equal((await lab.engine.load(spec({ function: "capitals" }))).version, 2);
    assert.equal((await lab.engine.list()).length, 1);
    assert.equal((await lab.engine.load(spec({ function: "byLetter", hook: "prerouting" }))).version, 3);
    assert.deepEqual(await pass(["a"]), ["a"]);
  });

  test("what ends its isolate again and again fails, and the rule says what becomes of packets", async () => {
    const scripts = (["drop", "accept"] as const).map((onError) => {
      const { from, to, at } = ends(4);
      const change = { name: onError, isolate: onError, onError, match: `udp dport ${at}` };
      const passing = async (texts: readonly string[], count: number): Promise<string[]> => {
        for (const text of texts) from.send(SERVER[4], at, text);
        return await to.receive(count);
      };
      return { onError, change, passing, to, kill: () => from.send(SERVER[4], at, "k") };
    });
    for (const { change } of scripts) await lab.engine.load(spec({ function: "ends", ...change }));
    await eventually(async () => {
      for (const { kill } of scripts) kill();
      return (await lab.engine.list()).every(({ state }) => state === "failed");
    });
    for (const { onError, change, passing, to } of scripts) {
      // Those that came meanwhile.
      assert.ok((await to.receive(0)).every((text) => text === "k"));
      const passed = onError === "drop" ? [] : ["a", "b"];
      assert.deepEqual(await passing(["a", "b"], passed.length), passed);
      await lab.engine.load(spec({ function: "byLetter", ...change }));
      assert.equal((await listed(onError)).state, "running");
      assert.deepEqual(await passing(["a", "d", "b"], 2), ["a", "b"]);
    }
  });

  test("two scripts at one hook run in order: accept ends, nothing goes on", async () => {
    await lab.engine.load(spec({ function: "byLetter", name: "first" }));
    await lab.engine.load(spec({ function: "capitals", name: "second", isolate: "second" }));
    assert.deepEqual(await pass(["ax", "cx", "dx"], 2), ["ax", "CX"]);
    assert.equal((await listed("second")).statistics.packets, 1);
    await lab.engine.unload("second");
    assert.deepEqual(await pass(["ax", "cx"]), ["ax", "cx"]);
  });
});
