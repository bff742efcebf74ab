import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { LoopError } from "#mailbox/errors.ts";
import { FAILURES_IN_ROW_MAX } from "#mailbox/listener.ts";
import type { Verdict } from "#mailbox/verdict.ts";
import { answer, stop } from "#mailbox/verdict.ts";
import { SimWorld } from "../../test/link/sim-world.ts";
import { ORDER_COUNT_MAX } from "./limits.ts";

const never = (): Promise<Verdict> => new Promise(() => {});

describe("two processes", () => {
  it("that send to each other because of each other end as a LoopError with the path, not as a hang", async () => {
    const world = new SimWorld();
    const a = await world.start("a");
    const b = await world.start("b");
    let asked = 0;
    await a.bus.append("/x", "to-b", async () => {
      asked++;
      await a.bus.send("b:/y", {});
    });
    await b.bus.append("/y", "to-a", async () => {
      await b.bus.send("a:/x", {});
    });
    const error = await world.settled(
      Promise.resolve(a.bus.send("/x", {})).catch((reason: unknown) => reason),
    );
    assert.ok(error instanceof LoopError, String(error));
    assert.deepEqual(error.path, ["a/to-b@/x", "b/to-a@/y", "a/to-b@/x", "b/to-a@/y", "a/to-b@/x"]);
    assert.equal(asked, 2);
    await world.pass(seconds(3));
    const left = [...a.links.describe(), ...b.links.describe()].map((link) => link.pending);
    assert.deepEqual(left, [0, 0]);
  });

  it("of which one listens twice and answers neither time share the message's budget", async () => {
    const world = new SimWorld();
    const owner = await world.start("dhcpd");
    const glue = await world.start("glue");
    await owner.bus.provide("/x", () => answer({ at: world.clock.now() }));
    for (const label of ["a", "b", "c"]) {
      await world.settled(glue.bus.append("dhcpd:/x", label, never, { timeout: seconds(1.2) }));
    }
    const started = world.clock.now();
    const given = await world.settled(owner.bus.call("/x", {}));
    assert.equal(Number(given.get("at")) - started, 2000);
  });
});

describe("a message that a link has no form for", () => {
  for (const [what, body] of [
    ["a tag that cannot be one", { "a*b": 1 }],
    ["too many bytes", { data: new Uint8Array(2 ** 20) }],
  ] as const) {
    it(`(${what}) passes by a listener in another process, and does not suspend it`, async () => {
      const world = new SimWorld();
      const owner = await world.start("dhcpd");
      const glue = await world.start("glue");
      await owner.bus.provide("/x", () => answer({ from: "pool" }));
      await world.settled(glue.bus.append("dhcpd:/x", "ldap", () => answer({ from: "ldap" })));
      for (let count = 0; count < FAILURES_IN_ROW_MAX; count++) {
        assert.equal((await world.settled(owner.bus.call("/x", body))).get("from"), "pool");
      }
      assert.equal((await world.settled(owner.bus.call("/x", {}))).get("from"), "ldap");
    });
  }
});

describe("detach()", () => {
  it("with identity tuples takes out in another process what has them, and nothing else", async () => {
    const world = new SimWorld();
    const owner = await world.start("dhcpd");
    const glue = await world.start("glue");
    owner.bus.open("/x", { kind: "event" });
    const seen: string[] = [];
    for (const client of [1, 2]) {
      const listen = (): void => void seen.push(`l${client}`);
      await world.settled(glue.bus.append("dhcpd:/x", `l${client}`, listen, { tuples: { client } }));
    }
    await world.settled(glue.bus.detach({ to: "dhcpd:/x", tuples: { client: 1 } }));
    await world.settled(Promise.resolve(owner.bus.send("/x", {})));
    assert.deepEqual(seen, ["l2"]);
  });
});

describe("an observer in another process", () => {
  it("that rejects later ends nothing", async () => {
    const world = new SimWorld();
    const owner = await world.start("dhcpd");
    const glue = await world.start("glue");
    owner.bus.open("/x", { kind: "event" });
    let seen = 0;
    const observe = async (): Promise<void> => {
      seen++;
      throw new Error("of an observer");
    };
    await world.settled(glue.bus.observe("dhcpd:/x", "tap", observe));
    const unhandled: unknown[] = [];
    const note = (error: unknown): unknown => unhandled.push(error);
    process.on("unhandledRejection", note);
    owner.bus.send("/x", {});
    await world.pass();
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    assert.deepEqual([seen, unhandled], [1, []]);
  });
});

describe("standing orders", () => {
  it("that the owner refuses after its restart make room for others", async () => {
    const world = new SimWorld();
    const glue = await world.start("glue", { uid: 7 });
    const rules = [{ prefix: "/", may: ["intercept"] as const, uids: [7] }];
    const first = await world.start("dhcpd", { rules });
    const attachments = Array.from({ length: ORDER_COUNT_MAX }, (_, n) =>
      glue.bus.append(`dhcpd:/x/${n % 64}`, `l${n}`, () => stop),
    );
    const [one] = await world.settled(Promise.all(attachments));
    assert.equal(one?.state, "waiting");
    await assert.rejects(
      glue.bus.append("dhcpd:/y", "more", () => stop),
      /4096 listeners elsewhere/,
    );
    first.kill();
    await world.start("dhcpd");
    await world.pass(seconds(6));
    assert.equal(one?.state, "detached");
    await world.start("other", { rules });
    const attachment = await world.settled(
      glue.bus.append("other:/y", "more", () => stop),
      milliseconds(5000),
    );
    assert.notEqual(attachment.state, "detached");
  });
});
