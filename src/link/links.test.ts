import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds, seconds } from "#base/time.ts";
import {
  DeniedError,
  LoopError,
  NobodyListeningError,
  NoSuchMailboxError,
  PeerGoneError,
  RejectedError,
  TimedOutError,
} from "#mailbox/errors.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import { answer, change, reject, stop } from "#mailbox/verdict.ts";
import { SimWorld } from "../../test/link/sim-world.ts";

async function pair(): Promise<
  { world: SimWorld } & Record<"owner" | "other", Awaited<ReturnType<SimWorld["start"]>>>
> {
  const world = new SimWorld();
  return { world, owner: await world.start("dhcpd"), other: await world.start("glue") };
}

describe("Links.send()", () => {
  test("delivers every kind of value, and resolves when the chain has run", async () => {
    const { world, owner, other } = await pair();
    const seen: Message[] = [];
    owner.bus.append("/t/lookup", "log", (message) => void seen.push(message));
    const body = {
      chaddr: mac("02:00:00:00:00:01"),
      address: ip("192.0.2.7"),
      text: "grün",
      count: 3,
      big: 1n << 60n,
      list: [1, "two", true],
      bytes: Uint8Array.of(1, 2),
      nothing: null,
    };
    await world.settled(other.bus.send("dhcpd:/t/lookup", body)!);
    assert.deepEqual(seen[0]?.toObject(), body);
  });

  const failures: readonly [string, string, new (...args: never[]) => Error, RegExp][] = [
    ["a process that does not run", "nobody:/x", PeerGoneError, /nobody: the process is not running/],
    ["a mailbox that does not exist", "dhcpd:/none", NoSuchMailboxError, /dhcpd:\/none/],
    ["a mailbox without listeners", "dhcpd:/empty", NobodyListeningError, /nobody listens/],
    ["a listener that rejects", "dhcpd:/no", RejectedError, /too late/],
    ["another machine", "dhcpd@gw2:/x", PeerGoneError, /machine 'gw2'/],
  ];
  for (const [what, to, Class, text] of failures) {
    test(`to ${what} rejects with ${Class.name}`, async () => {
      const { world, owner, other } = await pair();
      owner.bus.open("/empty", { kind: "request" });
      owner.bus.append("/no", "guard", () => reject("too late"));
      await assert.rejects(world.settled(other.bus.send(to, {})!), (error: unknown) => {
        assert.ok(error instanceof Class, String(error));
        assert.match(error.message, text);
        return true;
      });
    });
  }

  test("keeps the order of one sender", async () => {
    const { world, owner, other } = await pair();
    const seen: unknown[] = [];
    owner.bus.append("/x", "log", (message) => void seen.push(message.get("n")));
    const sends = Array.from({ length: 50 }, (_, n) => other.bus.send("dhcpd:/x", { n })!);
    await world.settled(Promise.all(sends));
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, n) => n),
    );
  });
});

describe("Links.call()", () => {
  test("gives the answer, and both sides may call over the one connection", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/add", (message) =>
      answer({ sum: Number(message.get("a")) + Number(message.get("b")) }),
    );
    other.bus.provide("/name", () => answer({ name: "glue" }));
    const sum = await world.settled(other.bus.call("dhcpd:/add", { a: 2, b: 3 }));
    assert.equal(sum.get("sum"), 5);
    const name = await world.settled(owner.bus.call("glue:/name", {}));
    assert.equal(name.get("name"), "glue");
    assert.equal(owner.links.describe().length, 1);
    assert.equal(other.links.describe().length, 1);
  });

  test("times out at the caller when the owner is stopped, and late answers are counted", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/slow", () => answer({}));
    await world.settled(other.bus.call("dhcpd:/slow", {}));
    owner.transport.stall();
    await assert.rejects(
      world.settled(other.bus.call("dhcpd:/slow", {}, { timeout: milliseconds(100) })),
      TimedOutError,
    );
    owner.transport.unstall();
    await world.pass();
    assert.equal(other.links.describe()[0]?.late, 1);
  });

  test("fails at once with PeerGoneError when the owner is killed", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/never", () => new Promise(() => undefined));
    const call = other.bus.call("dhcpd:/never", {}, { timeout: seconds(10) });
    await world.pass();
    const before = world.clock.now();
    owner.kill();
    await assert.rejects(world.settled(call), PeerGoneError);
    assert.ok(world.clock.now() - before <= 5);
  });
});

