import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import { DeniedError } from "./errors.ts";
import { LISTENERS_MAX } from "./listener-list.ts";

/** A bus whose listeners at /x write their labels down when they are asked. */
function written(): {
  bus: Bus;
  asked: string[];
  note: (label: string) => () => undefined;
  order: () => string;
} {
  const bus = new Bus({ name: "me", clock: new SimClock() });
  const asked: string[] = [];
  const note = (label: string) => (): undefined => {
    asked.push(label);
  };
  const order = (): string => {
    asked.length = 0;
    bus.send("/x", {});
    return asked.join(" ");
  };
  return { bus, asked, note, order };
}

describe("the order of listeners", () => {
  it("append() goes behind, prepend() in front", () => {
    const { bus, note, order } = written();
    bus.append("/x", "a", note("a"));
    bus.append("/x", "b", note("b"));
    bus.prepend("/x", "c", note("c"));
    bus.prepend("/x", "d", note("d"));
    assert.equal(order(), "d c a b");
  });

  it("a lower band comes first, whatever was attached when", () => {
    const { bus, note, order } = written();
    bus.provide("/x", note("provider"));
    bus.prepend("/x", "late", note("late"), { band: 2000 });
    bus.append("/x", "plain", note("plain"));
    bus.append("/x", "early", note("early"), { band: -5 });
    assert.equal(order(), "early plain provider late");
  });

  it("before() and after() stand by their anchor, across bands, and follow it when it moves", () => {
    const { bus, note, order } = written();
    bus.before("/x", "b", "before-b", note("before-b"));
    bus.after("/x", "me/b", "after-b", note("after-b"));
    bus.append("/x", "a", note("a"));
    assert.equal(order(), "a before-b after-b", "without the anchor they stand at the end of their band");
    bus.prepend("/x", "b", note("b"), { band: 7 });
    assert.equal(order(), "a before-b b after-b");
    bus.append("/x", "b", note("b"), { band: -1 });
    assert.equal(order(), "before-b b after-b a");
  });

  it("before() in a circle is an error that names it, and the list stays as it was", async () => {
    const { bus, note, order } = written();
    bus.append("/x", "a", note("a"));
    bus.before("/x", "c", "b", note("b"));
    await assert.rejects(bus.before("/x", "b", "c", note("c")), (error: Error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /me\/[bc] stands by me\/[bc] stands by me\/[bc]/);
      return true;
    });
    assert.equal(order(), "a b");
  });

  it("after() the same anchor keeps the order in which they came", () => {
    const { bus, note, order } = written();
    bus.append("/x", "a", note("a"));
    bus.append("/x", "z", note("z"));
    bus.after("/x", "a", "b", note("b"));
    bus.after("/x", "b", "c", note("c"));
    bus.after("/x", "me/a", "d", note("d"));
    assert.equal(order(), "a b c d z");
    bus.before("/x", "z", "x", note("x"));
    bus.before("/x", "z", "y", note("y"));
    assert.equal(order(), "a b c d x y z");
  });

  it("a listener that may not go where it wants stays where it was", async () => {
    const { bus, note, order } = written();
    bus.append("/x", "a", note("a"));
    bus.before("/x", "a", "b", note("b"));
    await assert.rejects(bus.before("/x", "b", "a", note("a")), ConfigurationError);
    assert.equal(order(), "b a");
  });

  it("the same identity again keeps its slot among the others when it comes back to its band", () => {
    const { bus, note, order } = written();
    for (const label of ["a", "b", "c"]) bus.append("/x", label, note(label));
    bus.append("/x", "a", note("a"), { band: 5 });
    assert.equal(order(), "b c a");
    bus.append("/x", "a", note("a"));
    assert.equal(order(), "a b c");
  });

  it("the same identity again replaces the old one in its old place", () => {
    const { bus, note, order } = written();
    for (const label of ["a", "b", "c"]) bus.append("/x", label, note(label));
    bus.append("/x", "b", note("B"));
    assert.equal(order(), "a B c");
  });

  it("detach() by label and by identity tuples", async () => {
    const { bus, note, order } = written();
    bus.append("/x", "a", note("a"), { tuples: { client: 1 } });
    bus.append("/x", "b", note("b"), { tuples: { client: 2 } });
    bus.append("/x", "c", note("c"), { tuples: { client: 1, port: 80 } });
    await bus.detach({ to: "/x", tuples: { client: 1, port: 80 } });
    assert.equal(order(), "a b");
    await bus.detach({ to: "/x", tuples: { client: 1 } });
    assert.equal(order(), "b");
    await bus.detach({ to: "/x", label: "b" });
    assert.throws(() => order(), /nobody listens/);
  });

  it("a delivery keeps its snapshot: who is added waits, who is removed does not run", () => {
    const { bus, asked, note } = written();
    bus.append("/x", "a", () => {
      asked.push("a");
      if (asked.length === 1) bus.append("/x", "new", note("new"));
      bus.detach({ to: "/x", label: "gone" });
    });
    bus.append("/x", "gone", note("gone"));
    bus.send("/x", {});
    assert.deepEqual(asked, ["a"]);
    bus.send("/x", {});
    assert.deepEqual(asked, ["a", "a", "new"]);
  });

  it("a mailbox holds LISTENERS_MAX listeners and refuses one more", async () => {
    const { bus, note } = written();
    for (let count = 0; count < LISTENERS_MAX; count++) bus.append("/x", `l${count}`, note(""));
    await assert.rejects(bus.append("/x", "one-more", note("")), LimitExceededError);
  });

  it("nobody from outside listens in front of /sys", () => {
    const { bus, note } = written();
    const order = {
      identity: { process: "other", label: "spy" },
      listen: note("spy"),
      place: "append",
      options: {},
    } as const;
    assert.throws(
      () => bus.table.attach("/sys/list", { ...order, remote: true, observes: false }),
      DeniedError,
    );
  });
});
