/**
 * What the types of events let through and what they refuse: most of it is checked by the compiler alone.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TcpState } from "../tcp/state.ts";
import type { AnyCallback } from "./dispatch.ts";
import { raise } from "./dispatch.ts";
import type { CommonEvent, Hook, RangeEvent, RetransmissionEvent } from "./events.ts";
import { Registrations } from "./registrations.ts";
import type { AnyEvent, Callback, DefineEvent, EventOf, HooksOf } from "./user-event.ts";
import { defineEvent, floatingEvent, UserEvent } from "./user-event.ts";

interface Flow<Context = unknown> {
  readonly context: Context;
}

interface Hello {
  readonly serverName: string;
}

/** As a monitor declares it. */
class Monitor<F> {
  readonly calls: [event: unknown, hook: Hook, callback: AnyCallback<F>][] = [];

  on<const E extends AnyEvent<F>>(event: E, hook: HooksOf<E>, callback: Callback<E, F>): void {
    this.calls.push([event, hook, callback]);
  }
}

/** Equal, not only assignable. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

const define: DefineEvent<Flow> = defineEvent;
const monitor = new Monitor<Flow<number>>();

test("on() takes the legal hooks of built-in events and types what their callbacks are told", () => {
  monitor.on("packet", "sender", (flow, event) => {
    const checks: [Same<typeof event, CommonEvent>, Same<typeof flow, Flow<number>>] = [true, true];
    return checks;
  });
  monitor.on("newData", "none", (_flow, event) => event.lengthBytes);
  monitor.on("stateChange", "receiver", (_flow, event): TcpState => event.to);
  // @ts-expect-error: data is new to neither side
  monitor.on("newData", "sender", () => undefined);
  // @ts-expect-error: a retransmission shows at the receiver only
  monitor.on("retransmission", "sender", () => undefined);
  // @ts-expect-error: every connection starts at two ends
  monitor.on("connectionStart", "none", () => undefined);
  // @ts-expect-error: no such event
  monitor.on("newdata", "none", () => undefined);
  // @ts-expect-error: packets have no range
  monitor.on("packet", "sender", (_flow, event) => event.offset);
  monitor.on("newData", "none", (_flow, event) => {
    // @ts-expect-error: nobody changes an event
    event.offset = 1;
  });
  assert.equal(monitor.calls.length, 9);
});

const large = define("newData", (_flow, event) => event.lengthBytes > 1000);
const hello = define(large, (_flow, event): Hello | undefined =>
  event.offset === 0 ? { serverName: "example.com" } : undefined,
);
const known = define(hello, (_flow, event) => event.payload.serverName !== "");
const answer = define("retransmission", (_flow, event) => event.content === "different" && { event });

test("defineEvent() gives the hooks and the event of the root at any depth", () => {
  const checks: [
    Same<HooksOf<typeof large>, "none">,
    Same<HooksOf<typeof known>, "none">,
    Same<HooksOf<typeof answer>, "receiver">,
    Same<EventOf<typeof large>, RangeEvent>,
  ] = [true, true, true, true];
  assert.equal(checks.length, 4);
  monitor.on(known, "none", (_flow, event) => event.lengthBytes);
  // @ts-expect-error: its root is newData
  monitor.on(known, "sender", () => undefined);
  // @ts-expect-error: its root is retransmission
  monitor.on(answer, "none", () => undefined);
});

test("defineEvent() types the payload, and that of events below which bring none", () => {
  monitor.on(hello, "none", (_flow, event) => {
    const check: Same<typeof event.payload, Hello> = true;
    return check;
  });
  monitor.on(known, "none", (_flow, event): string => event.payload.serverName);
  monitor.on(answer, "receiver", (_flow, event): RetransmissionEvent => event.payload.event);
  // @ts-expect-error: it has no payload
  monitor.on(large, "none", (_flow, event) => event.payload);
  // @ts-expect-error: a number says neither yes nor no
  define("packet", (_flow, event) => event.now);
  // @ts-expect-error: packets have no range
  define("packet", (_flow, event) => event.offset === 0);
  // @ts-expect-error: no such event
  assert.throws(() => define("packets", () => true));
  assert.ok(hello instanceof UserEvent);
});

test("defineEvent() keeps apart events for flows of different kinds", () => {
  const counted: DefineEvent<Flow<number>> = defineEvent;
  const many = counted("packet", (flow) => flow.context > 3);
  monitor.on(many, "sender", () => undefined);
  const other = new Monitor<Flow<string>>();
  // @ts-expect-error: the predicate reads a number
  other.on(many, "sender", () => undefined);
  other.on(large, "none", (flow) => flow.context.length);
  // @ts-expect-error: a narrower event below one for any flow is one for narrower flows
  define(many, () => true);
});

test("floatingEvent() and raise() agree about the payload and the root", () => {
  const request = floatingEvent("newData").carrying<Hello>();
  const plain = floatingEvent(large);
  define("newData", (_flow, event) => {
    raise(event, request, { serverName: "example.com" });
    raise(event, plain);
    // @ts-expect-error: it carries a Hello
    raise(event, request);
    // @ts-expect-error: it carries a Hello
    raise(event, request, { name: "example.com" });
    // @ts-expect-error: it carries nothing
    raise(event, plain, {});
    return true;
  });
  define("packet", (_flow, event) => {
    // @ts-expect-error: a packet has not what newData tells
    raise(event, plain);
    return true;
  });
  monitor.on(request, "none", (_flow, event): string => event.payload.serverName);
  // @ts-expect-error: its root is newData
  monitor.on(request, "receiver", () => undefined);
});

test("Registrations.with() is as strict", () => {
  const set = Registrations.empty<Flow>().with(known, "none", (_flow, event) => event.payload.serverName);
  assert.equal(set.count, 1);
  // @ts-expect-error: data is new to neither side
  assert.throws(() => set.with("newData", "sender", () => undefined));
});
