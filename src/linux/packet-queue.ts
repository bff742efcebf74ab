/**
 * {@link PacketQueue} on Linux: netfilter's queue over netlink. A wake-up reads batch after batch into one
 * slab; each is one call of the consumer, and its verdicts leave with one system call. Works in any thread.
 * @module
 */
import { getSystemErrorName } from "node:util";
import type { MetanetError } from "#base/errors.ts";
import {
  COPY_RANGE_BYTES_MAX,
  checkHeldDecision,
  checkPacketQueueOptions,
  type HeldDecision,
  PACKET_BATCH_COUNT_MAX,
  PACKET_HEADROOM_BYTES,
  type PacketBatch,
  PacketChange,
  type PacketQueue,
  type PacketQueueOptions,
  type PacketQueueStatistics,
  PacketVerdict,
  QUEUE_LENGTH_DEFAULT,
} from "#io/packet-queue.ts";
import {
  decodeQueued,
  encodeVerdict,
  MESSAGE_OVERHEAD_BYTES,
  PLAIN_VERDICT_BYTES,
  Queued,
  VERDICT_HEADER_BYTES,
  writePlainVerdict,
} from "#wire/nfqueue.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { native, RECEIVE_WORDS } from "./native.ts";
import { openQueueDescriptor, QueueTable, releaseAll } from "./packet-queue-descriptor.ts";
import { HeldVerdicts } from "./packet-queue-held.ts";
import { VerdictPieces } from "./packet-queue-verdicts.ts";
import { Reading } from "./reading.ts";
import { SystemCallError } from "./system-error.ts";

/** Batches of one wake-up at most; then the rest of the event loop has its turn. */
const ROUND_COUNT_MAX = 16;
/** After so many wake-ups of one packet each, nobody asks for a second one. */
const SINGLE_COUNT_MIN = 16;
/** In front of every slot: what a packet may grow by, and the head of its verdict. A multiple of 64. */
const GAP_BYTES = PACKET_HEADROOM_BYTES + VERDICT_HEADER_BYTES + 32;
/** A verdict for every packet of a batch, and one for what could not be read. */
const SCRATCH_BYTES = 2 * PACKET_BATCH_COUNT_MAX * PLAIN_VERDICT_BYTES;

export interface LinuxPacketQueueOptions extends PacketQueueOptions {
  /**
   * A descriptor that {@link openQueueDescriptor} gave with the same options, in this thread or another. It
   * stays with its owner, who closes it. Absent: the queue opens its own.
   */
  readonly descriptor?: number;
  /** Packets held at most; half of the queue's length at first. One more gets the queue's default verdict. */
  readonly heldCountMax?: number;
}

export class LinuxPacketQueue implements PacketQueue {
  readonly queueNumber: number;
  readonly #fd: number;
  readonly #reading: Reading;
  readonly #ownsDescriptor: boolean;
  readonly #defaultVerdict: number;
  readonly #heldCountMax: number;
  readonly #slotBytes: number;
  /** The slab from its first slot on. */
  readonly #slots: Uint8Array;
  readonly #scratchStart: number;
  readonly #columns: QueueColumns;
  readonly #received = new Int32Array(PACKET_BATCH_COUNT_MAX * RECEIVE_WORDS);
  readonly #pieces: VerdictPieces;
  readonly #held: HeldVerdicts;
  readonly #table = new QueueTable();
  readonly #counts = { receivedCount: 0, malformedCount: 0, refusedCount: 0, excessCount: 0 };
  #scratchEnd: number;
  /** Wake-ups that brought one packet and nothing behind it, since the last one that brought more. */
  #singleCount = 0;
  #consumer: ((batch: PacketBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;
  #isFlushPlanned = false;

