import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import {
  ContractError,
  DeniedError,
  LoopError,
  NobodyListeningError,
  NoSuchMailboxError,
  OverflowError,
  PeerGoneError,
  RejectedError,
  TimedOutError,
} from "./errors.ts";
import { SERIAL_QUEUE_MAX } from "./mailbox.ts";
import { message } from "./message.ts";
import { answer, change, reject, stop, type Verdict } from "./verdict.ts";

function fresh(): { bus: Bus; clock: SimClock } {
  const clock = new SimClock();
  return { bus: new Bus({ name: "me", clock }), clock };
}

/** A promise and its ends. */
function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  return Promise.withResolvers<T>();
}

/** The same as a promise, or as an exception before it. */
async function failure(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  return undefined;
}

const origin = { process: "other", record: { hops: 0, waiting: [], trace: undefined, budget: undefined } };

describe("send()", () => {
  it("has run every listener when it returns, if none answered later", () => {
    const { bus } = fresh();
    const seen: unknown[] = [];
    bus.append("/x", "a", (given) => void seen.push(given.get("n")));
    assert.equal(bus.send("/x", { n: 7 }), undefined);
    assert.deepEqual(seen, [7]);
  });

  it("takes this process's own name in front of the path", () => {
    const { bus } = fresh();
    let count = 0;
    bus.append("/x", "a", () => void count++);
    bus.send("me:/x", {});
    assert.equal(count, 1);
  });

  const failures: [string, (bus: Bus) => unknown, new (...given: never[]) => Error, RegExp][] = [
    [
      "no mailbox",
      (bus) => bus.send("/nowhere", {}),
      NoSuchMailboxError,
      /me:\/nowhere: there is no such mailbox/,
    ],
    ["no listener", (bus) => bus.send("/empty", {}), NobodyListeningError, /\/empty: nobody listens/],
    ["a rejecting listener", (bus) => bus.send("/no", {}), RejectedError, /because/],
    ["another process, unlinked", (bus) => bus.send("dhcpd:/x", {}), PeerGoneError, /not linked/],
    ["a text that is no address", (bus) => bus.send("x y", {}), Error, /'x y' is not a path such as/],
    [
      "a call nobody answers",
      (bus) => bus.call("/passes", {}),
      NobodyListeningError,
      /every listener passed it on/,
    ],
    ["a call into an empty mailbox", (bus) => bus.call("/empty", {}), NobodyListeningError, /nobody listens/],
    [
      "a call to a provider that throws its own error",
      (bus) => bus.call("/denies", {}),
      DeniedError,
      /^not you$/,
    ],
    [
      "a call to a provider that throws any error",
      (bus) => bus.call("/throws", {}),
      RejectedError,
      /me\/provider failed: oops/,
    ],
  ];
  for (const [name, action, kind, text] of failures) {
    it(`gives a typed error for ${name}`, async () => {
      const { bus } = fresh();
      bus.open("/empty");
      bus.append("/no", "guard", () => reject("because"));
      bus.append("/passes", "a", () => undefined);
      bus.provide("/denies", () => {
        throw new DeniedError("not you");
      });
      bus.provide("/throws", () => {
        throw new Error("oops");
      });
      const error = await failure(() => action(bus));
      assert.ok(error instanceof kind, String(error));
      assert.match(error.message, text);
    });
  }

  it("an event that nobody hears is fine", () => {
    const { bus } = fresh();
    bus.open("/x/happened", { kind: "event" });
    assert.equal(bus.send("/x/happened", {}), undefined);
  });
});

