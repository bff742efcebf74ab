/**
 * What hostile and clumsy scripts do to their own packets, and must not do to anything else.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import { rootProblem } from "./own-namespace.ts";
import { CLIENT, PacketQueueNet, SERVER, type UdpHost } from "./packet-queue-net.ts";
import { newEngine, type TestEngine, testSpec } from "./packet-script-engine.ts";

const CASES = join(import.meta.dirname, "packet-faults-cases.ts");
const OTHER_PORT = 3999;
const HERE = String.raw`packet-faults-cases\.ts:\d+:\d+`;

/** What becomes of the datagram itself with `drop` (`undefined`: by chance), and what is listed. */
const ROWS: readonly (readonly [name: string, passes: boolean | undefined, fault: string | undefined])[] = [
  ["throwsNull", false, "threw throwsNull threw null"],
  ["throwsTrap", false, "threw throwsTrap threw something that cannot be read"],
  ["throwsUnreadable", false, "threw throwsUnreadable threw an object"],
  ["throwsError", false, "threw throwsError threw something"],
  ["answersTrap", false, "nonsense answersTrap answered an object"],
  ["answersThenTrap", false, "nonsense answersThenTrap answered an object"],
  ["answersThrowingThen", false, `threw ${HERE} Error: a trap`],
  ["answersSymbol", false, String.raw`nonsense answersSymbol answered Symbol\(verdict\)`],
  ["answersHeld", false, "nonsense answersHeld answered -1"],
  ["ends", false, String.raw`threw ends \(packet-faults-cases\.ts\) the script ended its thread`],
  ["aborts", false, `threw ${HERE} TypeError: process.abort`],
  ["kills", false, `threw ${HERE} Error: Cannot send the signal`],
  ["killsGroup", false, `threw ${HERE} Error: Cannot send the signal`],
  ["rejects", true, `threw ${HERE} Error: nobody awaits this`],
  ["throwsInTimer", true, "threw throwsInTimer threw"],
  ["unlistens", true, `threw ${HERE} Error: nobody listens`],
  ["floods", true, undefined],
  ["recurses", false, `threw ${HERE} RangeError: Maximum call stack`],
  ["patchesArray", false, "threw .*(a trap|its isolate)"],
  ["patchesMap", true, undefined],
  ["patchesNumber", true, undefined],
  ["patchesPacket", true, undefined],
  ["patchesTime", true, undefined],
  ["defers", true, "overflow defers too much deferred work waits"],
  ["sends", true, undefined],
  ["logs", true, undefined],
  ["counts", true, undefined],
  ["countsNothing", false, `threw ${HERE} TypeError: Cannot count NaN`],
  ["mapsNull", false, `threw ${HERE} ConfigurationError: Cannot make map of name null`],
  ["mapsHuge", false, `threw ${HERE} ConfigurationError: Cannot make map 'huge'`],
  ["never", false, "timed-out never no verdict before the deadline"],
  ["asks", false, `threw ${HERE} RemoteCallError: Cannot call nobody:/x`],
  [
    "tells",
    undefined,
    String.raw`threw tells \(packet-faults-cases\.ts\) its isolate told what cannot be understood`,
  ],
  ["closes", true, undefined],
];

/** After these nothing of the isolate can be relied on but that it harms nobody. */
const RUINED: ReadonlySet<string> = new Set(["patchesArray", "patchesNumber", "patchesPacket", "closes"]);

describe("hostile packet scripts", { skip: rootProblem() }, () => {
  let net: PacketQueueNet;
  let engine: TestEngine;
  let port = 4000;
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);

  before(async () => {
    net = new PacketQueueNet();
    engine = newEngine();
    process.on("uncaughtException", note);
    await engine.load(spec({ name: "other", function: "throwsNull", match: `udp dport ${OTHER_PORT}` }));
  });
  after(async () => {
    process.off("uncaughtException", note);
    await engine.close();
    net.close();
  });
  afterEach(async () => {
    await engine.unload("case");
  });

  function spec(change: Partial<ScriptSpec> & { readonly function: string }): ScriptSpec {
    return testSpec({
      file: CASES,
      isolate: change.name ?? "case",
      timeLimit: milliseconds(1000),
      ...change,
    });
  }

  function ends(at: number): { send(text: string): void; to: UdpHost } {
    const from = net.udp(net.client, CLIENT[4], at + 1);
    return { send: (text) => from.send(SERVER[4], at, text), to: net.udp(net.server, SERVER[4], at) };
  }

  async function listed(name = "case"): Promise<LoadedScript> {
    const found = (await engine.list()).find((one) => one.spec.name === name);
    assert.ok(found);
    return found;
  }

  for (const [name, passes, fault] of ROWS) {
    test(`${name}: counted with its place, and nobody else is harmed`, async () => {
      await engine.load(spec({ function: name }));
      port += 2;
      const { send, to } = ends(port);
      send("a");
      assert.deepEqual(await to.receive(1), ["a"]);
      send("x");
      const arrived = await to.receive(passes ? 1 : 0);
      const told = async (): Promise<string> =>
        (await listed()).statistics.faults
          .map(({ kind, place, message }) => `${kind} ${place} ${message}`)
          .join("\n");
      for (let look = 0; fault !== undefined && (await told()) === "" && look < 40; look++) await pause(50);
      if (passes !== undefined) assert.equal(arrived.length, passes ? 1 : 0);
      if (fault === undefined) assert.equal(await told(), "");
      else assert.match(await told(), new RegExp(`^${fault}`, "m"));
      if (fault !== undefined) assert.ok((await listed()).statistics.errors > 0);
      if (!RUINED.has(name)) {
        // Until the isolate is back, its packets go by the rule.
        let after: string[] = [];
        for (let count = 0; after.length === 0 && count < 200; count++) {
          send("b");
          await pause(50);
          after = to.received();
        }
        assert.deepEqual(after.slice(0, 1), ["b"]);
        assert.equal((await listed()).statistics.held, 0);
      }
      assert.deepEqual(uncaught, []);
      assert.equal((await listed("other")).state, "running");
      assert.equal((await listed("other")).statistics.errors, 0);
      assert.equal(await passOther(), true);
    });
  }

  let other: ReturnType<typeof ends> | undefined;
  async function passOther(): Promise<boolean> {
    other ??= ends(OTHER_PORT);
    const seen = (await listed("other")).statistics.packets;
    other.send("o");
    const passed = (await other.to.receive(1)).length === 1;
    return passed && (await listed("other")).statistics.packets === seen + 1;
  }
});
