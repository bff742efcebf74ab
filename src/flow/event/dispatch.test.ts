import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { Registration } from "./dispatch.ts";
import { RAISED_COUNT_MAX, raise } from "./dispatch.ts";
import { EventObjects } from "./event-object.ts";
import { Registrations } from "./registrations.ts";
import { Slot } from "./slot.ts";
import type { AnyEvent, DefineEvent } from "./user-event.ts";
import { defineEvent, EVENT_DEPTH_MAX, floatingEvent, UserEvent } from "./user-event.ts";

/** Where predicates and callbacks write that they ran. */
interface Flow {
  readonly log: string[];
  /** What predicates answer, by name. */
  readonly says: Record<string, boolean>;
}

interface Named {
  readonly name: string;
}

const define: DefineEvent<Flow> = defineEvent;
const events = new EventObjects();

/** An event that says in the log when it is asked. */
function named<const E extends AnyEvent<Flow>>(
  parent: E,
  name: string,
): UserEvent<"packet", undefined, Flow> {
  const event: unknown = define(parent, (flow) => {
    flow.log.push(`${name}?`);
    return flow.says[name] ?? true;
  });
  return event as UserEvent<"packet", undefined, Flow>;
}

function listening(...listens: readonly [event: AnyEvent<Flow>, name: string][]): Registrations<Flow> {
  let set = Registrations.empty<Flow>();
  for (const [event, name] of listens) {
    set = set.with(event as "packet", "sender", (flow) => {
      flow.log.push(name);
    });
  }
  return set;
}

/** Runs the set for a packet at the sender's hook; errors stand in the log too. */
function run(set: Registrations<Flow>, says: Record<string, boolean> = {}): string[] {
  const flow: Flow = { log: [], says };
  set.run(Slot.packetSender, flow, events.packet, (error) => flow.log.push(`! ${String(error)}`));
  assert.equal(events.packet.payload, undefined);
  return flow.log;
}

test("run() visits pre-order, depth first, siblings as they were defined", () => {
  const a = named("packet", "a");
  const b = named("packet", "b");
  const ab = named(a, "ab");
  const aa = named(a, "aa");
  const aba = named(ab, "aba");
  // Registered in another order than defined; of b nobody is told, and it is not asked.
  const set = listening([aba, "ABA"], [a, "A"], ["packet", "P1"], [aa, "AA"], [a, "A2"], ["packet", "P2"]);
  const cases: [says: Record<string, boolean>, log: string][] = [
    [{}, "P1 P2 a? A A2 ab? aba? ABA aa? AA"],
    [{ a: false }, "P1 P2 a?"],
    [{ ab: false }, "P1 P2 a? A A2 ab? aa? AA"],
    [{ aba: false }, "P1 P2 a? A A2 ab? aba? aa? AA"],
    [{ aa: false, aba: false }, "P1 P2 a? A A2 ab? aba? aa?"],
  ];
  for (const [says, log] of cases) assert.equal(run(set, says).join(" "), log);
  const more = set.with(b, "sender", (flow) => flow.log.push("B"));
  assert.equal(run(more, { a: false }).join(" "), "P1 P2 a? b? B");
});

test("run() keeps hooks apart, and the mask knows the slots of events defined below", () => {
  const deep = named(named(named("packet", "x"), "y"), "z");
  const set = Registrations.empty<Flow>()
    .with(deep, "receiver", (flow) => flow.log.push("Z"))
    .with("newData", "none", (flow) => flow.log.push("N"));
  assert.equal(set.wanted, (1 << Slot.packetReceiver) | (1 << Slot.newData));
  assert.deepEqual([set.wants(Slot.packetSender), set.wants(Slot.packetReceiver)], [false, true]);
  assert.deepEqual(run(set), []);
});

test("run() gives the nearest payload above, and takes it back behind the subtree", () => {
  const seen: string[] = [];
  const name = (event: object): void => {
    seen.push((event as { payload?: Named }).payload?.name ?? "-");
  };
  const outer = define("packet", (): Named => ({ name: "outer" }));
  const plain = define(outer, (_flow, event) => event.payload.name === "outer");
  const inner = define(plain, (): Named => ({ name: "inner" }));
  const second = define(outer, () => true);
  const none = define("packet", (_flow, event) => {
    name(event);
    return true;
  });
  const set = Registrations.empty<Flow>()
    .with(outer, "sender", (_flow, event) => name(event))
    .with(plain, "sender", (_flow, event) => name(event))
    .with(inner, "sender", (_flow, event) => name(event))
    .with(second, "sender", (_flow, event) => name(event))
    .with(none, "sender", (_flow, event) => name(event))
    .with("packet", "sender", (_flow, event) => name(event));
  run(set);
  assert.deepEqual(seen, ["-", "outer", "outer", "inner", "outer", "-", "-"]);
});

