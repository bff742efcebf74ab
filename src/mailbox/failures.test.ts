import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import { errorFromCode, RejectedError, RemoteError } from "./errors.ts";
import type { Entry } from "./listener.ts";
import { FAILURES_IN_ROW_MAX, type Listener, type ListenerOptions, SUSPENSION } from "./listener.ts";
import type { MailboxOptions, TraceRecord } from "./mailbox.ts";
import { answer, change, reject, stop, type Verdict } from "./verdict.ts";

function fresh(options: MailboxOptions = {}): { bus: Bus; clock: SimClock } {
  const clock = new SimClock();
  const bus = new Bus({ name: "me", clock });
  bus.open("/x", options);
  return { bus, clock };
}

/** A listener of another process at /x, as the links attach it. */
function attachRemote(bus: Bus, label: string, listen: Listener, options: ListenerOptions = {}): Entry {
  const identity = { process: "glue", label };
  return bus.table.attach("/x", {
    identity,
    listen,
    place: "append",
    options,
    remote: true,
    observes: false,
  });
}

const never = (): Promise<Verdict> => new Promise(() => {});

/** How a call at /x ends: the answer's `from`, or the error's class. */
async function ends(bus: Bus, clock: SimClock, passes: Duration = seconds(3)): Promise<unknown> {
  const call = bus.call("/x", {}).then(
    (given) => given.get("from"),
    (error: Error) => error.name,
  );
  await clock.advance(passes);
  return call;
}

describe("a listener of another process that fails", () => {
  it("is suspended by FAILURES_IN_ROW_MAX errors in a row, and not by one fewer", async () => {
    const { bus, clock } = fresh();
    const events: string[] = [];
    bus.watch((event) => events.push(event.event));
    const entry = attachRemote(bus, "broken", () => Promise.reject(new Error("bug")));
    bus.provide("/x", () => answer({ from: "pool" }));
    for (let count = 1; count < FAILURES_IN_ROW_MAX; count++) await ends(bus, clock, milliseconds(1));
    assert.equal(entry.suspendedUntil, undefined);
    assert.equal(await ends(bus, clock, milliseconds(1)), "pool");
    assert.equal(entry.suspendedUntil, clock.now() + SUSPENSION - 1);
    assert.deepEqual(events.slice(-2), ["suspended", "listener-error"]);
  });

  it("begins to count anew after a verdict that came", async () => {
    const { bus, clock } = fresh();
    let fails = true;
    const entry = attachRemote(bus, "moody", () =>
      fails ? Promise.reject(new Error("bug")) : Promise.resolve(),
    );
    bus.provide("/x", () => answer());
    for (let count = 1; count < FAILURES_IN_ROW_MAX; count++) await ends(bus, clock);
    fails = false;
    await ends(bus, clock);
    fails = true;
    for (let count = 1; count < FAILURES_IN_ROW_MAX; count++) await ends(bus, clock);
    assert.equal(entry.suspendedUntil, undefined);
  });

  it("is tried again by one message only, however many come before its verdict", async () => {
    const { bus, clock } = fresh();
    const entry = attachRemote(bus, "slow", never);
    bus.provide("/x", () => answer({ from: "pool" }));
    for (let count = 0; count < FAILURES_IN_ROW_MAX; count++) await ends(bus, clock, milliseconds(250));
    await clock.advance(SUSPENSION);
    const calls = Array.from({ length: 10 }, () => ends(bus, clock, milliseconds(250)));
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(["pool"]));
    assert.equal(entry.calls, FAILURES_IN_ROW_MAX + 1);
  });

  it("shares the message's budget with the others: whoever is left then is not asked any more", async () => {
    const { bus, clock } = fresh();
    const entries = ["a", "b", "c"].map((label) =>
      attachRemote(bus, label, never, { timeout: seconds(1.5) }),
    );
    bus.provide("/x", () => answer({ from: "pool" }));
    const started = clock.now();
    const call = bus.call("/x", {}).then((given) => [given.get("from"), clock.now() - started]);
    await clock.advance(seconds(5));
    assert.deepEqual(await call, ["pool", 2000]);
    assert.deepEqual(
      entries.map((entry) => entry.calls),
      [1, 1, 0],
    );
  });

  const guards: [string, MailboxOptions, ListenerOptions, Listener, string][] = [
    ["late, in a plain mailbox", {}, {}, never, "pool"],
    ["late, in a guarded mailbox", { guarded: true }, {}, never, "TimedOutError"],
    ["late, but it says continue itself", { guarded: true }, { onTimeout: "continue" }, never, "pool"],
    [
      "failing, in a guarded mailbox",
      { guarded: true },
      {},
      () => Promise.reject(new Error("x")),
      "RejectedError",
    ],
  ];
  for (const [what, mailbox, options, listen, wanted] of guards) {
    it(`${what}, ends the call with ${wanted}`, async () => {
      const { bus, clock } = fresh(mailbox);
      attachRemote(bus, "guard", listen, options);
      bus.provide("/x", () => answer({ from: "pool" }));
      assert.equal(await ends(bus, clock), wanted);
    });
  }

  it("and is away rejects in a guarded mailbox", async () => {
    const { bus, clock } = fresh({ guarded: true });
    attachRemote(bus, "guard", () => undefined);
    bus.provide("/x", () => answer({ from: "pool" }));
    bus.table.setAway("glue", true);
    assert.equal(await ends(bus, clock), "TimedOutError");
  });

  it("and is replaced lets its parked messages go on; the new one is asked for the next", async () => {
    const { bus, clock } = fresh();
    attachRemote(bus, "ldap", never);
    bus.provide("/x", () => answer({ from: "pool" }));
    const parked = bus.call("/x", {});
    attachRemote(bus, "ldap", () => answer({ from: "ldap" }));
    assert.equal((await parked).get("from"), "pool");
    assert.equal(await ends(bus, clock), "ldap");
  });
});

