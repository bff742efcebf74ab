import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { EventName } from "./events.ts";
import type { UserEvent } from "./user-event.ts";
import { defineEvent, EVENT_DEPTH_MAX, floatingEvent } from "./user-event.ts";

test("defineEvent() gives the same event for the same parent and predicate", () => {
  const yes = (): boolean => true;
  const event = defineEvent("packet", yes);
  assert.equal(defineEvent("packet", yes), event);
  assert.notEqual(defineEvent("newData", yes), event);
  assert.notEqual(
    defineEvent("packet", () => true),
    event,
  );
  const below = defineEvent(event, yes);
  assert.notEqual(below, event);
  assert.equal(defineEvent(event, yes), below);
});

test("defineEvent() keeps the root at any depth, and refuses one event too deep", () => {
  let event: EventName | UserEvent = "retransmission";
  for (let depth = 1; depth <= EVENT_DEPTH_MAX; depth += 1) {
    const below: UserEvent = defineEvent(event as EventName, () => true);
    assert.deepEqual([below.root, below.depth], ["retransmission", depth]);
    event = below;
  }
  assert.throws(() => defineEvent(event, (_flow: never) => true), LimitExceededError);
  assert.throws(() => floatingEvent(event), LimitExceededError);
});

test("defineEvent() refuses what is no event and what is no predicate", () => {
  for (const parent of ["packets", "toString", undefined, null, 7, {}, Symbol("packet")]) {
    assert.throws(() => defineEvent(parent as EventName, () => true), ConfigurationError);
    assert.throws(() => floatingEvent(parent as EventName), ConfigurationError);
  }
  assert.throws(() => defineEvent("packet", "tcp port 80" as unknown as () => boolean), {
    name: "ConfigurationError",
    message: "Cannot define an event below packet: its predicate is string, wanted a function",
  });
});

test("floatingEvent() gives another event every time; carrying() is only about types", () => {
  const event = floatingEvent("packet");
  assert.notEqual(floatingEvent("packet"), event);
  assert.equal(event.carrying<{ code: number }>(), event);
});
