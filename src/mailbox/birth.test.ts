import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { milliseconds } from "#base/time.ts";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import { DeniedError, TimedOutError } from "./errors.ts";
import type { Entry, Listener, Place } from "./listener.ts";
import type { BusEvent } from "./mailbox-table.ts";
import { UNBORN_MAX } from "./mailbox-table.ts";
import { answer } from "./verdict.ts";

function fresh(): { bus: Bus; clock: SimClock; events: BusEvent[] } {
  const clock = new SimClock();
  const bus = new Bus({ name: "me", clock });
  const events: BusEvent[] = [];
  bus.watch((event) => events.push(event));
  return { bus, clock, events };
}

function attachRemote(
  bus: Bus,
  path: string,
  label: string,
  listen: Listener,
  place: Place = "append",
): Entry {
  const identity = { process: "glue", label };
  return bus.table.attach(path, { identity, listen, place, options: {}, remote: true, observes: false });
}

const pass = (): undefined => undefined;

function labels(bus: Bus): string | undefined {
  return bus.table.mailboxes
    .get("/x")
    ?.listeners.order.map((entry) => entry.identity.label)
    .join(" ");
}

describe("a listener that waits for its mailbox", () => {
  it("keeps its place before those who come after it", () => {
    const { bus } = fresh();
    attachRemote(bus, "/x", "a", pass);
    attachRemote(bus, "/x", "b", pass);
    attachRemote(bus, "/x", "p", pass, "prepend");
    attachRemote(bus, "/x", "q", pass, "prepend");
    bus.open("/x");
    bus.append("/x", "c", pass);
    bus.prepend("/x", "r", pass);
    assert.equal(labels(bus), "r q p a b c");
    bus.remove("/x");
    bus.open("/x");
    bus.append("/x", "d", pass);
    assert.equal(labels(bus), "q p a b d");
  });

  it("is held to the mailbox's guard as soon as it is there", async () => {
    const { bus, clock } = fresh();
    attachRemote(bus, "/x", "guard", () => new Promise(() => {}));
    bus.open("/x", { guarded: true });
    bus.provide("/x", () => answer());
    const call = assert.rejects(bus.call("/x", {}), TimedOutError);
    await clock.advance(milliseconds(250));
    await call;
  });

  it("is refused by a mailbox that is only looked at, and observers are not", () => {
    const { bus, events } = fresh();
    const entry = attachRemote(bus, "/x", "spy", pass);
    let seen = 0;
    bus.table.attach("/x", {
      identity: { process: "glue", label: "tap" },
      listen: () => void seen++,
      place: "append",
      options: {},
      remote: true,
      observes: true,
    });
    bus.open("/x", { observeOnly: true, kind: "event" });
    bus.send("/x", {});
    assert.deepEqual([labels(bus), entry.removed, seen], ["", true, 1]);
    assert.deepEqual(events.at(-1)?.event, "refused");
  });

  it("leaves nothing behind when it is refused", () => {
    const { bus } = fresh();
    for (let count = 0; count <= UNBORN_MAX; count++) {
      assert.throws(() => attachRemote(bus, `/sys/x${count}`, "spy", pass), DeniedError);
      assert.throws(() => attachRemote(bus, `/x${count}`, "a", pass, { before: "a" }), ConfigurationError);
    }
    attachRemote(bus, "/later", "a", pass);
    assert.ok(bus.table.isUnborn("/later"));
  });

  it("is let go, and remove() succeeds, when UNBORN_MAX mailboxes are waited for", () => {
    const { bus, events } = fresh();
    bus.open("/x");
    const entry = attachRemote(bus, "/x", "a", pass);
    for (let count = 0; count < UNBORN_MAX; count++) attachRemote(bus, `/later/${count}`, "a", pass);
    bus.remove("/x");
    assert.equal(entry.removed, true);
    assert.deepEqual(
      events.slice(-2).map(({ event, text }) => [event, text]),
      [
        ["detached", `${UNBORN_MAX} mailboxes are waited for already`],
        ["removed", undefined],
      ],
    );
  });
});

describe("remove()", () => {
  it("takes this process's own listeners out for good", async () => {
    const { bus } = fresh();
    const attachment = await bus.append("/x", "a", pass);
    bus.remove("/x");
    assert.equal(attachment.state, "detached");
    bus.open("/x");
    assert.equal(labels(bus), "");
  });
});
