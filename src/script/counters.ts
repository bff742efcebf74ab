/**
 * What a script has done, counted in shared memory: one thread writes, any other reads at any time, without a message.
 *
 * Each count is an aligned float64, exact to 2^53, which no machine that Node runs on stores in two halves. A reader
 * may see one count of a packet and not yet another: sums may be off by the packets that are just being handled.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { decodeUtf8, encodeUtf8 } from "#base/utf8.ts";
import { describeValue } from "./faults.ts";
import { VERDICT_KINDS, type VerdictKind } from "./verdict.ts";

/** What is counted of every script; the verdicts go by their kinds. `held` goes down as well. */
export type CounterName =
  | "packets"
  | "bytes"
  | VerdictKind
  | "errors"
  | "timeouts"
  | "overflows"
  | "bypassed"
  | "held"
  | "sent"
  | "deferred";

/** All of them, in the order of their places in the memory. */
export const COUNTER_NAMES: readonly CounterName[] = [
  "packets",
  "bytes",
  ...VERDICT_KINDS,
  "errors",
  "timeouts",
  "overflows",
  "bypassed",
  "held",
  "sent",
  "deferred",
];

/** How many names of its own a script can count by; the next ones count together in {@link OTHER_NAME}. */
export const NAMED_COUNT_MAX = 256;
/** Bytes of the longest name in UTF-8; longer ones count in {@link OTHER_NAME}. */
export const NAME_BYTES_MAX = 55;
/** Where whatever finds no place of its own is counted. */
export const OTHER_NAME = "(other)";

const INDEX = Object.freeze(
  Object.fromEntries(COUNTER_NAMES.map((name, index) => [name, index])) as Record<CounterName, number>,
);
// The fixed counts, then how many names there are, then one slot for each name: count, length, text.
const NAME_COUNT_AT = COUNTER_NAMES.length;
const SLOTS_AT = NAME_COUNT_AT + 1;
const SLOT_BYTES = 8 + 1 + NAME_BYTES_MAX;
/** Bytes of one script's counters. */
export const COUNTERS_BYTES: number = 8 * SLOTS_AT + SLOT_BYTES * NAMED_COUNT_MAX;

/** All counts at one moment, or the sum of several threads'. */
export interface CounterReading {
  readonly fixed: Readonly<Record<CounterName, number>>;
  /** By the script's own names, in the order of their first use. */
  readonly named: ReadonlyMap<string, number>;
}

/** One count by a name of the script's own. */
export class NamedCounter {
  readonly #numbers: Float64Array;
  readonly #index: number;

  constructor(numbers: Float64Array, index: number) {
    this.#numbers = numbers;
    this.#index = index;
  }

  /** What this thread has counted. */
  get value(): number {
    return this.#numbers[this.#index] as number;
  }

  /** @throws TypeError for what is no finite number. */
  add(count = 1): void {
    if (!Number.isFinite(count)) throw new TypeError(`Cannot count ${describeValue(count)}: not a number`);
    this.#numbers[this.#index] = (this.#numbers[this.#index] as number) + count;
  }
}

/** The counters of one script in one thread, over memory that others read. */
export class ScriptCounters {
  /** Hand this to whoever reads. */
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #named = new Map<string, NamedCounter>();
  #other: NamedCounter | undefined;

  /** @throws ConfigurationError when the memory is too small. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(COUNTERS_BYTES)) {
    if (memory.byteLength < COUNTERS_BYTES) {
      throw new ConfigurationError(
        `Cannot count in ${memory.byteLength} bytes: a script's counters take ${COUNTERS_BYTES}`,
      );
    }
    this.memory = memory;
    this.#numbers = new Float64Array(memory);
    this.#bytes = new Uint8Array(memory);
    // A thread that takes over the memory of one that ended counts on under the same names.
    for (const [index, name] of this.#names().entries()) {
      const counter = new NamedCounter(this.#numbers, slotAt(index));
      if (name === OTHER_NAME) this.#other = counter;
      else this.#named.set(name, counter);
    }
  }

  add(name: CounterName, count = 1): void {
    const index = INDEX[name];
    this.#numbers[index] = (this.#numbers[index] as number) + count;
  }

  /** The counter of this name, made on its first use; see {@link NAMED_COUNT_MAX} for those past the last. */
  named(name: string): NamedCounter {
    const known = this.#named.get(name);
    if (known) return known;
    // The last place is kept for the others.
    if (name !== OTHER_NAME && this.#named.size < NAMED_COUNT_MAX - 1) {
      const text = encodeUtf8(name);
      if (text.length <= NAME_BYTES_MAX) {
        const counter = this.#make(text);
        this.#named.set(name, counter);
        return counter;
      }
    }
    this.#other ??= this.#make(encodeUtf8(OTHER_NAME));
    return this.#other;
  }

  read(): CounterReading {
    const fixed = {} as Record<CounterName, number>;
    for (const [index, name] of COUNTER_NAMES.entries()) fixed[name] = this.#numbers[index] as number;
    const named = new Map<string, number>();
    for (const [index, name] of this.#names().entries()) {
      named.set(name, this.#numbers[slotAt(index)] as number);
    }
    return { fixed, named };
  }

  #make(text: Uint8Array): NamedCounter {
    const index = this.#numbers[NAME_COUNT_AT] as number;
    const at = 8 * slotAt(index) + 8;
    this.#bytes[at] = text.length;
    this.#bytes.set(text, at + 1);
    // Last, so that a reader does not meet a name that is half written.
    this.#numbers[NAME_COUNT_AT] = index + 1;
    return new NamedCounter(this.#numbers, slotAt(index));
  }

  #names(): string[] {
    const count = Math.min(this.#numbers[NAME_COUNT_AT] as number, NAMED_COUNT_MAX);
    return Array.from({ length: count }, (_, index) => {
      const at = 8 * slotAt(index) + 8;
      // A copy, as decoders take no shared memory.
      return decodeUtf8(this.#bytes.slice(at + 1, at + 1 + (this.#bytes[at] as number))) ?? "";
    });
  }
}

/** The sums of the counters of one script in several threads. */
export function sumCounters(readings: readonly CounterReading[]): CounterReading {
  const fixed = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as Record<CounterName, number>;
  const named = new Map<string, number>();
  for (const reading of readings) {
    for (const name of COUNTER_NAMES) fixed[name] += reading.fixed[name];
    for (const [name, count] of reading.named) named.set(name, (named.get(name) ?? 0) + count);
  }
  return { fixed, named };
}

/** The float64 of a name's slot. */
function slotAt(index: number): number {
  return SLOTS_AT + (index * SLOT_BYTES) / 8;
}
