/**
 * The buffers of those directions that need one: few, as bytes that come in order and are read at once need none.
 * @module
 */
import type { Dispatcher } from "./dispatcher.ts";
import type { FlowLimits, FlowPolicy } from "./policy.ts";
import type { Direction } from "./side.ts";
import { PagePool } from "./stream/page-pool.ts";
import { StreamBuffer } from "./stream/stream-buffer.ts";
import * as bits from "./table/flags.ts";
import type { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { RowFlag } = bits;
const { RECORD_WORDS, Word } = record;

/** Bytes of a page: small, for most flows that need one need little. */
const PAGE_BYTES = 2048;

/** Buffers that are asked for a page, where the memory is full. */
const RECLAIM_COUNT_MAX = 64;

/** Buffers without bytes that wait for the next direction. */
const SPARE_COUNT_MAX = 32;

/** The flag of a record that says that a direction has a buffer. */
export const BUFFER_FLAGS: readonly [client: 16, server: 32] = [RowFlag.clientBuffer, RowFlag.serverBuffer];

export class Streams {
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #policy: FlowPolicy;
  readonly #limits: FlowLimits;
  readonly #pool: PagePool;
  /** By row and direction: `row * 2 + direction`. */
  readonly #buffers = new Map<number, StreamBuffer>();
  /** The one asked for last, which a packet asks for several times; -1 for none. */
  #recentKey = -1;
  #recent: StreamBuffer | undefined;
  readonly #spare: StreamBuffer[] = [];

  constructor(table: FlowTable, dispatcher: Dispatcher, policy: FlowPolicy, limits: FlowLimits) {
    this.#table = table;
    this.#dispatcher = dispatcher;
    this.#policy = policy;
    this.#limits = limits;
    this.#pool = new PagePool({
      pageBytes: PAGE_BYTES,
      totalBytesMax: limits.totalBytesMax,
      reclaim: () => this.#reclaim(),
    });
  }

  /** Memory of all of them, in bytes of whole pages. */
  get heldBytes(): number {
    return this.#pool.usedBytes;
  }

  get(row: number, direction: Direction): StreamBuffer | undefined {
    const key = row * 2 + direction;
    if (key !== this.#recentKey) {
      this.#recent = this.#buffers.get(key);
      this.#recentKey = key;
    }
    return this.#recent;
  }

  /** The buffer of a direction; a new one begins at `startOffset`. */
  open(row: number, direction: Direction, startOffset: number): StreamBuffer {
    const known = this.get(row, direction);
    if (known !== undefined) return known;
    const { words } = this.#table;
    const base = row * RECORD_WORDS;
    const compares = ((words[base + Word.monitors] as number) & this.#dispatcher.comparing) !== 0;
    const buffer = this.#spare.pop() ?? this.#make();
    buffer.reopen(startOffset, compares ? this.#limits.compareBytes : 0);
    this.#buffers.set(row * 2 + direction, buffer);
    this.#recent = buffer;
    words[base + Word.flags] = (words[base + Word.flags] as number) | BUFFER_FLAGS[direction];
    return buffer;
  }

  #make(): StreamBuffer {
    const { streamBytesMax, segmentCountMax } = this.#limits;
    return new StreamBuffer({
      pool: this.#pool,
      policy: this.#policy.overlap,
      bytesMax: streamBytesMax,
      segmentCountMax,
      compareBytes: 0,
      startOffset: 0,
    });
  }

  /** Gives its memory back. */
  close(row: number, direction: Direction): void {
    const { words } = this.#table;
    const at = row * RECORD_WORDS + Word.flags;
    if (((words[at] as number) & BUFFER_FLAGS[direction]) === 0) return;
    words[at] = (words[at] as number) & ~BUFFER_FLAGS[direction];
    const buffer = this.get(row, direction);
    if (buffer === undefined) return;
    buffer.clear();
    this.#buffers.delete(row * 2 + direction);
    this.#recent = undefined;
    if (this.#spare.length < SPARE_COUNT_MAX) this.#spare.push(buffer);
  }

  /** The memory is full: whose turn it is gives up what it keeps for comparison only. False when nobody near it does. */
  #reclaim(): boolean {
    let left = RECLAIM_COUNT_MAX;
    for (const [key, buffer] of this.#buffers) {
      if (left-- === 0) return false;
      // Behind the others: its turn comes last now.
      this.#buffers.delete(key);
      this.#buffers.set(key, buffer);
      const before = this.#pool.usedBytes;
      buffer.forgetReleased();
      if (this.#pool.usedBytes < before) return true;
    }
    return false;
  }
}
