/**
 * The flows that are followed: records of 192 bytes in one piece of memory, found by a keyed hash of their ends from
 * either direction, and given up when nothing was seen of them for as long as their timeout class says.
 *
 * Words are read as signed: on a 64-bit machine every signed word is a small integer, while an unsigned one above
 * 2^31 would become an object wherever it is kept. Sequence arithmetic is `(a - b) | 0` either way; write `x >>> 0`
 * where a word leaves the engine as a number.
 *
 * Nothing of the memory is resident before it is used: rows come first from those given back last, then from the
 * front. With its place in the hash's buckets an idle flow costs at most 208 bytes.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { Layers } from "../layers/layers.ts";
import { GENERATION_SHIFT } from "./flags.ts";
import type { HashKey } from "./flow-hash.ts";
import { hashLayers, hashRecord } from "./flow-hash.ts";
import * as record from "./record.ts";
import type { Expired } from "./timer-wheel.ts";
import { FREE, TimerWheel } from "./timer-wheel.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { RECORD_WORDS, Word } = record;

/** More rows than these cannot be counted in bytes by small integers: 2^31 / 192. */
export const FLOW_COUNT_LIMIT = 11_184_810;

/** One generation of a row, and the bits that hold them. */
const GENERATION: number = 1 << GENERATION_SHIFT;
const GENERATION_MASK: number = -GENERATION;
const PROTOCOL_BYTE = Word.bytes * 4;
const TIMEOUT_CLASS_BYTE = Word.bytes * 4 + 3;
const TIMEOUT_CLASS_COUNT = 256;

/** What a table is made with; `now` in milliseconds since 1970. */
export interface FlowTableOptions {
  /** From 1 to {@link FLOW_COUNT_LIMIT}. */
  readonly flowCountMax: number;
  /** Random, and another one for each table. */
  readonly hashKey: HashKey;
  /** By timeout class; at most 256. */
  readonly timeouts: readonly Duration[];
  readonly now: number;
}

/** Rows are numbers from 0 to `flowCountMax` - 1; {@link Word} says what is where in a row. */
export class FlowTable {
  /** All records; row `r` begins at word `r * RECORD_WORDS`. */
  readonly words: Int32Array;
  /** The same memory as doubles and as bytes. */
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
  readonly flowCountMax: number;
  /** Who sent what {@link find} looked for last and found: 0 the client, 1 the server. */
  direction: 0 | 1 = 0;
  /** The hash of what {@link find} looked for last, found or not. */
  soughtHash = 0;
  readonly #wheel: TimerWheel;
  readonly #timeouts: Float64Array;
  readonly #key0: number;
  readonly #key1: number;
  /** The first row in each bucket plus 1, so that memory never written to means an empty one. */
  readonly #buckets: Int32Array;
  readonly #bucketMask: number;
  #count = 0;
  /** Rows from here on were never used. */
  #unusedRow = 0;
  /** The row given back last, -1 for none. */
  #freeRow = -1;

  /** @throws ConfigurationError for a size or timeouts that cannot be; LimitExceededError when there is no memory. */
  constructor(options: FlowTableOptions) {
    const { flowCountMax, hashKey, timeouts, now } = options;
    if (!(Number.isInteger(flowCountMax) && flowCountMax >= 1 && flowCountMax <= FLOW_COUNT_LIMIT)) {
      throw new ConfigurationError(
        `Cannot make a flow table: flowCountMax is ${flowCountMax}, wanted 1 to ${FLOW_COUNT_LIMIT}`,
      );
    }
    if (timeouts.length < 1 || timeouts.length > TIMEOUT_CLASS_COUNT || timeouts.some((t) => !(t >= 0))) {
      throw new ConfigurationError(
        `Cannot make a flow table: timeouts are [${timeouts.join(", ")}], wanted 1 to 256 that are not negative`,
      );
    }
    const memory = reserve(flowCountMax * RECORD_WORDS * 4);
    this.words = new Int32Array(memory);
    this.numbers = new Float64Array(memory);
    this.bytes = new Uint8Array(memory);
    this.flowCountMax = flowCountMax;
    this.#key0 = hashKey[0] | 0;
    this.#key1 = hashKey[1] | 0;
    // At most half full, so that a flow that is there is nearly always the first in its bucket.
    const bucketCount = 2 ** Math.ceil(Math.log2(flowCountMax * 2));
    this.#buckets = new Int32Array(bucketCount);
    this.#bucketMask = bucketCount - 1;
    this.#timeouts = new Float64Array(TIMEOUT_CLASS_COUNT);
    this.#timeouts.set(timeouts);
    const { words, numbers, bytes } = this;
    this.#wheel = new TimerWheel({ words, numbers, bytes, timeouts: this.#timeouts }, now);
  }

