import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import type { EventName, Hook } from "./events.ts";
import { SLOT_COUNT, Slot, slotOf } from "./slot.ts";

const LEGAL: readonly [EventName, Hook, number][] = [
  ["packet", "sender", Slot.packetSender],
  ["packet", "receiver", Slot.packetReceiver],
  ["packet", "none", Slot.packetNone],
  ["connectionStart", "sender", Slot.connectionStartSender],
  ["connectionStart", "receiver", Slot.connectionStartReceiver],
  ["established", "sender", Slot.establishedSender],
  ["established", "receiver", Slot.establishedReceiver],
  ["stateChange", "sender", Slot.stateChangeSender],
  ["stateChange", "receiver", Slot.stateChangeReceiver],
  ["newData", "none", Slot.newData],
  ["retransmission", "receiver", Slot.retransmission],
  ["gap", "none", Slot.gap],
  ["outOfWindow", "receiver", Slot.outOfWindow],
  ["bufferOverrun", "none", Slot.bufferOverrun],
  ["orphan", "none", Slot.orphan],
  ["connectionEnd", "sender", Slot.connectionEndSender],
  ["connectionEnd", "receiver", Slot.connectionEndReceiver],
  ["connectionEnd", "none", Slot.connectionEnd],
  ["timeout", "none", Slot.timeout],
];

test("slotOf() gives every legal pair a bit of its own in a small integer", () => {
  assert.deepEqual(
    LEGAL.map(([event, hook]) => slotOf(event, hook)),
    LEGAL.map(([, , slot]) => slot),
  );
  const slots = LEGAL.map(([, , slot]) => slot).sort((a, b) => a - b);
  assert.deepEqual(
    slots,
    Array.from({ length: SLOT_COUNT }, (_, index) => index),
  );
  assert.deepEqual(
    slots,
    Object.values(Slot).sort((a, b) => a - b),
  );
  assert.ok(SLOT_COUNT <= 30);
});

test("slotOf() refuses every other pair and names the hooks that there are", () => {
  for (const event of new Set(LEGAL.map(([name]) => name))) {
    for (const hook of ["sender", "receiver", "none", "both", "__proto__", "toString"]) {
      if (LEGAL.some((pair) => pair[0] === event && pair[1] === hook)) continue;
      assert.throws(() => slotOf(event, hook as Hook), ConfigurationError, `${event} ${hook}`);
    }
  }
  assert.throws(() => slotOf("newData", "sender"), {
    message: "Cannot listen to newData at hook sender: it is met at none only",
  });
  assert.throws(() => slotOf("newdata" as EventName, "none"), {
    message: /^Cannot listen to newdata: there is no such event; the events are packet, /,
  });
  assert.throws(() => slotOf("constructor" as EventName, "none"), ConfigurationError);
});