describe("verdicts", () => {
  it("stop keeps the message from those behind, and answers a call with nothing", async () => {
    const { bus } = fresh();
    bus.append("/x", "a", () => stop);
    bus.append("/x", "b", () => assert.fail("was asked"));
    bus.send("/x", {});
    assert.equal((await bus.call("/x", {})).size, 0);
  });

  it("change shows the edited message to those behind only", async () => {
    const { bus } = fresh();
    const seen: string[] = [];
    bus.append("/x", "a", (given) => void seen.push(`a${given.get("n")}`));
    bus.append("/x", "b", () => change({ set: { n: 2 }, add: { by: "b" } }));
    bus.append("/x", "c", (given) => void seen.push(`c${given.get("n")}${given.get("by")}`));
    bus.send("/x", { n: 1 });
    assert.deepEqual(seen, ["a1", "c2b"]);
    const outcome = await bus.decide("/x", { n: 1 });
    assert.deepEqual(outcome.message.toObject(), { n: 2, by: "b" });
  });

  it("decide() tells a rejection as an outcome, with who said it", async () => {
    const { bus } = fresh();
    bus.append("/x", "guard", () => reject("no room"));
    const { verdict, reason, by } = await bus.decide("/x", {});
    assert.deepEqual({ verdict, reason, by }, { verdict: "reject", reason: "no room", by: "me/guard" });
  });

  it("a return value that is no verdict counts as an error of the listener and changes nothing", async () => {
    const { bus } = fresh();
    bus.append("/x", "odd", (() => ({ ok: true })) as unknown as () => Verdict);
    bus.append("/x", "b", () => answer({ fine: true }));
    assert.equal((await bus.call("/x", {})).get("fine"), true);
    assert.equal(bus.table.mailboxes.get("/x")?.listeners.order[0]?.errors, 1);
  });

  it("an exception of a listener is passed over unless it guards", async () => {
    const { bus } = fresh();
    const broken = (): never => {
      throw new Error("bug");
    };
    bus.append("/x", "broken", broken);
    bus.append("/x", "b", () => answer({ fine: true }));
    assert.equal((await bus.call("/x", {})).get("fine"), true);
    bus.append("/x", "broken", broken, { onError: "reject" });
    await assert.rejects(bus.call("/x", {}), /me\/broken failed: bug/);
  });
});

describe("parking", () => {
  it("a promise parks its message, not the mailbox; the chain goes on in order", async () => {
    const { bus } = fresh();
    const gate = later<void>();
    const seen: string[] = [];
    bus.append("/x", "slow", (given) => (given.get("n") === 1 ? gate.promise : undefined));
    bus.append("/x", "next", (given) => void seen.push(`next${given.get("n")}`));
    const first = bus.send("/x", { n: 1 });
    await bus.send("/x", { n: 2 });
    assert.deepEqual(seen, ["next2"]);
    gate.resolve();
    await first;
    assert.deepEqual(seen, ["next2", "next1"]);
  });

  it("only promises are awaited: a thenable verdict resumes, a plain one never yields", () => {
    const { bus } = fresh();
    let done = false;
    bus.append("/x", "a", () => change({ set: { a: 1 } }));
    bus.append("/x", "b", () => {
      done = true;
    });
    bus.send("/x", {});
    assert.ok(done);
  });

  const late: [string, "continue" | "reject", string][] = [
    ["continue", "continue", "the pool"],
    ["reject", "reject", "TimedOutError"],
  ];
  for (const [name, onTimeout, wanted] of late) {
    it(`a late listener with onTimeout ${name} gives ${wanted}, and its verdict is counted as late`, async () => {
      const { bus, clock } = fresh();
      const gate = later<Verdict>();
      bus.append("/x", "slow", () => gate.promise, { timeout: milliseconds(250), onTimeout });
      bus.provide("/x", () => answer({ from: "the pool" }));
      const call = bus.call("/x", {}).then(
        (given) => given.get("from"),
        (error: Error) => error.constructor.name,
      );
      await clock.advance(milliseconds(249));
      const early = await Promise.race([call, Promise.resolve("still waiting")]);
      assert.equal(early, "still waiting");
      await clock.advance(milliseconds(1));
      assert.equal(await call, wanted);
      gate.resolve(stop);
      await clock.settle();
      assert.equal(bus.table.mailboxes.get("/x")?.listeners.order[0]?.late, 1);
    });
  }

  it("a message's budget is shared by all who make it wait", async () => {
    const { bus, clock } = fresh();
    for (const label of ["a", "b", "c", "d"])
      bus.append("/x", label, () => new Promise(() => {}), { timeout: seconds(1) });
    bus.provide("/x", () => answer({ at: clock.now() }));
    const started = clock.now();
    const call = bus.call("/x", {});
    await clock.advance(seconds(5));
    assert.equal(Number((await call).get("at")) - started, 2000);
  });

  it("a call ends at its own time-out, also when its provider never answers", async () => {
    const { bus, clock } = fresh();
    bus.provide("/x", () => new Promise(() => {}));
    const call = failure(() => bus.call("/x", {}, { timeout: milliseconds(40) }));
    await clock.advance(milliseconds(40));
    assert.ok((await call) instanceof TimedOutError);
  });

  it("detaching a listener lets its parked messages go on", async () => {
    const { bus } = fresh();
    const attachment = await bus.append("/x", "slow", () => new Promise(() => {}));
    bus.provide("/x", () => answer({ fine: true }));
    const call = bus.call("/x", {});
    await attachment.detach();
    assert.equal((await call).get("fine"), true);
  });

  it("a process that goes away frees its parked messages at once, keeps its slot, and is passed over until it is back", async () => {
    const { bus } = fresh();
    let behaviour: () => Promise<Verdict> | Verdict = () => new Promise(() => {});
    bus.table.attach("/x", {
      identity: { process: "glue", label: "ldap" },
      listen: () => behaviour(),
      place: "prepend",
      options: {},
      remote: true,
      observes: false,
    });
    bus.provide("/x", () => answer({ from: "pool" }));
    const call = bus.call("/x", {});
    bus.table.setAway("glue", true);
    assert.equal((await call).get("from"), "pool");
    assert.equal((await bus.call("/x", {})).get("from"), "pool");
    behaviour = () => answer({ from: "ldap" });
    bus.table.setAway("glue", false);
    assert.equal((await bus.call("/x", {})).get("from"), "ldap");
  });

  it("three time-outs in a row suspend a remote listener, visibly; later one message tries it again", async () => {
    const { bus, clock } = fresh();
    const events: string[] = [];
    bus.watch((event) => events.push(event.event));
    let asked = 0;
    let answers = false;
    bus.table.attach("/x", {
      identity: { process: "glue", label: "slow" },
      listen: () => {
        asked++;
        return answers ? Promise.resolve(stop) : new Promise(() => {});
      },
      place: "append",
      options: {},
      remote: true,
      observes: false,
    });
    bus.provide("/x", () => answer());
    for (let count = 0; count < 5; count++) {
      const call = bus.call("/x", {});
      await clock.advance(milliseconds(250));
      await call;
    }
    assert.equal(asked, 3);
    assert.ok(events.includes("suspended"));
    answers = true;
    await clock.advance(seconds(5));
    await bus.call("/x", {});
    await bus.call("/x", {});
    assert.equal(asked, 5);
  });
});