test("Links.post() is not acknowledged, and a failure is nobody's error", async () => {
  const { world, owner, other } = await pair();
  const seen: unknown[] = [];
  owner.bus.append("/x", "log", (message) => void seen.push(message.get("n")));
  other.bus.post("dhcpd:/x", { n: 1 });
  other.bus.post("dhcpd:/missing", { n: 2 });
  await world.pass();
  other.bus.post("dhcpd:/x", { n: 3 });
  await world.pass();
  assert.deepEqual(seen, [1, 3]);
});

describe("a listener in another process", () => {
  test("decides: stop, change, reject and answer reach the owner's chain", async () => {
    const { world, owner, other } = await pair();
    const seen: unknown[] = [];
    owner.bus.provide("/x", (message) => {
      seen.push(message.toObject());
      return answer({ by: "owner" });
    });
    await world.settled(
      other.bus.prepend("dhcpd:/x", "guard", (message) => {
        switch (message.get("do")) {
          case "stop":
            return stop;
          case "reject":
            return reject("not today");
          case "answer":
            return answer({ by: "guard" });
          case "change":
            return change({ set: { do: "changed" }, add: { more: 1 }, remove: ["gone"] });
          default:
            return undefined;
        }
      }),
    );
    const call = (what: string): Promise<Message> =>
      world.settled(owner.bus.call("/x", { do: what, gone: true })) as Promise<Message>;
    assert.equal((await call("answer")).get("by"), "guard");
    assert.equal((await call("stop")).size, 0);
    await assert.rejects(call("reject"), /not today/);
    assert.deepEqual(seen, []);
    assert.equal((await call("nothing")).get("by"), "owner");
    assert.equal((await call("change")).get("by"), "owner");
    assert.deepEqual(seen, [
      { do: "nothing", gone: true },
      { do: "changed", more: 1 },
    ]);
  });

  test("knows the first sender, and its filter is looked at by the owner", async () => {
    const { world, owner, other } = await pair();
    const contexts: Context[] = [];
    await world.settled(
      other.bus.append("dhcpd:/x", "l", (_, context) => void contexts.push(context), {
        filter: { equals: { kind: "wanted" }, exists: ["chaddr"] },
      }),
    );
    owner.bus.open("/x", { kind: "event" });
    const third = await world.start("third");
    await world.settled(third.bus.send("dhcpd:/x", { kind: "wanted", chaddr: 1 })!);
    await world.settled(third.bus.send("dhcpd:/x", { kind: "other", chaddr: 1 })!);
    await world.settled(third.bus.send("dhcpd:/x", { kind: "wanted" })!);
    assert.equal(contexts.length, 1);
    assert.equal(contexts[0]?.sender, "third");
    assert.equal(contexts[0]?.mailbox, "/x");
  });

  test("that is stopped parks its message only, and only until its time-out", async () => {
    const { world, owner, other } = await pair();
    const done: unknown[] = [];
    owner.bus.provide("/x", (message) => {
      done.push(message.get("n"));
      return stop;
    });
    await world.settled(
      other.bus.prepend("dhcpd:/x", "slow", () => undefined, {
        timeout: milliseconds(250),
        filter: { equals: { ask: true } },
      }),
    );
    other.transport.stall();
    const started = world.clock.now();
    const parked = owner.bus.send("/x", { n: 1, ask: true })!;
    owner.bus.send("/x", { n: 2, ask: false });
    assert.deepEqual(done, [2]);
    await world.settled(parked);
    assert.deepEqual(done, [2, 1]);
    const took = world.clock.now() - started;
    assert.ok(took >= 250 && took <= 252, `${took} ms`);
  });

  test("that guards and is stopped lets nothing through, and is suspended after three time-outs", async () => {
    const { world, owner, other } = await pair();
    const done: unknown[] = [];
    owner.bus.provide("/x", () => void done.push("pool"));
    const options = { timeout: milliseconds(100), onTimeout: "reject" } as const;
    await world.settled(other.bus.prepend("dhcpd:/x", "guard", () => undefined, options));
    await world.settled(owner.bus.send("/x", {})!);
    assert.deepEqual(done, ["pool"]);
    other.transport.stall();
    for (let n = 1; n <= 3; n++) {
      const started = world.clock.now();
      await assert.rejects(world.settled(owner.bus.send("/x", {})!), TimedOutError);
      assert.ok(world.clock.now() - started >= 100);
    }
    const entry = owner.bus.table.mailboxes.get("/x")?.listeners.order[0];
    assert.equal(entry?.timeouts, 3);
    assert.notEqual(entry?.suspendedUntil, undefined);
    assert.throws(() => owner.bus.send("/x", {}), TimedOutError);
    assert.deepEqual(done, ["pool"]);
    other.transport.unstall();
    await world.pass();
    assert.equal(entry?.late, 3);
  });

  test("that guards is not opened by flooding it while it is stopped", async () => {
    const { world, owner, other } = await pair();
    let passed = 0;
    owner.bus.provide("/x", () => void passed++);
    await world.settled(other.bus.prepend("dhcpd:/x", "guard", () => undefined, { onTimeout: "reject" }));
    other.transport.stall();
    const blob = new Uint8Array(50_000);
    const sends = Array.from({ length: 60 }, () => owner.bus.send("/x", { blob }) as Promise<undefined>);
    const outcomes = await world.settled(Promise.allSettled(sends));
    const codes = new Set(outcomes.map((one) => one.status === "rejected" && one.reason.code));
    assert.deepEqual([...codes].sort(), ["overflow", "timed-out"]);
    assert.equal(passed, 0);
  });

  for (const [rule, error] of [
    ["continue", undefined],
    ["reject", TimedOutError],
  ] as const) {
    test(`that is killed lets its parked messages go on at once by its rule: ${rule}`, async () => {
      const { world, owner, other } = await pair();
      const done: unknown[] = [];
      owner.bus.provide("/x", () => {
        done.push("pool");
        return stop;
      });
      await world.settled(
        other.bus.prepend("dhcpd:/x", "ldap", () => new Promise(() => undefined), {
          timeout: seconds(1),
          onTimeout: rule,
        }),
      );
      const parked = owner.bus.send("/x", {})!;
      await world.pass(milliseconds(50));
      assert.deepEqual(done, []);
      const before = world.clock.now();
      other.kill();
      if (error) await assert.rejects(world.settled(parked), error);
      else await world.settled(parked);
      assert.ok(world.clock.now() - before <= 5);
      // Nobody waits for it while it is away.
      const next = async (): Promise<void> => owner.bus.send("/x", {});
      if (error) await assert.rejects(next, error);
      else await next();
    });
  }

  test("that throws is passed over, and counted against it", async () => {
    const { world, owner, other } = await pair();
    const done: unknown[] = [];
    owner.bus.provide("/x", () => void done.push("pool"));
    await world.settled(
      other.bus.prepend("dhcpd:/x", "bad", () => {
        throw new Error("directory is down");
      }),
    );
    await world.settled(owner.bus.send("/x", {})!);
    assert.deepEqual(done, ["pool"]);
    assert.equal(owner.bus.table.mailboxes.get("/x")?.listeners.order[0]?.errors, 1);
  });

  test("comes back to its place when the owner is started again", async () => {
    const { world, owner, other } = await pair();
    const asked: string[] = [];
    const attachment = await world.settled(
      other.bus.prepend("dhcpd:/x", "ldap", () => void asked.push("ldap"), { band: -5 }),
    );
    assert.equal(attachment.state, "waiting");
    owner.bus.append("/x", "log", () => void asked.push("log"));
    await world.settled(owner.bus.send("/x", {})!);
    assert.equal(attachment.state, "attached");
    owner.kill();
    await world.pass();
    assert.equal(attachment.state, "waiting");
    const again = await world.start("dhcpd");
    again.bus.append("/x", "log", () => void asked.push("log"));
    await world.pass(seconds(1));
    assert.equal(attachment.state, "attached");
    await world.settled(again.bus.send("/x", {})!);
    assert.deepEqual(asked, ["ldap", "log", "ldap", "log"]);
  });

  test("comes back to its slot when it is started again itself", async () => {
    const { world, owner, other } = await pair();
    const asked: string[] = [];
    const third = await world.start("third");
    await world.settled(other.bus.append("dhcpd:/x", "first", () => void asked.push("first")));
    await world.settled(third.bus.append("dhcpd:/x", "second", () => void asked.push("second")));
    other.kill();
    await world.pass();
    const again = await world.start("glue");
    await world.settled(again.bus.append("dhcpd:/x", "first", () => void asked.push("first again")));
    owner.bus.open("/x");
    await world.settled(owner.bus.send("/x", {})!);
    assert.deepEqual(asked, ["first again", "second"]);
  });

  test("may be attached before the process is there", async () => {
    const world = new SimWorld();
    const other = await world.start("glue");
    const asked: unknown[] = [];
    const attachment = await world.settled(
      other.bus.append("late:/x", "l", (m) => void asked.push(m.get("n"))),
    );
    assert.equal(attachment.state, "waiting");
    await world.pass(seconds(20));
    const late = await world.start("late");
    late.bus.open("/x", { kind: "event" });
    await world.pass(milliseconds(20));
    await world.settled(late.bus.send("/x", { n: 7 })!);
    assert.deepEqual(asked, [7]);
    await world.settled(attachment.detach());
    assert.equal(attachment.state, "detached");
    await late.bus.send("/x", { n: 8 });
    assert.deepEqual(asked, [7]);
  });

  test("is gone for good when its process says goodbye", async () => {
    const { world, owner, other } = await pair();
    await world.settled(other.bus.append("dhcpd:/x", "l", () => undefined));
    owner.bus.open("/x");
    assert.equal(owner.bus.table.mailboxes.get("/x")?.listeners.order.length, 1);
    await world.settled(other.links.close());
    await world.pass();
    assert.equal(owner.bus.table.mailboxes.get("/x")?.listeners.order.length, 0);
  });

  test("may not stand in front of /sys", async () => {
    const { world, owner, other } = await pair();
    owner.bus.open("/sys/list");
    await assert.rejects(world.settled(other.bus.append("dhcpd:/sys/list", "l", () => stop)), DeniedError);
    await world.settled(other.bus.observe("dhcpd:/sys/list", "o", () => undefined));
  });

  test("that sends back to the mailbox it stands in gets LoopError with the path, not a hang", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/x", () => stop);
    let failed: unknown;
    await world.settled(
      other.bus.prepend(
        "dhcpd:/x",
        "again",
        (message) => {
          const sent = other.bus.send("dhcpd:/x", message) as Promise<undefined>;
          return sent.catch((error: unknown) => {
            failed ??= error;
          });
        },
        { timeout: seconds(1) },
      ),
    );
    await world.settled(owner.bus.send("/x", {})!);
    assert.ok(failed instanceof LoopError, String(failed));
    assert.match(failed.message, /glue\/again@\/x > glue\/again@\/x/);
  });
});