  /** @throws what `openQueueDescriptor` throws */
  constructor(options: LinuxPacketQueueOptions) {
    checkPacketQueueOptions(options);
    const { queueNumber, copyRangeBytes = COPY_RANGE_BYTES_MAX, failOpen = false } = options;
    this.queueNumber = queueNumber;
    this.#defaultVerdict = failOpen ? PacketVerdict.accept : PacketVerdict.drop;
    this.#heldCountMax =
      options.heldCountMax ?? Math.ceil((options.queueLengthMax ?? QUEUE_LENGTH_DEFAULT) / 2);
    this.#fd = options.descriptor ?? openQueueDescriptor(options);
    this.#ownsDescriptor = options.descriptor === undefined;
    // Slots at multiples of 64 bytes, so that packets lie alike in the processor's cache lines.
    this.#slotBytes = (copyRangeBytes + MESSAGE_OVERHEAD_BYTES + 63) & ~63;
    const strideBytes = this.#slotBytes + GAP_BYTES;
    this.#scratchStart = GAP_BYTES + PACKET_BATCH_COUNT_MAX * strideBytes;
    this.#scratchEnd = this.#scratchStart;
    const slab = new Uint8Array(this.#scratchStart + SCRATCH_BYTES);
    this.#slots = slab.subarray(GAP_BYTES);
    this.#columns = new QueueColumns(slab, PACKET_BATCH_COUNT_MAX);
    this.#pieces = new VerdictPieces(this.#fd, slab, 2 * PACKET_BATCH_COUNT_MAX);
    this.#held = new HeldVerdicts(this.#fd, queueNumber);
    this.#reading = new Reading(this.#fd, (events) => this.#onReadable(events));
  }

  start(onBatch: (batch: PacketBatch) => void): void {
    this.#consumer = onBatch;
    this.#reading.start();
  }

  pause(): void {
    this.#reading.pause();
  }

  resume(): void {
    this.#reading.resume();
  }

  decide(id: number, decision: HeldDecision): boolean {
    checkHeldDecision(decision);
    if (this.#reading.isEnded || !this.#held.has(id)) return false;
    this.#report("give a verdict", this.#held.decide(id, decision));
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      queueMicrotask(() => this.flush());
    }
    return true;
  }

  flush(): void {
    this.#isFlushPlanned = false;
    if (!this.#reading.isEnded) this.#report("give a verdict", this.#held.flush());
  }

  statistics(): PacketQueueStatistics {
    const { waitingCount, queueDroppedCount, userDroppedCount } = this.#table.read(this.queueNumber);
    const heldCount = this.#held.count;
    return { waitingCount, heldCount, queueDroppedCount, userDroppedCount, ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(verdict: number = PacketVerdict.drop): void {
    if (this.#reading.isEnded) return;
    this.flush();
    this.#reading.end();
    this.#table.close();
    if (!this.#ownsDescriptor) {
      this.#held.decideAll(verdict);
      return;
    }
    try {
      // The kernel drops what waits when the descriptor goes.
      if (verdict !== PacketVerdict.drop) releaseAll(this.#fd, this.queueNumber, verdict);
    } finally {
      native().close(this.#fd);
    }
  }

  #onReadable(events: number): void {
    if (events < 0) {
      this.#report("read", events);
      return;
    }
    for (let round = 0; round < ROUND_COUNT_MAX && this.#reading.isWanted; round++) {
      const count = native().receiveBatch(
        this.#fd,
        this.#slots,
        this.#received,
        this.#slotBytes,
        0,
        GAP_BYTES,
      );
      if (count <= 0) {
        if (round === 1) this.#singleCount++;
        this.#report("read", count);
        return;
      }
      this.#decode(count);
      this.#consume();
      // Slow traffic: to ask whether there is more would be one more system call for each packet.
      if (count > 1) this.#singleCount = 0;
      else if (this.#singleCount >= SINGLE_COUNT_MIN) return;
    }
  }

  /** Fills the columns from what has come; what cannot be read gets the default verdict at once. */
  #decode(count: number): void {
    const columns = this.#columns;
    const strideBytes = this.#slotBytes + GAP_BYTES;
    let row = 0;
    for (let slot = 0; slot < count; slot++) {
      const start = GAP_BYTES + slot * strideBytes;
      columns.clear(row, this.#defaultVerdict);
      columns.limit[row] = start + this.#slotBytes;
      const lengthBytes = this.#received[slot * RECEIVE_WORDS] ?? 0;
      switch (decodeQueued(columns, row, start, start + lengthBytes)) {
        case Queued.packet:
          row++;
          break;
        case Queued.refusal:
          this.#counts.refusedCount++;
          this.#report(`give packet ${columns.id[row]} a verdict`, -(columns.mark[row] ?? 0));
          break;
        case Queued.malformedPacket:
          this.#addPlain(columns.id[row] ?? 0, this.#defaultVerdict, 0, false, false);
          this.#counts.malformedCount++;
          break;
        default:
          this.#counts.malformedCount++;
      }
    }
    columns.count = row;
    this.#counts.receivedCount += row;
  }

  #consume(): void {
    try {
      if (this.#columns.count > 0) this.#consumer?.(this.#columns);
    } finally {
      if (!this.#reading.isEnded) this.#giveVerdicts();
    }
  }

  #giveVerdicts(): void {
    const columns = this.#columns;
    // A verdict for a whole run would also be one for what was decided otherwise and has not left yet.
    this.flush();
    let runStart = 0;
    for (let row = 0; row < columns.count; row++) {
      this.#settle(row);
      if (row > runStart && this.#isSame(row, row - 1)) continue;
      this.#addRun(runStart, row);
      runStart = row;
    }
    this.#addRun(runStart, columns.count);
    this.#report("give verdicts", this.#pieces.send());
    this.#scratchEnd = this.#scratchStart;
  }

  /**
   * Makes out of a row that asks for what cannot be done one with the default verdict, and notes what is
   * held.
   */
  #settle(row: number): void {
    const columns = this.#columns;
    const newLengthBytes = columns.newLengthBytes[row] ?? 0;
    if (columns.verdict[row] === PacketVerdict.hold) {
      if (this.#held.count < this.#heldCountMax) {
        this.#held.add(columns.id[row] ?? 0);
        return;
      }
    } else if (newLengthBytes === 0) {
      return;
    } else {
      const isWhole = (columns.fullLengthBytes[row] ?? 0) <= (columns.lengthBytes[row] ?? 0);
      const end = (columns.newOffset[row] ?? 0) + newLengthBytes;
      if (isWhole && newLengthBytes > 0 && newLengthBytes <= COPY_RANGE_BYTES_MAX) {
        if (end <= (columns.limit[row] ?? 0)) return;
      }
    }
    this.#makeDefault(row);
  }

  #makeDefault(row: number): void {
    this.#counts.excessCount++;
    this.#columns.verdict[row] = this.#defaultVerdict;
    this.#columns.newLengthBytes[row] = 0;
    this.#columns.changes[row] = 0;
  }

  /** Whether two rows can be told with one message: both plain, and alike. */
  #isSame(row: number, other: number): boolean {
    const { verdict, changes, newMark } = this.#columns;
    return (
      this.#isPlain(row) &&
      this.#isPlain(other) &&
      verdict[row] === verdict[other] &&
      changes[row] === changes[other] &&
      (changes[row] === 0 || newMark[row] === newMark[other])
    );
  }

  #isPlain(row: number): boolean {
    const { verdict, newLengthBytes, changes } = this.#columns;
    return newLengthBytes[row] === 0 && ((changes[row] ?? 0) & ~PacketChange.mark) === 0
      ? verdict[row] !== PacketVerdict.hold
      : false;
  }

  /** The verdicts of rows that are alike. */
  #addRun(start: number, end: number): void {
    const columns = this.#columns;
    if (end === start || columns.verdict[start] === PacketVerdict.hold) return;
    if (!this.#isPlain(start)) {
      this.#addChanged(start);
    } else {
      const hasMark = ((columns.changes[start] ?? 0) & PacketChange.mark) !== 0;
      const last = columns.id[end - 1] ?? 0;
      const isBatch = end - start > 1 && !this.#held.hasBefore(last);
      for (let row = isBatch ? end - 1 : start; row < end; row++) {
        const [verdict = 0, mark = 0] = [columns.verdict[row], columns.newMark[row]];
        this.#addPlain(columns.id[row] ?? 0, verdict, mark, hasMark, isBatch);
      }
    }
  }

  #addChanged(row: number): void {
    const columns = this.#columns;
    const strideBytes = this.#slotBytes + GAP_BYTES;
    const floor = (columns.limit[row] ?? 0) - strideBytes;
    const start = encodeVerdict(columns, row, this.queueNumber, floor);
    if (start < 0) {
      this.#makeDefault(row);
      this.#addPlain(columns.id[row] ?? 0, this.#defaultVerdict, 0, false, false);
      return;
    }
    const end = (columns.newOffset[row] ?? 0) + (columns.newLengthBytes[row] ?? 0);
    this.#pieces.add(start, end - start);
  }

  #addPlain(id: number, verdict: number, mark: number, hasMark: boolean, isBatch: boolean): void {
    const { view } = this.#columns;
    const start = this.#scratchEnd;
    this.#scratchEnd = writePlainVerdict(view, start, this.queueNumber, id, verdict, mark, hasMark, isBatch);
    this.#pieces.addPlain(start, this.#scratchEnd);
  }

  #report(what: string, errno: number): void {
    if (errno < 0 && this.#onTrouble) {
      const error = new SystemCallError(
        `${what} at packet queue ${this.queueNumber}`,
        getSystemErrorName(errno),
      );
      this.#onTrouble(error);
    }
  }
}
