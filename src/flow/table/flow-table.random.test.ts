import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { hours, milliseconds, minutes, seconds } from "#base/time.ts";
import { answerOf, layersOf, type PacketEnds } from "../../../test/support/flow-layers.ts";
import { FlowTable } from "./flow-table.ts";
import { RECORD_WORDS, Word } from "./record.ts";
import { TICK } from "./timer-wheel.ts";

const TIMEOUTS = [milliseconds(0), seconds(1), seconds(30), minutes(5), minutes(20), hours(240)];
const STEPS = [0, 1, 20, 64, 1000, 60_000, 600_000, 100 * 86_400_000];
const FLOW_COUNT_MAX = 24;

interface Held {
  readonly row: number;
  readonly client: string;
  lastSeen: number;
  timeoutClass: number;
}

/** A table and what it should hold, by the ends of the flows as text. */
class Model {
  readonly table: FlowTable;
  readonly #random: SeededRandom;
  readonly #held = new Map<string, Held>();
  /** Rows that were kept though they were due, or whose class made them so: they have no order any more. */
  readonly #overdue = new Set<number>();
  #now: number;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#now = random.below(2) === 0 ? 0 : 1_700_000_000_000 + random.below(1_000_000) / 8;
    const hashKey = [random.word(), random.word()] as const;
    this.table = new FlowTable({ flowCountMax: FLOW_COUNT_MAX, hashKey, timeouts: TIMEOUTS, now: this.#now });
  }

  step(): void {
    const choice = this.#random.below(10);
    if (choice < 6) this.#packet();
    else if (choice < 7) this.#remove();
    else if (choice < 8) this.#reclass();
    else this.#advance();
    assert.equal(this.table.count, this.#held.size);
    this.#checkSoonest();
  }

  #packet(): void {
    const packet = randomPacket(this.#random);
    const row = this.table.find(layersOf(packet));
    const held = this.#held.get(keyOf(packet));
    assert.equal(row, held?.row ?? -1, JSON.stringify(packet));
    if (held !== undefined) {
      const client = textOf(packet.source) === held.client;
      assert.equal(this.table.direction, client ? 0 : 1);
      assert.equal(this.table.find(answerOf(packet)), row);
      assert.equal(this.table.direction, textOf(packet.target) === held.client ? 0 : 1);
      this.table.numbers[(row * RECORD_WORDS + Word.lastSeen) >> 1] = this.#now;
      held.lastSeen = this.#now;
      this.#overdue.delete(row);
      return;
    }
    const reversed = this.#random.below(2) === 1;
    const timeoutClass = this.#random.below(TIMEOUTS.length);
    const added = this.table.add(layersOf(packet), reversed, this.#now, timeoutClass);
    if (this.#held.size === FLOW_COUNT_MAX) {
      assert.equal(added, -1);
      return;
    }
    assert.ok(added >= 0 && added < FLOW_COUNT_MAX && !this.#rows().includes(added));
    const client = textOf(reversed ? packet.target : packet.source);
    this.#held.set(keyOf(packet), { row: added, client, lastSeen: this.#now, timeoutClass });
  }

  #remove(): void {
    const entry = this.#any();
    if (entry === undefined) return;
    this.table.remove(entry[1].row);
    this.#held.delete(entry[0]);
    this.#overdue.delete(entry[1].row);
    assert.deepEqual([...this.table.rows()], this.#rows());
  }

  #reclass(): void {
    const entry = this.#any();
    if (entry === undefined) return;
    entry[1].timeoutClass = this.#random.below(TIMEOUTS.length);
    this.table.setTimeoutClass(entry[1].row, entry[1].timeoutClass);
    if (deadlineOf(entry[1]) < this.#now) this.#overdue.add(entry[1].row);
  }

  #advance(): void {
    const step = STEPS[this.#random.below(STEPS.length)] as number;
    this.#now += step * this.#random.fraction();
    let tick = 0;
    this.table.advance(this.#now, (row, deadline) => {
      const entry = [...this.#held].find(([, held]) => held.row === row);
      assert.ok(entry !== undefined);
      assert.equal(deadline, deadlineOf(entry[1]));
      assert.ok(deadline <= this.#now, "not before its time");
      assert.ok(Math.floor(deadline / TICK) >= tick || this.#overdue.has(row), "in order");
      tick = Math.max(tick, Math.floor(deadline / TICK));
      this.#overdue.delete(row);
      if (this.#random.below(4) === 0) {
        this.#overdue.add(row);
        return;
      }
      this.table.remove(row);
      this.#held.delete(entry[0]);
    });
    for (const held of this.#held.values()) {
      const late = deadlineOf(held) + TICK <= Math.floor(this.#now / TICK) * TICK;
      assert.ok(!late || this.#overdue.has(held.row), "not long after its time");
    }
  }

  #checkSoonest(): void {
    const row = this.table.soonest();
    const near = [...this.#held.values()].filter((held) => deadlineOf(held) < this.#now + minutes(8));
    if (this.#held.size === 0) assert.equal(row, -1);
    if (near.length === 0) return;
    const first = Math.max(this.#now, Math.min(...near.map(deadlineOf)));
    const held = [...this.#held.values()].find((other) => other.row === row);
    assert.ok(held !== undefined);
    assert.ok(deadlineOf(held) <= first + TICK, `${deadlineOf(held)} before ${first}`);
  }

  #any(): [string, Held] | undefined {
    return [...this.#held][this.#random.below(this.#held.size)];
  }

  #rows(): number[] {
    return [...this.#held.values()].map(({ row }) => row).sort((left, right) => left - right);
  }
}

it("FlowTable agrees with a Map over random packets, removals, classes and times", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const model = new Model(new SeededRandom(seed));
    for (let step = 0; step < 400; step++) {
      try {
        model.step();
      } catch (cause) {
        throw new Error(`seed ${seed}, step ${step}`, { cause });
      }
    }
  }
});

function deadlineOf(held: Held): number {
  return held.lastSeen + (TIMEOUTS[held.timeoutClass] as number);
}

function textOf(end: PacketEnds["source"]): string {
  return `${end.address}:${end.port}`;
}

function keyOf(packet: PacketEnds): string {
  const ends = [textOf(packet.source), textOf(packet.target)].sort();
  return [...ends, packet.protocol, packet.version, packet.encapsulation].join(" ");
}

/** Of few values, so that flows meet, share halves and mirror each other. */
function randomPacket(random: SeededRandom): PacketEnds {
  const version = random.below(3) === 0 ? 6 : 4;
  const end = (): PacketEnds["source"] => ({
    address:
      version === 4
        ? 0xffff_fffe + random.below(2)
        : [0, 0, random.below(2) === 0 ? 0xffff : 0x8000_0000, 0xffff_ffff],
    port: random.below(3),
  });
  const protocol = random.below(2) === 0 ? 6 : 17;
  return { version, source: end(), target: end(), protocol, encapsulation: random.below(8) === 0 ? -5 : 0 };
}