  /** How many flows there are. */
  get count(): number {
    return this.#count;
  }

  /** The row of the flow that the packet belongs to, and sets {@link direction}; -1 when there is none. */
  find(layers: Layers): number {
    const words = this.words;
    const source = layers.source3 | 0;
    const target = layers.target3 | 0;
    const { sourcePort, targetPort, protocol } = layers;
    const ports = (sourcePort << 16) | targetPort;
    const portsBack = (targetPort << 16) | sourcePort;
    const encapsulation = layers.encapsulation | 0;
    const isIpv6 = layers.version === 4 ? 0 : 1;
    const hash = hashLayers(layers, this.#key0, this.#key1);
    this.soughtHash = hash;
    let row = (this.#buckets[hash & this.#bucketMask] as number) - 1;
    while (row >= 0) {
      const base = row * RECORD_WORDS;
      const chain = words[base + Word.chain] as number;
      if (
        ((words[base + Word.bytes] as number) & 0xff) === protocol &&
        words[base + Word.encapsulation] === encapsulation &&
        (chain & 1) === isIpv6
      ) {
        const held = words[base + Word.ports] as number;
        const client = words[base + Word.client + 3] as number;
        const server = words[base + Word.server + 3] as number;
        // Who has sent a packet nobody can guess, the processor neither: one decision for both directions.
        const there = (client ^ source) | (server ^ target) | (held ^ ports);
        const back = (client ^ target) | (server ^ source) | (held ^ portsBack);
        if (there === 0 || back === 0) {
          // Where both ends are the same, so are both directions: it is the client's.
          const direction = ((Math.clz32(there) >> 5) ^ 1) as 0 | 1;
          if (isIpv6 === 0 || hasPrefixes(words, base, layers, direction)) return this.#found(row, direction);
          if (there === back && hasPrefixes(words, base, layers, 1)) return this.#found(row, 1);
        }
      }
      row = chain >> 1;
    }
    return -1;
  }

  /**
   * A new flow, whose client is the packet's sender, or its receiver when `reversed`; -1 when the table is full. The
   * rest of its record is 0. The caller has looked: a flow that is there already would be there twice.
   * @param hash {@link soughtHash} where it has looked for this packet and no other since
   */
  add(
    layers: Layers,
    reversed: boolean,
    now: number,
    timeoutClass: number,
    hash: number = hashLayers(layers, this.#key0, this.#key1),
  ): number {
    const row = this.#takeRow();
    if (row < 0) return -1;
    const { words, numbers } = this;
    const base = row * RECORD_WORDS;
    const generation = (words[base + Word.flags] as number) & GENERATION_MASK;
    numbers.fill(0, base >> 1, (base + RECORD_WORDS) >> 1);
    words[base + Word.flags] = generation;
    const source = base + (reversed ? Word.server : Word.client);
    const target = base + (reversed ? Word.client : Word.server);
    words[source] = layers.source0;
    words[source + 1] = layers.source1;
    words[source + 2] = layers.source2;
    words[source + 3] = layers.source3;
    words[target] = layers.target0;
    words[target + 1] = layers.target1;
    words[target + 2] = layers.target2;
    words[target + 3] = layers.target3;
    const { sourcePort, targetPort } = layers;
    words[base + Word.ports] = reversed ? (targetPort << 16) | sourcePort : (sourcePort << 16) | targetPort;
    words[base + Word.encapsulation] = layers.encapsulation;
    this.bytes[base * 4 + PROTOCOL_BYTE] = layers.protocol;
    this.bytes[base * 4 + TIMEOUT_CLASS_BYTE] = timeoutClass;
    numbers[(base + Word.firstSeen) >> 1] = now;
    numbers[(base + Word.lastSeen) >> 1] = now;
    const bucket = hash & this.#bucketMask;
    const next = (this.#buckets[bucket] as number) - 1;
    words[base + Word.chain] = (next << 1) | (layers.version === 4 ? 0 : 1);
    this.#buckets[bucket] = row + 1;
    this.#wheel.link(row);
    this.#count++;
    return row;
  }

  /** Ends a flow; its row is the next to be used again. Harmless for a row that is not in use. */
  remove(row: number): void {
    if (!this.has(row)) return;
    this.#wheel.unlink(row);
    this.#unchain(row);
    const { words } = this;
    const base = row * RECORD_WORDS;
    words[base + Word.timerPrevious] = FREE;
    words[base + Word.flags] = ((words[base + Word.flags] as number) & GENERATION_MASK) + GENERATION;
    words[base + Word.chain] = this.#freeRow;
    this.#freeRow = row;
    this.#count--;
  }

  /** Whether the row holds a flow. */
  has(row: number): boolean {
    return row >= 0 && row < this.#unusedRow && this.words[row * RECORD_WORDS + Word.timerPrevious] !== FREE;
  }

  /** The flow moves to another timeout class, e.g. from attempt to established. */
  setTimeoutClass(row: number, timeoutClass: number): void {
    const at = row * RECORD_WORDS * 4 + TIMEOUT_CLASS_BYTE;
    const before = this.#timeouts[this.bytes[at] as number] as number;
    this.bytes[at] = timeoutClass;
    // A later deadline is seen when the old slot's time comes; an earlier one must not wait for that.
    if ((this.#timeouts[timeoutClass] as number) >= before) return;
    this.#wheel.unlink(row);
    this.#wheel.link(row);
  }

  /** When the flow times out unless it is seen again, in milliseconds since 1970. */
  deadline(row: number): number {
    return this.#wheel.deadline(row);
  }

  /** 4 or 6: the version of IP that the flow's packets have. */
  version(row: number): 4 | 6 {
    return ((this.words[row * RECORD_WORDS + Word.chain] as number) & 1) === 0 ? 4 : 6;
  }

  /**
   * Calls `expired` for every flow whose `lastSeen` and timeout have passed, at the end of the tick (64 ms) in which they
   * did, the ticks in order. It may remove the flow, or any other. A flow that it keeps is scheduled again: by its
   * deadline, where `lastSeen` or the class was changed, else it is told of again a tick after `now`. Time that goes back
   * is no time. Gaps of years cost as much as what is due in them.
   */
  advance(now: number, expired: Expired): void {
    this.#wheel.advance(now, expired);
  }

  /** Before then, in milliseconds since 1970, {@link advance} has nothing to do. */
  get quietUntil(): number {
    return this.#wheel.tickEnd;
  }

  /**
   * Called by `expired`: the present {@link advance} ends at the tick of `at`, so that what is due then can be seen to
   * before later flows; the next advance goes on from there.
   */
  pause(at: number): void {
    this.#wheel.pause(at);
  }

  /**
   * The row that would time out next, -1 when there is none: to the tick for what is due within about nine minutes,
   * else to about nine minutes, among those the one that was scheduled first.
   */
  soonest(): number {
    return this.#wheel.soonest();
  }

  /** All rows in use, in no order; flows may be removed meanwhile, and added ones may be missed. */
  *rows(): IterableIterator<number> {
    for (let row = 0; row < this.#unusedRow; row++) if (this.has(row)) yield row;
  }

  #found(row: number, direction: 0 | 1): number {
    this.direction = direction;
    return row;
  }

  #takeRow(): number {
    const row = this.#freeRow;
    if (row >= 0) {
      this.#freeRow = this.words[row * RECORD_WORDS + Word.chain] as number;
      return row;
    }
    return this.#unusedRow < this.flowCountMax ? this.#unusedRow++ : -1;
  }

  #unchain(row: number): void {
    const { words } = this;
    const base = row * RECORD_WORDS;
    const chain = words[base + Word.chain] as number;
    const bucket = hashRecord(words, base, (chain & 1) === 1, this.#key0, this.#key1) & this.#bucketMask;
    let before = (this.#buckets[bucket] as number) - 1;
    if (before === row) {
      this.#buckets[bucket] = (chain >> 1) + 1;
      return;
    }
    while (before >= 0) {
      const at = before * RECORD_WORDS + Word.chain;
      const next = words[at] as number;
      if (next >> 1 === row) {
        words[at] = (chain & ~1) | (next & 1);
        return;
      }
      before = next >> 1;
    }
  }
}

/** Whether the upper three words of both addresses are the record's. */
function hasPrefixes(words: Int32Array, base: number, layers: Layers, direction: 0 | 1): boolean {
  const source = base + (direction === 0 ? Word.client : Word.server);
  const target = base + (direction === 0 ? Word.server : Word.client);
  return (
    words[source] === (layers.source0 | 0) &&
    words[source + 1] === (layers.source1 | 0) &&
    words[source + 2] === (layers.source2 | 0) &&
    words[target] === (layers.target0 | 0) &&
    words[target + 1] === (layers.target1 | 0) &&
    words[target + 2] === (layers.target2 | 0)
  );
}

function reserve(lengthBytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(lengthBytes);
  } catch (cause) {
    throw new LimitExceededError(
      `Cannot make a flow table: there is no address space for ${lengthBytes} bytes; take a lower flowCountMax`,
      { cause },
    );
  }
}
