import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Duration } from "#base/time.ts";
import { hours, milliseconds, minutes, seconds } from "#base/time.ts";
import { layersOf } from "../../../test/support/flow-layers.ts";
import { FlowTable } from "./flow-table.ts";
import { RECORD_WORDS, Word } from "./record.ts";
import { TICK } from "./timer-wheel.ts";

const NOW = 1_700_000_000_000;
const DAY = 24 * hours(1);
const YEAR = 365 * DAY;

/** A table and what its time does. */
class World {
  readonly table: FlowTable;
  /** What expired: the row, its deadline, and when it was told, all since {@link NOW}. */
  readonly told: { row: number; deadline: number; at: number }[] = [];
  #now = NOW;

  constructor(timeouts: readonly Duration[], flowCountMax = 64) {
    this.table = new FlowTable({ flowCountMax, hashKey: [1, 2], timeouts, now: NOW });
  }

  add(timeoutClass = 0): number {
    const source = { address: this.table.count, port: 1 };
    const layers = layersOf({ source, target: { address: 0x7f00_0001, port: 2 } });
    return this.table.add(layers, false, this.#now, timeoutClass);
  }

  seen(row: number): void {
    this.table.numbers[(row * RECORD_WORDS + Word.lastSeen) >> 1] = this.#now;
  }

  /** Goes to `since` after the start; flows that are due are removed unless `kept` says otherwise. */
  advance(since: number, kept: (row: number, deadline: number) => boolean = () => false): void {
    this.#now = NOW + since;
    this.table.advance(this.#now, (row, deadline) => {
      this.told.push({ row, deadline: deadline - NOW, at: since });
      if (!kept(row, deadline)) this.table.remove(row);
    });
  }
}

describe("FlowTable.advance()", () => {
  it("tells of a flow no earlier than its deadline and no later than a tick after it", () => {
    const timeouts = [0, 1, 63, 64, 65, 5000, 30_000, 524_287, 524_288, 1_048_576, 5 * DAY, 7 * DAY, YEAR];
    for (const timeout of timeouts) {
      const world = new World([milliseconds(timeout)]);
      world.advance(1000);
      world.add();
      world.advance(1000 + timeout - 1);
      assert.deepEqual(world.told, [], `${timeout} ms`);
      world.advance(1000 + timeout + TICK);
      assert.deepEqual(world.told, [{ row: 0, deadline: 1000 + timeout, at: 1000 + timeout + TICK }]);
      assert.equal(world.table.count, 0);
    }
  });

  it("reads lastSeen when the time comes: a flow that is seen again lives on", () => {
    const world = new World([seconds(30)]);
    const row = world.add();
    for (let since = 20_000; since <= 600_000; since += 20_000) {
      world.advance(since);
      world.seen(row);
    }
    assert.equal(world.told.length, 0);
    world.advance(600_000 + 30_000 - 1);
    assert.equal(world.told.length, 0);
    world.advance(600_000 + 30_000 + TICK);
    assert.equal(world.told[0]?.deadline, 630_000);
  });

  it("is not held up by a long-lived flow in front of the others", () => {
    const world = new World([seconds(30)]);
    const longLived = world.add();
    const others = [world.add(), world.add(), world.add()];
    for (let since = 1000; since <= 31_000; since += 1000) {
      world.seen(longLived);
      world.advance(since);
    }
    assert.deepEqual(
      world.told.map(({ row, deadline, at }) => [row, deadline, at]),
      others.map((row) => [row, 30_000, 31_000]),
    );
  });

  it("tells in order of time, tick by tick, also over a gap of years", () => {
    const timeouts = [9 * DAY, YEAR, 3, minutes(5), hours(3), 100 * DAY, minutes(10), 2000, seconds(59)];
    const world = new World(timeouts.map(milliseconds));
    for (const timeoutClass of timeouts.keys()) world.add(timeoutClass);
    world.advance(30 * YEAR);
    assert.deepEqual(
      world.told.map(({ deadline }) => deadline),
      timeouts.toSorted((left, right) => left - right),
    );
  });

  it("crosses a thousand years in no time, empty or not", () => {
    const world = new World([minutes(5), (2000 * YEAR) as Duration]);
    world.advance(1000 * YEAR);
    world.add();
    world.add(1);
    world.advance(2000 * YEAR);
    assert.deepEqual(
      world.told.map(({ deadline }) => deadline),
      [1000 * YEAR + minutes(5)],
    );
    world.advance(3001 * YEAR);
    assert.equal(world.table.count, 0);
  });

  it("never tells of a flow whose timeout is infinite", () => {
    const world = new World([Number.POSITIVE_INFINITY as Duration]);
    const row = world.add();
    world.advance(100 * YEAR);
    assert.deepEqual([world.told.length, world.table.soonest()], [0, row]);
  });

  it("lets no time pass when it goes back", () => {
    const world = new World([seconds(1)]);
    world.advance(10_000);
    world.add();
    world.advance(-YEAR);
    world.advance(9000);
    world.advance(11_000 - 1);
    assert.deepEqual(world.told, []);
    world.advance(11_000 + TICK);
    assert.equal(world.told.length, 1);
  });

  it("schedules a flow again that is kept: by its new lastSeen, else once each time", () => {
    const world = new World([seconds(10)]);
    const row = world.add();
    world.advance(35_000, (_, deadline) => {
      world.table.numbers[(row * RECORD_WORDS + Word.lastSeen) >> 1] = deadline;
      return true;
    });
    assert.deepEqual(
      world.told.map(({ deadline }) => deadline),
      [10_000, 20_000, 30_000],
    );
    const keep = (): boolean => true;
    world.advance(YEAR, keep);
    assert.equal(world.told.length, 4);
    world.advance(YEAR + TICK, keep);
    assert.equal(world.told.length, 5);
    world.advance(YEAR + 2 * TICK);
    assert.deepEqual([world.told.length, world.table.count], [6, 0]);
  });

  it("may remove, add and move flows while it tells", () => {
    const world = new World([seconds(10), minutes(1)]);
    const rows = Array.from({ length: 6 }, () => world.add());
    const told: number[] = [];
    world.table.advance(NOW + 11_000, (row) => {
      told.push(row);
      // The neighbours on both sides go, one more moves to a longer class, and a new one takes the row.
      world.table.remove(rows[2]!);
      world.table.remove(rows[0]!);
      world.table.setTimeoutClass(rows[4]!, 1);
      if (told.length === 1) world.add();
    });
    assert.deepEqual(told, [rows[0], rows[1], rows[3], rows[5]]);
    assert.ok(world.table.has(rows[4]!));
  });

  it("stays whole when it is left by an exception", () => {
    const world = new World([seconds(10)]);
    for (let index = 0; index < 3; index++) world.add();
    const thrown = new Error("from a handler");
    assert.throws(() => {
      world.table.advance(NOW + 20_000, () => {
        throw thrown;
      });
    }, thrown);
    world.advance(20_000 + TICK);
    assert.deepEqual(world.told.map(({ row }) => row).sort(), [0, 1, 2]);
    assert.equal(world.table.soonest(), -1);
  });
});