describe("a verdict that is none", () => {
  const odd: [string, unknown][] = [
    ["a change without an edit", { verdict: "change" }],
    ["a change that removes a text", { verdict: "change", edit: { remove: "n" } }],
    ["an answer without a message", { verdict: "answer" }],
    ["an answer with an object for a message", { verdict: "answer", message: { n: 1 } }],
    ["an unknown word", { verdict: "maybe" }],
    ["true", true],
  ];
  for (const [what, verdict] of odd) {
    for (const options of [{}, { serial: true }] as const) {
      it(`is an error of its listener: ${what}${"serial" in options ? ", in a serial mailbox" : ""}`, async () => {
        const { bus, clock } = fresh(options);
        bus.append("/x", "odd", (() => verdict) as Listener);
        bus.provide("/x", () => answer({ from: "pool" }));
        assert.equal(await ends(bus, clock), "pool");
        assert.equal(await ends(bus, clock), "pool");
        assert.equal(bus.table.mailboxes.get("/x")?.listeners.order[0]?.errors, 2);
      });
    }
  }
});

describe("whoever does not wait", () => {
  it("for a send() that is parked and then rejected is not ended by it", async () => {
    const { bus, clock } = fresh();
    bus.append("/x", "guard", async () => reject("no"));
    const unhandled: unknown[] = [];
    const note = (error: unknown): unknown => unhandled.push(error);
    process.on("unhandledRejection", note);
    void bus.send("/x", {});
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    assert.deepEqual(unhandled, []);
    await assert.rejects(async () => bus.send("/x", {}), RejectedError);
    assert.equal(clock.timerCount, 0);
  });

  it("for a post() that is parked and then rejected has it counted", async () => {
    const { bus, clock } = fresh();
    bus.append("/x", "guard", async () => reject("no"));
    bus.post("/x", {});
    await clock.settle();
    assert.equal(bus.counters.postsFailed, 1);
  });
});

describe("observers", () => {
  it("that reject later are counted, and end nothing", async () => {
    const { bus, clock } = fresh({ kind: "event" });
    await bus.observe("/x", "tap", (async () => {
      throw new Error("of an observer");
    }) as () => void);
    bus.send("/x", {});
    await clock.settle();
    assert.equal(bus.counters.observerErrors, 1);
  });

  it("see what their filter asks for, and cannot ask for a secret", async () => {
    const { bus } = fresh({ kind: "event", secret: ["password"] });
    const seen: unknown[] = [];
    const tap = (label: string, filter: ListenerOptions["filter"] & object): unknown =>
      bus.observe("/x", label, (given) => void seen.push([label, given.get("n")]), { filter });
    tap("equal", { equals: { n: 1 } });
    tap("guess", { equals: { password: "y" } });
    tap("there", { exists: ["password"] });
    bus.send("/x", { n: 1, password: "y" });
    bus.send("/x", { n: 2, password: "y" });
    assert.deepEqual(seen, [["equal", 1]]);
  });

  it("that send what they see again end as a loop, not as a hang", async () => {
    const { bus, clock } = fresh({ kind: "event" });
    let count = 0;
    bus.observe("/x", "echo", () => {
      count++;
      bus.post("/x", {});
    });
    bus.send("/x", {});
    for (let turn = 0; turn < 5; turn++) await clock.settle();
    assert.equal(count, 33);
    assert.equal(bus.counters.postsFailed, 1);
  });
});

describe("traces", () => {
  it("tell each change with its tags, and leave out who was not asked", async () => {
    const { bus } = fresh();
    const records: TraceRecord[] = [];
    bus.append("/x", "edit", () => change({ set: { n: 2 }, add: { by: "me" }, remove: ["old"] }));
    bus.append("/x", "other", () => undefined, { filter: { exists: ["absent"] } });
    bus.append("/x", "end", () => stop);
    const mailbox = bus.open("/x");
    mailbox.tracers = [(record) => records.push(record)];
    mailbox.settle();
    await bus.send("/x", { n: 1, old: true });
    const [record] = records;
    assert.deepEqual(
      record?.steps.map(({ listener, verdict }) => [listener, verdict]),
      [
        ["me/edit", "change: n +by -old"],
        ["me/end", "stop"],
      ],
    );
    assert.deepEqual(record?.message.toObject(), { n: 2, by: "me" });
  });
});

describe("post()", () => {
  it("runs after a send of the same turn, and before what that turn left to a timer", async () => {
    const { bus, clock } = fresh();
    const seen: unknown[] = [];
    bus.append("/x", "log", (given) => {
      seen.push(given.get("n"));
      if (given.get("n") === 1) bus.post("/x", { n: 4 });
    });
    clock.after(milliseconds(0), () => void bus.send("/x", { n: 5 }));
    bus.post("/x", { n: 2 });
    bus.post("/x", { n: 3 });
    bus.send("/x", { n: 1 });
    assert.deepEqual(seen, [1]);
    await clock.advance(milliseconds(0));
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  });
});

describe("errorFromCode()", () => {
  for (const code of ["constructor", "toString", "__proto__", "made-up"]) {
    it(`takes the unknown code '${code}' for what it is`, () => {
      const error = errorFromCode(code, "Cannot do it: so it is");
      assert.ok(error instanceof RemoteError);
      assert.equal(error.code, code);
    });
  }
});
