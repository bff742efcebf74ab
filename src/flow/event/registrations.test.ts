import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { Registration } from "./dispatch.ts";
import { EventObjects } from "./event-object.ts";
import { REGISTRATION_COUNT_MAX, REMEMBERED_SET_COUNT_MAX, Registrations } from "./registrations.ts";
import { Slot } from "./slot.ts";
import type { Subscribed } from "./subscription.ts";
import { Subscription } from "./subscription.ts";
import { defineEvent } from "./user-event.ts";

interface Flow {
  readonly log: string[];
}

const events = new EventObjects();
const a = (flow: Flow): void => void flow.log.push("a");
const b = (flow: Flow): void => void flow.log.push("b");
const c = (flow: Flow): void => void flow.log.push("c");

function ran(set: Registrations<Flow>): string {
  const flow: Flow = { log: [] };
  set.run(Slot.packetSender, flow, events.packet, assert.fail);
  return flow.log.join("");
}

test("Registrations.with() changes nothing that is held already", () => {
  const empty = Registrations.empty<Flow>();
  const one = empty.with("packet", "sender", a);
  const two = one.with("packet", "sender", b);
  const other = one.with("packet", "sender", c);
  assert.deepEqual([empty, one, two, other].map(ran), ["", "a", "ab", "ac"]);
  assert.deepEqual([empty.count, one.count, two.count], [0, 1, 2]);
  assert.deepEqual([empty.wanted, one.wanted], [0, 1 << Slot.packetSender]);
});

test("Registrations.with() gives a million flows one set", () => {
  const isLarge = (_flow: Flow, event: { readonly lengthBytes: number }): boolean => event.lengthBytes > 1000;
  const base = Registrations.empty<Flow>().with("packet", "sender", a);
  const sets = new Set<Registrations<Flow>>();
  for (let flow = 0; flow < 1_000_000; flow += 1) {
    sets.add(base.with(defineEvent("newData", isLarge), "none", b).with("packet", "receiver", b));
  }
  assert.equal(sets.size, 1);
});

