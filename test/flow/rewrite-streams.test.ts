/**
 * Two honest TCP ends whose bytes are changed on the way, over a path that drops, doubles and reorders: each receives
 * exactly the edited stream, and all that it sent is acknowledged.
 * @module
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { Flow } from "#flow/flow.ts";
import { SIDES, type Side } from "#flow/side.ts";
import { Packet } from "#packet/packet.ts";
import { TcpModel, Timeline } from "../support/tcp-model.ts";

/** Many times what the longest conversation takes. */
const STEP_COUNT_MAX = 200_000;
/** Segments of the monitor's own: each leads to more packets. */
const SEND_COUNT_MAX = 10;

interface Case {
  readonly seed: number;
  readonly version: 4 | 6;
  readonly sequences: readonly [number, number];
  readonly loss: number;
  readonly isSelective: boolean;
  readonly hasTimestamps: boolean;
  readonly sends: boolean;
  readonly insertMax: number;
}

interface Edit {
  readonly offset: number;
  readonly removed: number;
  readonly bytes: Uint8Array;
}

/** The path between two ends, with an engine in it that changes what passes. */
class World {
  readonly timeline = new Timeline();
  readonly random: SeededRandom;
  readonly streams: readonly [Uint8Array, Uint8Array];
  readonly ends: readonly [TcpModel, TcpModel];
  readonly edits: Record<Side, Edit[]> = { client: [], server: [] };
  readonly errors: unknown[] = [];
  readonly #case: Case;
  readonly #engine: FlowEngine;
  readonly #packet = new Packet();

  constructor(one: Case) {
    this.#case = one;
    this.random = new SeededRandom(one.seed);
    const streamOf = (): Uint8Array =>
      this.random.bytes(this.random.below(5) === 0 ? 0 : this.random.below(40_000));
    this.streams = [streamOf(), streamOf()];
    this.#engine = new FlowEngine({
      random: this.random,
      output: (packet) => this.#toEnd(Uint8Array.from(packet)),
      onError: (_monitor, error) => this.errors.push(error),
    });
    this.#monitor();
    const endOf = (side: 0 | 1): TcpModel =>
      new TcpModel({
        version: one.version,
        isClient: side === 0,
        initialSequence: one.sequences[side],
        stream: this.streams[side],
        random: this.random,
        timeline: this.timeline,
        maximumSegmentBytes: [536, 1460][this.random.below(2)] as number,
        windowBytes: [3000, 20_000, 65_535][this.random.below(3)] as number,
        isSelective: one.isSelective,
        hasTimestamps: one.hasTimestamps,
        output: (packet) => this.#travel(() => this.#handle(packet)),
      });
    this.ends = [endOf(0), endOf(1)];
  }

  #monitor(): void {
    const { random } = this;
    const monitor = this.#engine.monitor({ edits: true });
    monitor.on("newData", "none", (flow, { sender, offset, lengthBytes }) => {
      const planned = this.#plan(flow, sender, offset, lengthBytes);
      // What was planned is dropped with the packet, and planned anew when it comes again.
      if (random.below(50) === 0) flow.drop();
      else this.edits[sender].push(...planned);
    });
    if (!this.#case.sends) return;
    let sendCount = 0;
    monitor.on("packet", "receiver", (flow) => {
      if (sendCount >= SEND_COUNT_MAX || random.below(20) !== 0) return;
      const side = SIDES[random.below(2) as 0 | 1];
      const end = flow.end(side);
      const isReady = SIDES.every((each) => flow.end(each).state === "ESTABLISHED");
      if (!isReady || end.acknowledgement === 0 || flow.payloadBytes > 0) return;
      const bytes = random.bytes(1 + random.below(3000));
      end.send(bytes);
      sendCount++;
      this.edits[side].push({ offset: end.nextOffset, removed: 0, bytes });
    });
  }

  #plan(flow: Flow, sender: Side, offset: number, lengthBytes: number): Edit[] {
    const { random } = this;
    const planned: Edit[] = [];
    const end = flow.end(sender);
    for (let at = offset; at <= offset + lengthBytes; ) {
      at += random.below(3) === 0 ? 0 : random.below(900);
      const left = offset + lengthBytes - at;
      if (left < 0) break;
      const kind = random.below(4);
      const removed =
        kind === 0 || left === 0 ? 0 : 1 + random.below(random.below(3) === 0 ? left : Math.min(left, 50));
      const bytes = kind === 1 ? new Uint8Array(0) : random.bytes(1 + random.below(this.#case.insertMax));
      if (random.below(3) === 0 && (removed > 0 || bytes.length > 0)) {
        end.replace(at, removed, bytes);
        planned.push({ offset: at, removed, bytes });
      }
      at += removed + 1;
    }
    return planned;
  }

  /** A link: drops, doubles, and lets some take longer. */
  #travel(arrive: () => void): void {
    const { random } = this;
    if (random.below(100) < this.#case.loss) return;
    const delay = (): number => 10 + random.below(random.below(10) === 0 ? 40 : 3);
    this.timeline.after(delay(), arrive);
    if (random.below(30) === 0) this.timeline.after(delay(), arrive);
  }

  #handle(bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    const type = this.#case.version === 4 ? 0x0800 : 0x86dd;
    this.#packet.aim(new DataView(copy.buffer), 0, copy.length, type);
    this.#packet.time = 1e12 + this.timeline.now;
    const later: Uint8Array[] = [];
    this.#behind = later;
    const isPassing = this.#engine.handlePacket(this.#packet);
    this.#behind = undefined;
    if (isPassing) this.#toEnd(this.#packet.copy());
    for (const packet of later) this.#toEnd(packet);
  }

  #behind: Uint8Array[] | undefined;

  #toEnd(packet: Uint8Array): void {
    if (this.#behind !== undefined) {
      this.#behind.push(packet);
      return;
    }
    const isToClient = this.#case.version === 4 ? packet[19] === 1 : packet[39] === 1;
    this.#travel(() => this.ends[isToClient ? 0 : 1].take(packet));
  }

  run(): void {
    for (const end of this.ends) end.start();
    const tick = (): void => {
      this.#engine.advance(1e12 + this.timeline.now);
      if (!this.isDone) this.timeline.after(50, tick);
    };
    tick();
    for (let count = 0; count < STEP_COUNT_MAX && !this.isDone; count++) if (!this.timeline.step()) return;
  }

  get isDone(): boolean {
    return this.ends.every(({ hasEnd, isAcknowledged }) => hasEnd && isAcknowledged);
  }

  /** What a side's stream is for the other one. */
  expected(side: Side): Uint8Array {
    const stream = this.streams[side === "client" ? 0 : 1];
    const parts: Uint8Array[] = [];
    let at = 0;
    for (const { offset, removed, bytes } of this.edits[side]) {
      parts.push(stream.subarray(at, offset), bytes);
      at = offset + removed;
    }
    parts.push(stream.subarray(at));
    return Buffer.concat(parts);
  }
}

