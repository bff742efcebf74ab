import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import {
  COUNTER_NAMES,
  COUNTERS_BYTES,
  NAME_BYTES_MAX,
  NAMED_COUNT_MAX,
  OTHER_NAME,
  ScriptCounters,
  sumCounters,
} from "./counters.ts";

describe("ScriptCounters", () => {
  it("add() counts each name for itself, and read() of the same memory sees it", () => {
    const counters = new ScriptCounters();
    for (const [index, name] of COUNTER_NAMES.entries()) counters.add(name, index + 1);
    counters.add("packets");
    const { fixed } = new ScriptCounters(counters.memory).read();
    assert.deepEqual(
      Object.values(fixed),
      COUNTER_NAMES.map((_, index) => (index === 0 ? 2 : index + 1)),
    );
  });

  it("add() is exact beyond 32 bits, and takes away as well", () => {
    const counters = new ScriptCounters();
    counters.add("bytes", 2 ** 40);
    counters.add("bytes", 1);
    counters.add("held", 3);
    counters.add("held", -1);
    const { fixed } = counters.read();
    assert.deepEqual([fixed.bytes, fixed.held], [2 ** 40 + 1, 2]);
  });

  it("named() gives the same counter for the same name, and its text to readers", () => {
    const counters = new ScriptCounters();
    counters.named("blocked").add();
    counters.named("größe 😀").add(5);
    counters.named("blocked").add(2);
    assert.equal(counters.named("blocked").value, 3);
    assert.deepEqual(
      [...new ScriptCounters(counters.memory).read().named],
      [
        ["blocked", 3],
        ["größe 😀", 5],
      ],
    );
  });

  it("named() counts on in the memory of a thread that ended", () => {
    const first = new ScriptCounters();
    first.named("a").add(1);
    first.named("x".repeat(100)).add(2);
    const second = new ScriptCounters(first.memory);
    second.named("a").add(1);
    second.named("y".repeat(100)).add(2);
    assert.deepEqual(
      [...second.read().named],
      [
        ["a", 2],
        [OTHER_NAME, 4],
      ],
    );
  });

  it("named() counts in (other) what comes after the last place or is too long", () => {
    const counters = new ScriptCounters();
    counters.named("n".repeat(NAME_BYTES_MAX)).add();
    counters.named("n".repeat(NAME_BYTES_MAX + 1)).add();
    for (let index = 0; index < NAMED_COUNT_MAX + 50; index++) counters.named(`name ${index}`).add();
    const { named } = counters.read();
    assert.equal(named.size, NAMED_COUNT_MAX);
    assert.equal(named.get("n".repeat(NAME_BYTES_MAX)), 1);
    // 256 + 50 + 2 counts in all, 255 of them under names of their own.
    assert.equal(named.get(OTHER_NAME), NAMED_COUNT_MAX + 52 - (NAMED_COUNT_MAX - 1));
  });

  it("refuses memory that is too small", () => {
    assert.throws(() => new ScriptCounters(new SharedArrayBuffer(COUNTERS_BYTES - 1)), ConfigurationError);
  });

  it("sumCounters() adds up the threads, by their names", () => {
    const threads = [new ScriptCounters(), new ScriptCounters()];
    for (const [index, counters] of threads.entries()) {
      counters.add("drop", index + 1);
      counters.named("both").add(10);
      counters.named(`only ${index}`).add();
    }
    const { fixed, named } = sumCounters(threads.map((counters) => counters.read()));
    assert.deepEqual([fixed.drop, fixed.accept], [3, 0]);
    assert.deepEqual(Object.fromEntries(named), { both: 20, "only 0": 1, "only 1": 1 });
  });
});