test("two processes that call each other in a circle get LoopError with the path, long before their time-outs", async () => {
  const { world, owner, other } = await pair();
  owner.bus.provide("/x", async () => answer(await owner.bus.call("glue:/x", {}, { timeout: seconds(60) })));
  other.bus.provide("/x", async () => answer(await other.bus.call("dhcpd:/x", {}, { timeout: seconds(60) })));
  const before = world.clock.now();
  await assert.rejects(
    world.settled(owner.bus.call("glue:/x", {}, { timeout: seconds(60) })),
    (error: unknown) => {
      assert.ok(error instanceof LoopError, String(error));
      assert.match(error.message, /glue\/provider@\/x/);
      assert.match(error.message, /dhcpd\/provider@\/x/);
      return true;
    },
  );
  assert.ok(world.clock.now() - before < 200);
});

describe("an observer in another process", () => {
  test("gets copies, has no say, and holds nobody up when it is stopped", async () => {
    const { world, owner, other } = await pair();
    const seen: unknown[] = [];
    owner.bus.open("/x", { kind: "event" });
    const attachment = await world.settled(
      other.bus.observe("dhcpd:/x", "o", (m) => void seen.push(m.get("n"))),
    );
    await owner.bus.send("/x", { n: 0 });
    await world.pass();
    assert.deepEqual(seen, [0]);
    other.transport.stall();
    const blob = new Uint8Array(10_000);
    for (let n = 1; n <= 100; n++) assert.equal(owner.bus.send("/x", { n, blob }), undefined);
    const { copiesDropped } = owner.links.describe()[0]!;
    assert.ok(copiesDropped > 50, `${copiesDropped} copies were dropped`);
    other.transport.unstall();
    await world.pass();
    await owner.bus.send("/x", { n: 101 });
    await world.pass();
    assert.equal(seen.at(-1), 101);
    assert.equal((attachment as unknown as { missed: number }).missed, copiesDropped);
    assert.equal(seen.length + copiesDropped, 102);
  });
});