function caseOf(seed: number): Case {
  const random = new SeededRandom(seed);
  const sequences = [0, 1, 0x7fff_ff00, 0xffff_fff0, 0xffff_ff00, random.word()];
  return {
    seed,
    version: random.below(2) === 0 ? 4 : 6,
    sequences: [
      sequences[random.below(sequences.length)] as number,
      sequences[random.below(sequences.length)] as number,
    ],
    loss: [0, 2, 10][random.below(3)] as number,
    isSelective: random.below(2) === 0,
    hasTimestamps: random.below(2) === 0,
    sends: random.below(3) === 0,
    insertMax: [20, 300, 4000][random.below(3)] as number,
  };
}

/** One conversation, whole; how many edits were in it. */
function converse(one: Case): number {
  const world = new World(one);
  const about = JSON.stringify(one);
  try {
    world.run();
  } catch (error) {
    throw new Error(`${about} at ${world.timeline.now} ms`, { cause: error });
  }
  assert.deepEqual(world.errors, [], about);
  for (const side of SIDES) {
    const got = Buffer.from(world.ends[side === "client" ? 1 : 0].received);
    const wanted = world.expected(side);
    assert.ok(got.equals(wanted), `${about}: ${got.length} bytes of the ${side}, ${wanted.length} wanted`);
  }
  assert.ok(world.isDone, `${about}: not all was acknowledged`);
  return world.edits.client.length + world.edits.server.length;
}

describe("streams that are edited on their way", () => {
  const { METANET_SEED: first = "1", METANET_RUNS: count = "60" } = process.env;
  test(`${count} random conversations from seed ${first} on`, () => {
    let editCount = 0;
    for (let seed = Number(first); seed < Number(first) + Number(count); seed++)
      editCount += converse(caseOf(seed));
    assert.ok(editCount > Number(count) * 5, `${editCount} edits`);
  });
});