test("Registrations.with() keeps nothing of callbacks made for one flow each", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const base = Registrations.empty<Flow>().with("packet", "sender", a);
  const make = (count: number): number => {
    for (let flow = 0; flow < count; flow += 1) {
      const own = new Uint8Array(100);
      base.with("newData", "none", (one) => void one.log.push(String(own.length)));
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = make(10_000);
  const grown = make(100_000) - before;
  // A set and its callback are about 1 kB, so what is kept of 100,000 would be 100 MB.
  assert.ok(grown < 10_000_000, `${grown} bytes more`);
});

test("Registrations.with() of what is there already is the same set, of another order another", () => {
  const set = Registrations.empty<Flow>().with("packet", "sender", a).with("packet", "sender", b);
  assert.equal(set.with("packet", "sender", a), set);
  assert.equal(set.with("packet", "sender", b), set);
  assert.notEqual(set.with("packet", "receiver", a), set);
  const reversed = Registrations.empty<Flow>().with("packet", "sender", b).with("packet", "sender", a);
  assert.notEqual(reversed, set);
  assert.equal(ran(reversed), "ba");
});

test("Registrations.with() tells hooks and events of one callback apart", () => {
  const empty = Registrations.empty<Flow>();
  const yes = defineEvent("packet", (_flow: Flow) => true);
  const sets = [
    empty.with("packet", "sender", a),
    empty.with("packet", "receiver", a),
    empty.with("newData", "none", a),
    empty.with(yes, "sender", a),
    empty.with(yes, "receiver", a),
  ];
  assert.equal(new Set(sets).size, sets.length);
  assert.deepEqual(sets.map(ran), ["a", "", "", "a", ""]);
  assert.equal(empty.with(yes, "sender", a), sets[3]);
});

test("Registrations.without() is the set as if it had never been there", () => {
  const empty = Registrations.empty<Flow>();
  const yes = defineEvent("packet", (_flow: Flow) => true);
  const all = empty.with("packet", "sender", a).with(yes, "sender", b).with("packet", "sender", c);
  const at = (event: Registration<Flow>["event"], callback: typeof a): Registration<Flow> => {
    return { event, hook: "sender", callback };
  };
  const cases: [Registration<Flow>, Registrations<Flow>, string][] = [
    [at("packet", a), empty.with(yes, "sender", b).with("packet", "sender", c), "cb"],
    [at(yes, b), empty.with("packet", "sender", a).with("packet", "sender", c), "ac"],
    [at("packet", c), empty.with("packet", "sender", a).with(yes, "sender", b), "ab"],
    [at("packet", b), all, "acb"],
  ];
  for (const [registration, rest, log] of cases) {
    const set = all.without(registration);
    assert.equal(set, rest);
    assert.equal(ran(set), log);
  }
  assert.equal(empty.without(at("packet", a)), empty);
  assert.equal(empty.with("packet", "sender", a).without(at("packet", a)), empty);
});

test("Registrations.with() makes equal sets again where too many were made meanwhile", () => {
  const base = Registrations.empty<Flow>().with("packet", "sender", a);
  const before = base.with("packet", "sender", b);
  for (let flow = 0; flow <= REMEMBERED_SET_COUNT_MAX; flow += 1) {
    base.with("packet", "sender", (one) => void one.log.push(String(flow)));
  }
  const after = base.with("packet", "sender", b);
  assert.notEqual(after, before);
  assert.equal(ran(after), ran(before));
  assert.equal(base.with("packet", "sender", b), after);
});

test("Registrations.with() refuses one callback too many", () => {
  let set = Registrations.empty<Flow>();
  for (let count = 0; count < REGISTRATION_COUNT_MAX; count += 1) {
    set = set.with("packet", "sender", () => undefined);
  }
  assert.equal(set.count, REGISTRATION_COUNT_MAX);
  assert.throws(() => set.with("packet", "sender", a), LimitExceededError);
});

test("Registrations.with() refuses illegal hooks of built-in and defined events, and what is no function", () => {
  const set = Registrations.empty<Flow>();
  const yes = (_flow: Flow): boolean => true;
  const grandchild = defineEvent(defineEvent(defineEvent("newData", yes), yes), yes);
  const untyped = set as unknown as { with(event: unknown, hook: string, callback: unknown): unknown };
  assert.throws(() => untyped.with("newData", "sender", a), ConfigurationError);
  assert.throws(() => untyped.with(grandchild, "sender", a), {
    name: "ConfigurationError",
    message: "Cannot listen to newData at hook sender: it is met at none only",
  });
  assert.throws(() => untyped.with("packets", "sender", a), ConfigurationError);
  assert.throws(() => untyped.with({}, "sender", a), ConfigurationError);
  assert.throws(() => untyped.with("packet", "sender", "a"), {
    name: "ConfigurationError",
    message: "Cannot listen: the callback is string, wanted a function",
  });
  assert.equal(set.with(grandchild, "none", a).wanted, 1 << Slot.newData);
});

/** As a monitor or flow is made. */
class Owner implements Subscribed<Flow> {
  registrations: Registrations<Flow> = Registrations.empty();

  on(callback: (flow: Flow) => void): Subscription<Flow> {
    this.registrations = this.registrations.with("packet", "sender", callback);
    return new Subscription<Flow>(this, "packet", "sender", callback);
  }

  unsubscribe(registration: Registration<Flow>): void {
    this.registrations = this.registrations.without(registration);
  }
}

test("Subscription.off() and a using declaration take the callback out, once", () => {
  const owner = new Owner();
  const first = owner.on(a);
  owner.on(b);
  first.off();
  assert.equal(ran(owner.registrations), "b");
  owner.on(a);
  first.off();
  assert.equal(ran(owner.registrations), "ba");
  {
    using third = owner.on(c);
    assert.equal(third.hook, "sender");
    assert.equal(ran(owner.registrations), "bac");
  }
  assert.equal(ran(owner.registrations), "ba");
});

test("Subscription.off() and on() while an event is handled count from the next one on", () => {
  const owner = new Owner();
  owner.on((flow) => {
    flow.log.push("1");
    later.off();
    owner.on(c);
  });
  const later = owner.on(b);
  assert.equal(ran(owner.registrations), "1b");
  assert.equal(ran(owner.registrations), "1c");
});