test("raise() makes a child of the node being visited, behind its own, for one pass", () => {
  const found = floatingEvent("packet").carrying<Named>();
  const below = define(found, (flow, event) => {
    flow.log.push(`below ${event.payload.name}?`);
    return true;
  });
  const finder = define("packet", (flow, event) => {
    flow.log.push("finder?");
    if (flow.says.raises !== false) {
      raise(event, found, { name: "one" });
      raise(event, found, { name: "two" });
    }
    return flow.says.finder ?? true;
  });
  const child = named(finder, "child");
  const sibling = named("packet", "sibling");
  const set = listening([sibling, "S"], [child, "C"], [finder, "F"])
    .with(found, "sender", (flow, event) => flow.log.push(`found ${event.payload.name}`))
    .with(below, "sender", (flow, event) => flow.log.push(`below ${event.payload.name}`));
  const cases: [says: Record<string, boolean>, log: string[]][] = [
    [
      {},
      [
        ...["finder?", "F", "child?", "C"],
        ...["found one", "below one?", "below one", "found two", "below two?", "below two"],
        ...["sibling?", "S"],
      ],
    ],
    [{ raises: false }, ["finder?", "F", "child?", "C", "sibling?", "S"]],
    [{ finder: false }, ["finder?", "sibling?", "S"]],
  ];
  for (const [says, log] of cases) assert.deepEqual(run(set, says), log);
});

test("raise() works from callbacks, of the built-in event and of raised ones too", () => {
  const first = floatingEvent("packet");
  const second = floatingEvent("packet");
  const set = listening([named("packet", "a"), "A"])
    .with("packet", "sender", (flow, event) => {
      flow.log.push("P");
      raise(event, first);
    })
    .with(first, "sender", (flow, event) => {
      flow.log.push("first");
      raise(event, second);
    })
    .with(first, "sender", (flow) => flow.log.push("first again"))
    .with(second, "sender", (flow) => flow.log.push("second"));
  assert.deepEqual(run(set), ["P", "a?", "A", "first", "first again", "second"]);
});

test("raise() of what nobody waits for at this hook does nothing, and so does one too late", () => {
  const floating = floatingEvent("packet");
  const raising = define("packet", (_flow, event) => {
    raise(event, floating);
    return true;
  });
  const lone = Registrations.empty<Flow>().with("packet", "sender", (_flow, event) => raise(event, floating));
  assert.deepEqual(run(lone), []);
  const elsewhere = listening([raising, "R"]).with(floating, "receiver", (flow) => flow.log.push("never"));
  assert.deepEqual(run(elsewhere), ["R"]);
  raise(events.packet, floating);
  assert.deepEqual(run(elsewhere.with(floating, "sender", (flow) => flow.log.push("F"))), ["R", "F"]);
});

test("raise() refuses an event below another built-in event", () => {
  const floating = floatingEvent("orphan");
  const set = listening(["packet", "P"]).with("packet", "sender", (_flow, event) => raise(event, floating));
  assert.deepEqual(run(set), [
    "P",
    "! ConfigurationError: Cannot raise an event defined below orphan: the event being handled is packet",
  ]);
});

test("raise() tells of arguments that were taken for each other", () => {
  const floating = floatingEvent("packet");
  assert.throws(() => raise(floating as never, events.packet as never), {
    message: "Cannot raise: the event being handled comes first, the floating event second",
  });
});

test("raise() has limits: for one pass, and for events that raise themselves", () => {
  const errors: unknown[] = [];
  const many = floatingEvent("packet");
  let visits = 0;
  const flood = Registrations.empty<Flow>()
    .with("packet", "sender", (_flow, event) => {
      for (let count = 0; count <= RAISED_COUNT_MAX; count += 1) raise(event, many);
    })
    .with(many, "sender", () => {
      visits += 1;
    });
  const flow: Flow = { log: [], says: {} };
  flood.run(Slot.packetSender, flow, events.packet, (error) => errors.push(error));
  assert.equal(visits, RAISED_COUNT_MAX);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof LimitExceededError);

  // Those of one node are gone when the next is visited.
  const halves = [1, 2, 3].map((number) =>
    define("packet", (_flow, event) => {
      for (let count = 0; count < RAISED_COUNT_MAX / 2; count += 1) raise(event, many);
      return number !== 1;
    }),
  );
  let siblings = Registrations.empty<Flow>().with(many, "sender", () => {
    visits += 1;
  });
  for (const half of halves) siblings = siblings.with(half, "sender", () => undefined);
  visits = 0;
  siblings.run(Slot.packetSender, flow, events.packet, assert.fail);
  assert.equal(visits, RAISED_COUNT_MAX);

  const self = floatingEvent("packet");
  let depth = 0;
  const meanwhile = Registrations.empty<Flow>().with(floatingEvent("orphan"), "none", () => undefined);
  const endless = Registrations.empty<Flow>()
    .with("packet", "sender", (_flow, event) => raise(event, self))
    .with(self, "sender", (one, event) => {
      depth += 1;
      // A pass inside of this one counts for itself.
      meanwhile.run(Slot.orphan, one, events.orphan, assert.fail);
      raise(event, self);
    });
  for (const _ of [1, 2]) {
    depth = 0;
    endless.run(Slot.packetSender, flow, events.packet, (error) => errors.push(error));
    assert.equal(depth, EVENT_DEPTH_MAX);
    const onError = (error: unknown): void => {
      throw error;
    };
    assert.throws(() => endless.run(Slot.packetSender, flow, events.packet, onError), LimitExceededError);
  }
  assert.equal(errors.length, 3);
  assert.ok(errors[2] instanceof LimitExceededError);
});