describe("serial mailboxes", () => {
  it("run one message at a time per value of their tag", async () => {
    const { bus } = fresh();
    bus.open("/x", { serial: "chaddr" });
    const gates = [later<void>(), later<void>()];
    const seen: string[] = [];
    bus.append("/x", "slow", (given) => {
      seen.push(`${given.get("chaddr")}${given.get("n")}`);
      return given.get("n") === 1 ? gates[given.get("chaddr") === "a" ? 0 : 1]?.promise : undefined;
    });
    const sent = [
      bus.send("/x", { chaddr: "a", n: 1 }),
      bus.send("/x", { chaddr: "a", n: 2 }),
      bus.send("/x", { chaddr: "b", n: 1 }),
      bus.send("/x", { chaddr: "b", n: 2 }),
    ];
    assert.deepEqual(seen, ["a1", "b1"]);
    gates[1]?.resolve();
    await sent[3];
    gates[0]?.resolve();
    await Promise.all(sent);
    assert.deepEqual(seen, ["a1", "b1", "b2", "a2"]);
  });

  it("a message that would wait for itself is a LoopError with the path", async () => {
    const { bus } = fresh();
    bus.open("/x", { serial: true });
    bus.append("/x", "again", () => bus.send("/x", {}) as undefined, { onError: "reject" });
    const error = await failure(() => bus.send("/x", {}));
    assert.ok(error instanceof LoopError);
    assert.deepEqual(error.path, ["me/again@/x", "/x"]);
  });

  it("refuse more than SERIAL_QUEUE_MAX waiting messages", async () => {
    const { bus } = fresh();
    bus.open("/x", { serial: true });
    bus.append("/x", "slow", () => new Promise(() => {}));
    for (let count = 0; count <= SERIAL_QUEUE_MAX; count++) void bus.send("/x", {});
    assert.ok((await failure(() => bus.send("/x", {}))) instanceof OverflowError);
  });
});

describe("loops", () => {
  it("the paper's form works: stop, and send the same message again with a marker", async () => {
    const { bus } = fresh();
    bus.append("/lookup", "ldap", async (given) => {
      if (given.has("not-ldap")) return undefined;
      await Promise.resolve();
      bus.send("/lookup", given.change({ add: { "not-ldap": true } }));
      return stop;
    });
    bus.provide("/lookup", (given) => void bus.send("/found", { marked: given.has("not-ldap") }));
    const found = bus.wait("/found");
    await bus.send("/lookup", {});
    assert.equal((await found).get("marked"), true);
  });

  it("synchronous messages that cause one another end as a LoopError that names the way", async () => {
    const { bus } = fresh();
    bus.append("/a", "to-b", () => void bus.send("/b", {}));
    bus.append("/b", "to-a", () => void bus.send("/a", {}));
    const error = await failure(() => bus.send("/a", {}));
    assert.ok(error instanceof LoopError);
    assert.match(error.message, /me\/to-b@\/a > me\/to-a@\/b > me\/to-b@\/a/);
  });

  it("a call that comes back to the listener who waits for it is a LoopError, not a hang", async () => {
    const { bus } = fresh();
    const record = {
      ...origin.record,
      hops: 3,
      waiting: ["me/glue@/x", "other/back@/y", "me/glue@/x", "other/back@/y"],
    };
    bus.append("/x", "glue", () => assert.fail("was asked"));
    await assert.rejects(
      bus.serve("/x", message({}), { process: "other", record }, "answer"),
      (error: Error) => {
        assert.ok(error instanceof LoopError);
        assert.match(error.message, /me\/glue@\/x > other\/back@\/y > me\/glue@\/x/);
        return true;
      },
    );
  });

  it("a message from a link with too many hops is refused", async () => {
    const { bus } = fresh();
    bus.append("/x", "a", () => stop);
    const record = { ...origin.record, hops: 33 };
    await assert.rejects(bus.serve("/x", message({}), { process: "other", record }, "nothing"), LoopError);
  });
});