describe("FlowTable.setTimeoutClass()", () => {
  it("brings a deadline forward at once, and puts it off", () => {
    const world = new World([seconds(30), minutes(60), seconds(5)]);
    const [shorter, longer] = [world.add(1), world.add(0)];
    world.table.setTimeoutClass(shorter, 2);
    world.table.setTimeoutClass(longer, 1);
    assert.deepEqual(
      [world.table.deadline(shorter), world.table.deadline(longer)],
      [NOW + 5000, NOW + 3_600_000],
    );
    world.advance(60_000);
    assert.deepEqual(
      world.told.map(({ row, deadline }) => [row, deadline]),
      [[shorter, 5000]],
    );
    world.advance(hours(1) + TICK);
    assert.equal(world.told[1]?.row, longer);
  });
});

describe("FlowTable.soonest()", () => {
  it("gives one row after the other by their deadlines, with what was seen meanwhile", () => {
    const world = new World([seconds(30), minutes(5), hours(2), seconds(1)]);
    const rows = [3, 2, 1, 0, 0].map((timeoutClass) => world.add(timeoutClass));
    world.advance(900);
    world.seen(rows[0]!);
    world.advance(1600);
    world.seen(rows[3]!);
    const order = [];
    for (let row = world.table.soonest(); row >= 0; row = world.table.soonest()) {
      order.push(row);
      world.table.remove(row);
    }
    assert.deepEqual(order, [rows[0], rows[4], rows[3], rows[2], rows[1]]);
    assert.deepEqual(world.told, []);
  });

  it("gives the first of those that are all due in hours, and again after its removal", () => {
    const world = new World([hours(100)]);
    const rows = [];
    for (let index = 0; index < 10; index++) {
      world.advance(index * minutes(20));
      rows.push(world.add());
    }
    for (const row of rows) {
      assert.equal(world.table.soonest(), row);
      world.table.remove(row);
    }
  });

  it("is quick in a flood: a full table replaces its oldest attempts and looks at few others", () => {
    const flowCountMax = 4096;
    const table = new FlowTable({
      flowCountMax,
      hashKey: [3, 4],
      timeouts: [seconds(30), minutes(1)],
      now: NOW,
    });
    const target = { address: 1, port: 80 };
    const packet = layersOf({ source: { address: 2, port: 0 }, target });
    const held: number[] = [];
    for (let index = 0; index < 100; index++) {
      packet.source3 = 0x0b00_0000 + index;
      held.push(table.add(packet, false, NOW, 1));
    }
    let now = NOW;
    for (let index = 0; index < 200_000; index++) {
      now += 0.1;
      table.advance(now, assert.fail);
      for (const row of index % 100 === 0 ? held : []) {
        table.numbers[(row * RECORD_WORDS + Word.lastSeen) >> 1] = now;
      }
      packet.source3 = 0x0c00_0000 + index;
      if (table.count === flowCountMax) {
        const row = table.soonest();
        assert.ok(table.deadline(row) < now + 30_000);
        table.remove(row);
      }
      assert.ok(table.add(packet, false, now, 0) >= 0);
    }
    for (const row of held) assert.ok(table.has(row));
  });
});
