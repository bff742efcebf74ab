import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { instant } from "#base/time.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import type { Context, DeferOptions } from "#script/context.ts";
import { drop, proceed } from "#script/verdict.ts";
import { checkScript } from "../script/check.ts";
import { loadScript } from "../script/modules.ts";
import { flowScript } from "./flow-script.ts";

/** What a script is given, with a clock that is moved by hand. */
class FakeContext {
  now = instant(1e12);
  readonly logged: string[] = [];
  readonly sent: unknown[] = [];
  readonly thrown: unknown[] = [];
  readonly script = { name: `flow-script-test-${Math.random()}`, isolate: "test", hook: "forward" as const };
  #waiting: { readonly at: number; readonly run: () => void }[] = [];

  readonly log = (text: string): void => void this.logged.push(text);
  readonly send = (packet: unknown): boolean => this.sent.push(packet) > 0;
  readonly defer = (action: (context: Context, packet: undefined) => void, options?: DeferOptions): void => {
    this.#waiting.push({ at: this.now + (options?.delay ?? 0), run: () => action(this.context, undefined) });
  };

  get context(): Context {
    return this as unknown as Context;
  }

  pass(milliseconds: number): void {
    for (let count = 0; count < milliseconds; count += 10) {
      this.now = instant(this.now + 10);
      const due = this.#waiting.filter(({ at }) => at <= this.now);
      this.#waiting = this.#waiting.filter(({ at }) => at > this.now);
      for (const { run } of due) {
        try {
          run();
        } catch (error) {
          this.thrown.push(error);
        }
      }
    }
  }
}

function syn(context: FakeContext) {
  const network = ipv4.header({ source: "10.0.0.1", destination: "10.0.0.2" });
  const packet = build(network, tcp.header({ sourcePort: 1, destinationPort: 80, syn: true })).toPacket();
  packet.time = context.now;
  return packet;
}

describe("flowScript", () => {
  test("flowScript() answers with what the engine says, and time passes without packets", () => {
    const fake = new FakeContext();
    const reasons: string[] = [];
    const run = flowScript((engine) => {
      const monitor = engine.monitor();
      monitor.on("connectionStart", "sender", (flow) => void (flow.server.port === 80 && flow.drop()));
      monitor.on("connectionEnd", "none", (_flow, { reason }) => void reasons.push(reason));
    });
    assert.equal(run(syn(fake), fake.context), drop);
    assert.equal(run(syn(fake), fake.context), proceed);
    fake.pass(40_000);
    assert.deepEqual(reasons, ["timeout"]);
    assert.deepEqual(fake.thrown, []);
  });

  test("flowScript() throws what a callback throws, so that the rule's policy decides; of a changed packet it drops it", () => {
    for (const changes of [false, true]) {
      const fake = new FakeContext();
      const run = flowScript((engine) => {
        engine.monitor({ name: "bad" }).on("packet", "sender", (flow) => {
          if (changes) flow.packet.setUint8(8, 3);
          throw new Error("oh no");
        });
      });
      if (changes) assert.equal(run(syn(fake), fake.context), drop);
      else assert.throws(() => run(syn(fake), fake.context), /oh no/);
      fake.pass(20);
      assert.equal(fake.thrown.length, changes ? 1 : 0);
      assert.deepEqual(fake.logged, ["bad: Error: oh no"]);
    }
  });

  test("flowScript() says whether it writes, to who loads it and to who checks it; the module's options come first", async () => {
    const folder = mkdtempSync(join(tmpdir(), "flow-script-"));
    const program =
      '(engine) => { engine.monitor().on("newData", "none", (flow) => { flow.client.read(); }); }';
    const file = join(folder, "programs.ts");
    const head = 'import { flowScript } from "metanet/flow";\n';
    const lines = `export const writes = flowScript(${program});
export const reads = flowScript(${program}, { writes: false });\n`;
    try {
      writeFileSync(file, head + lines);
      const { functions, problems } = await checkScript(file);
      assert.deepEqual(problems, []);
      assert.deepEqual(
        functions.map(({ name, needs }) => [name, needs.isWriting, needs.readBytes, needs.connection]),
        [
          ["reads", false, 65_535, false],
          ["writes", true, 65_535, false],
        ],
      );
      const { options } = await loadScript(file, "reads", 1);
      assert.deepEqual(options, { writes: false, readBytes: 65_535, aggregates: true, connection: false });
      writeFileSync(file, `${head}export const options = { aggregates: false };\n${lines}`);
      assert.equal((await loadScript(file, "reads", 2)).options.aggregates, false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