describe("wait()", () => {
  it("stands before it returns, sees only what matches, and is gone afterwards", async () => {
    const { bus } = fresh();
    bus.open("/x", { kind: "event" });
    const waiting = bus.wait("/x", { xid: 2 });
    bus.send("/x", { xid: 1 });
    bus.send("/x", { xid: 2, n: "first" });
    bus.send("/x", { xid: 2, n: "second" });
    assert.equal((await waiting).get("n"), "first");
    await Promise.resolve();
    assert.equal(bus.table.mailboxes.get("/x")?.listeners.order.length, 0);
  });

  it("takes a function, and ends with TimedOutError", async () => {
    const { bus, clock } = fresh();
    const waiting = failure(() =>
      bus.wait("/x", (given) => given.get("n") === 3, { timeout: milliseconds(10) }),
    );
    bus.send("/x", { n: 2 });
    await clock.advance(milliseconds(10));
    assert.ok((await waiting) instanceof TimedOutError);
  });

  it("is not hidden by a listener that stops", async () => {
    const { bus } = fresh();
    bus.prepend("/x", "greedy", () => stop);
    const waiting = bus.wait("/x");
    bus.send("/x", { n: 1 });
    assert.equal((await waiting).get("n"), 1);
  });
});

describe("observe()", () => {
  it("gives a copy as it was sent, has no say, and may throw", async () => {
    const { bus } = fresh();
    const seen: unknown[] = [];
    bus.append("/x", "a", () => change({ set: { n: 2 } }));
    bus.observe("/x", "tap", (given) => {
      seen.push(given.get("n"));
      throw new Error("of an observer");
    });
    bus.send("/x", { n: 1 });
    assert.deepEqual(seen, [1]);
    assert.equal(bus.counters.observerErrors, 1);
  });

  it("does not show secret tags", () => {
    const { bus } = fresh();
    bus.open("/login", { secret: ["password"], kind: "event" });
    let seen: unknown;
    bus.observe("/login", "tap", (given) => {
      seen = given.toObject();
    });
    bus.send("/login", { user: "x", password: "y" });
    assert.deepEqual(seen, { user: "x" });
  });
});

describe("post()", () => {
  it("queues for after the work in progress, keeps the order, and counts what fails", async () => {
    const { bus, clock } = fresh();
    const seen: unknown[] = [];
    bus.append("/x", "a", (given) => void seen.push(given.get("n")));
    bus.post("/x", { n: 1 });
    bus.post("/nowhere", {});
    bus.post("/x", { n: 2 });
    bus.send("/x", { n: 0 });
    await clock.settle();
    assert.deepEqual(seen, [0, 1, 2]);
    assert.equal(bus.counters.postsFailed, 1);
  });
});

describe("mailboxes of others", () => {
  it("serve() checks the contract at the border and counts what does not fit", async () => {
    const { bus } = fresh();
    bus.open("/x", { check: () => "tag 'xid' (uint32) is missing" });
    bus.append("/x", "a", () => stop);
    await assert.rejects(bus.serve("/x", message({}), origin, "nothing"), ContractError);
    assert.equal(bus.counters.contractErrors, 1);
  });

  it("a listener for a mailbox that is not there waits for it, also over its removal", async () => {
    const { bus } = fresh();
    let asked = 0;
    bus.table.attach("/x", {
      identity: { process: "glue", label: "a" },
      listen: () => void asked++,
      place: "append",
      options: {},
      remote: true,
      observes: false,
    });
    assert.ok((await failure(() => bus.send("/x", {}))) instanceof NoSuchMailboxError);
    bus.open("/x");
    await bus.send("/x", {});
    bus.remove("/x");
    bus.open("/x");
    await bus.send("/x", {});
    assert.equal(asked, 2);
  });
});