test("run() tells what a callback or predicate throws, and the rest goes on", () => {
  const told: [string, Registration<Flow> | UserEvent][] = [];
  const broken = define("packet", (): boolean => {
    throw new Error("predicate");
  });
  const fine = named("packet", "fine");
  const fails = (): void => {
    throw new Error("callback");
  };
  const set = Registrations.empty<Flow>()
    .with("packet", "sender", fails)
    .with("packet", "sender", (flow) => flow.log.push("P"))
    .with(broken, "sender", (flow) => flow.log.push("never"))
    .with(fine, "sender", fails)
    .with(fine, "sender", (flow) => flow.log.push("F"));
  const flow: Flow = { log: [], says: {} };
  const onError = (error: unknown, what: Registration<Flow> | UserEvent): void => {
    told.push([(error as Error).message, what]);
  };
  set.run(Slot.packetSender, flow, events.packet, onError);
  assert.deepEqual(flow.log, ["P", "fine?", "F"]);
  const told2 = told.map(([message, what]) => [message, what instanceof UserEvent ? what : what.event]);
  assert.deepEqual(told2, [
    ["callback", "packet"],
    ["predicate", broken],
    ["callback", fine],
  ]);
  told.length = 0;
  const lone = Registrations.empty<Flow>().with("packet", "sender", fails);
  lone.run(Slot.packetSender, flow, events.packet, onError);
  assert.deepEqual(told, [["callback", { event: "packet", hook: "sender", callback: fails }]]);
});

test("run() tells what an asynchronous callback is rejected with; an asynchronous predicate says no", async () => {
  const told: unknown[] = [];
  const later = define("packet", async () => {
    throw new Error("predicate");
  });
  const set = Registrations.empty<Flow>().with("packet", "sender", async () => {
    throw new Error("callback");
  });
  const flow: Flow = { log: [], says: {} };
  set.run(Slot.packetSender, flow, events.packet, (error) => told.push((error as Error).message));
  const both = set.with(later, "sender", (one) => one.log.push("never"));
  both.run(Slot.packetSender, flow, events.packet, (error) => told.push((error as Error).message));
  assert.deepEqual(told, ["Cannot ask an event defined below packet: its predicate is asynchronous"]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told.slice(1), ["callback", "callback", "predicate"]);
  assert.deepEqual(flow.log, []);
});

test("run() takes truthy for yes, as JavaScript does, and only objects for payloads", () => {
  for (const [answer, isYes] of [
    [1, true],
    ["x", true],
    [0, false],
    ["", false],
    [null, false],
  ] as const) {
    const event = define("packet", () => answer as unknown as boolean);
    const set = Registrations.empty<Flow>().with(event, "sender", (flow, seen) => {
      flow.log.push(String((seen as { payload?: unknown }).payload));
    });
    assert.deepEqual(run(set), isYes ? ["undefined"] : []);
  }
});

test("run() inside of run() leaves the outer pass as it was", () => {
  const floating = floatingEvent("packet");
  const inner = floatingEvent("orphan");
  const other = Registrations.empty<Flow>()
    .with("orphan", "none", (_flow, event) => raise(event, inner))
    .with(inner, "none", (flow) => flow.log.push("inner"));
  const set = Registrations.empty<Flow>()
    .with("packet", "sender", (flow, event) => {
      raise(event, floating);
      other.run(Slot.orphan, flow, events.orphan, assert.fail);
      raise(event, floating);
    })
    .with(floating, "sender", (flow) => flow.log.push("outer"));
  assert.deepEqual(run(set), ["inner", "outer", "outer"]);
});

test("run() leaves nothing behind when onError itself throws", () => {
  const floating = floatingEvent("packet").carrying<Named>();
  const set = Registrations.empty<Flow>()
    .with("packet", "sender", (_flow, event) => {
      raise(event, floating, { name: "lost" });
      throw new ConfigurationError("callback");
    })
    .with(floating, "sender", (flow, event) => flow.log.push(event.payload.name));
  const flow: Flow = { log: [], says: {} };
  const onError = (error: unknown): void => {
    throw error;
  };
  assert.throws(() => set.run(Slot.packetSender, flow, events.packet, onError), ConfigurationError);
  assert.deepEqual(run(set), ["lost", "! ConfigurationError: callback"].reverse());
});
