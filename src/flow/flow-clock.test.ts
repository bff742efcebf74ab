import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "#base/time.ts";
import { layersOf } from "../../test/support/flow-layers.ts";
import { FlowClock } from "./flow-clock.ts";
import { FlowTable } from "./table/flow-table.ts";

const START = 1_700_000_000_000;
const YEAR = 365 * 86_400_000;

/** A clock over a table that writes down what happens: who, and the time then, since {@link START}. */
class World {
  readonly time = { now: 0 };
  readonly told: [what: string, at: number][] = [];
  readonly table = new FlowTable({
    flowCountMax: 8,
    hashKey: [1, 2],
    timeouts: [seconds(10), seconds(30)],
    now: 0,
  });
  readonly clock = new FlowClock(this.table, (row, deadline) => this.expire(row, deadline), 16);
  whenExpired: (deadline: number) => void = () => undefined;

  constructor() {
    this.advance(0);
  }

  expire(row: number, deadline: number): void {
    this.tell(`flow ${row}`);
    this.table.remove(row);
    this.whenExpired(deadline);
  }

  tell(what: string): void {
    this.told.push([what, this.time.now - START]);
  }

  add(timeoutClass = 0): void {
    const source = { address: this.table.count, port: 1 };
    const layers = layersOf({ source, target: { address: 9, port: 2 } });
    this.table.add(layers, false, this.time.now, timeoutClass);
  }

  set(since: number, what: string): void {
    this.clock.set(START + since, () => this.tell(what));
  }

  advance(since: number): void {
    this.clock.advance(START + since, this.time);
  }
}

describe("FlowClock.advance()", () => {
  it("goes with the packets and never back; equal stamps are no step back", () => {
    const world = new World();
    const seen = [5, 5, 3, 4, 6, -YEAR, Number.NaN, 7].map((since) => {
      world.advance(since);
      return world.time.now - START;
    });
    assert.deepEqual(seen, [5, 5, 5, 5, 6, 6, 6, 7]);
    assert.equal(world.clock.backwardCount, 3);
  });

  it("runs flows and timers in the order of their times, each at its own, before the packet", () => {
    const world = new World();
    world.add();
    world.add(1);
    world.set(40_000, "last");
    world.set(20_000, "middle");
    world.set(5000, "first");
    world.advance(4999);
    assert.deepEqual(world.told, []);
    world.advance(100_000);
    assert.deepEqual(world.told, [
      ["first", 5000],
      ["flow 0", 10_000],
      ["middle", 20_000],
      ["flow 1", 30_000],
      ["last", 40_000],
    ]);
    assert.equal(world.time.now, START + 100_000);
  });

  it("fires a timer at its very millisecond, though no tick ends then", () => {
    const world = new World();
    world.advance(1000.25);
    world.set(1003.5, "a");
    world.advance(1003.4);
    assert.equal(world.told.length, 0);
    world.advance(1003.5);
    assert.deepEqual(world.told, [["a", 1003.5]]);
  });

  it("runs what a flow's end or a timer sets within a gap in its turn", () => {
    const world = new World();
    world.add();
    world.add(1);
    world.whenExpired = (deadline) => world.set(deadline - START + 5000, "after a flow");
    world.clock.set(START + 12_000, () => {
      world.tell("timer");
      world.set(13_000, "after a timer");
    });
    world.advance(2 * YEAR);
    assert.deepEqual(world.told, [
      ["flow 0", 10_000],
      ["timer", 12_000],
      ["after a timer", 13_000],
      ["after a flow", 15_000],
      ["flow 1", 30_000],
      ["after a flow", 35_000],
    ]);
    assert.equal(world.time.now, START + 2 * YEAR);
  });

  it("lets time pass between the rounds of an action that sets itself again at once", () => {
    const world = new World();
    const again = (): void => {
      world.tell("again");
      world.clock.set(0, again);
    };
    world.clock.set(Number.NaN, again);
    world.advance(3);
    assert.deepEqual(world.told, [
      ["again", 1],
      ["again", 2],
      ["again", 3],
    ]);
  });

  it("leaves out a timer that is cancelled by an earlier one", () => {
    const world = new World();
    const timer = world.clock.set(START + 20, () => world.tell("cancelled"));
    world.clock.set(START + 10, () => timer.cancel());
    world.set(30, "kept");
    world.advance(50);
    assert.deepEqual(world.told, [["kept", 30]]);
    assert.equal(world.clock.timerCount, 0);
  });

  it("goes on after an action that throws", () => {
    const world = new World();
    world.clock.set(START + 10, () => assert.fail("from an action"));
    world.set(20, "next");
    assert.throws(() => world.advance(50), /from an action/);
    world.advance(50);
    assert.deepEqual(world.told, [["next", 20]]);
  });
});

describe("FlowClock.after()", () => {
  it("counts from the first packet while there was none, and from now on behind it", () => {
    const table = new FlowTable({ flowCountMax: 8, hashKey: [1, 2], timeouts: [seconds(10)], now: 0 });
    const clock = new FlowClock(table, () => undefined, 16);
    const time = { now: 0 };
    const told: number[] = [];
    const tick = (): void => {
      told.push(time.now - START);
      if (told.length < 3) clock.after(1000, tick);
    };
    clock.after(1000, tick);
    clock.after(1500, tick).cancel();
    for (const at of [0, 999, 1000, 2500, 9000]) clock.advance(START + at, time);
    assert.deepEqual(told, [1000, 2000, 3000]);
  });
});
