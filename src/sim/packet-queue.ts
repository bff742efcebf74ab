/**
 * A packet queue whose packets a test pushes and whose outcomes it looks at. Batches come as microtasks, so
 * that several packets pushed in a row come together.
 * @module
 */
import { type MetanetError, UnavailableError } from "#base/errors.ts";
import {
  COPY_RANGE_BYTES_MAX,
  checkHeldDecision,
  checkPacketQueueOptions,
  type HeldDecision,
  PACKET_BATCH_COUNT_MAX,
  PACKET_HEADROOM_BYTES,
  type PacketBatch,
  PacketChange,
  PacketFamily,
  PacketHook,
  type PacketQueue,
  type PacketQueueOptions,
  type PacketQueueStatistics,
  PacketVerdict,
  QUEUE_LENGTH_DEFAULT,
} from "#io/packet-queue.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { Deliveries } from "./deliveries.ts";

/** Room behind a packet for a longer one. */
const TAILROOM_BYTES = 1024;

/** A packet on its way into the queue; what is absent is as on a forwarded IP packet without a mark. */
export interface SimPacket {
  readonly bytes: Uint8Array;
  readonly mark?: number;
  readonly conntrackMark?: number;
  /** One of `PacketHook`. */
  readonly hook?: number;
  readonly inInterface?: number;
  readonly outInterface?: number;
  /** Bits of `PacketFlag`. */
  readonly packetFlags?: number;
}

/** What became of a packet, in the order of the verdicts. */
export interface SimPacketOutcome {
  /** 0 for one that nobody saw because the queue was full. */
  readonly id: number;
  readonly verdict: number;
  readonly bytes: Uint8Array;
  readonly mark: number;
  readonly conntrackMark: number;
}

interface Waiting {
  readonly id: number;
  readonly packet: SimPacket;
  isDelivered: boolean;
}

export interface SimPacketQueueOptions extends PacketQueueOptions {
  /** As on Linux: half of the queue's length at first. */
  readonly heldCountMax?: number;
}

export class SimPacketQueue implements PacketQueue {
  readonly queueNumber: number;
  readonly #options: Required<SimPacketQueueOptions>;
  readonly #strideBytes: number;
  readonly #columns: QueueColumns;
  readonly #waiting = new Map<number, Waiting>();
  readonly #held = new Set<number>();
  readonly #outcomes: SimPacketOutcome[] = [];
  readonly #counts = {
    receivedCount: 0,
    queueDroppedCount: 0,
    userDroppedCount: 0,
    malformedCount: 0,
    refusedCount: 0,
    excessCount: 0,
  };
  #lastId = 0;
  #consumer: ((batch: PacketBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;
  readonly #deliveries = new Deliveries(() => this.#deliver());
  #isClosed = false;

  /** @throws what `checkPacketQueueOptions` throws */
  constructor(options: SimPacketQueueOptions) {
    checkPacketQueueOptions(options);
    const queueLengthMax = options.queueLengthMax ?? QUEUE_LENGTH_DEFAULT;
    this.queueNumber = options.queueNumber;
    this.#options = {
      copyRangeBytes: COPY_RANGE_BYTES_MAX,
      queueLengthMax,
      failOpen: false,
      segmented: false,
      conntrack: false,
      heldCountMax: Math.ceil(queueLengthMax / 2),
      ...options,
    };
    this.#strideBytes = PACKET_HEADROOM_BYTES + this.#options.copyRangeBytes + TAILROOM_BYTES;
    const slab = new Uint8Array(PACKET_BATCH_COUNT_MAX * this.#strideBytes);
    this.#columns = new QueueColumns(slab, PACKET_BATCH_COUNT_MAX);
  }

  /** What became of the packets so far. */
  get outcomes(): readonly SimPacketOutcome[] {
    return this.#outcomes;
  }

  /** The packets that went on, as they left. */
  get passed(): readonly SimPacketOutcome[] {
    return this.#outcomes.filter(({ verdict }) => verdict !== PacketVerdict.drop);
  }

  /** Brings packets to the queue. */
  push(...packets: readonly SimPacket[]): void {
    for (const packet of packets) {
      if (this.#isClosed || this.#waiting.size >= this.#options.queueLengthMax) {
        if (!this.#options.failOpen) this.#counts.queueDroppedCount++;
        this.#finish(0, packet, { verdict: this.#defaultVerdict });
        continue;
      }
      const id = ++this.#lastId;
      this.#waiting.set(id, { id, packet, isDelivered: false });
    }
    this.#deliveries.plan();
  }

  /** Reports what a kernel would: that it refused something. */
  trouble(message: string): void {
    this.#counts.refusedCount++;
    this.#onTrouble?.(new UnavailableError(message));
  }

  start(onBatch: (batch: PacketBatch) => void): void {
    this.#consumer = onBatch;
    this.#deliveries.plan();
  }

  pause(): void {
    this.#deliveries.pause();
  }

  resume(): void {
    this.#deliveries.resume();
  }

  decide(id: number, decision: HeldDecision): boolean {
    checkHeldDecision(decision);
    if (this.#isClosed || !this.#held.delete(id)) return false;
    this.#settle(id, decision);
    return true;
  }

  flush(): void {
    // Decisions take effect at once here.
  }

  statistics(): PacketQueueStatistics {
    return { waitingCount: this.#waiting.size, heldCount: this.#held.size, ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(verdict: number = PacketVerdict.drop): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held.clear();
    for (const id of [...this.#waiting.keys()]) this.#settle(id, { verdict });
  }

  get #defaultVerdict(): number {
    return this.#options.failOpen ? PacketVerdict.accept : PacketVerdict.drop;
  }

  #deliver(): void {
    if (this.#isClosed || this.#consumer === undefined) return;
    const fresh = [...this.#waiting.values()].filter(({ isDelivered }) => !isDelivered);
    const batch = fresh.slice(0, PACKET_BATCH_COUNT_MAX);
    if (batch.length === 0) return;
    for (const [row, waiting] of batch.entries()) this.#fill(row, waiting);
    this.#columns.count = batch.length;
    this.#counts.receivedCount += batch.length;
    this.#deliveries.plan();
    try {
      this.#consumer(this.#columns);
    } finally {
      if (!this.#isClosed) for (const [row, waiting] of batch.entries()) this.#judge(row, waiting);
    }
  }

  #fill(row: number, waiting: Waiting): void {
    const columns = this.#columns;
    const { bytes, mark = 0, hook = PacketHook.forward, packetFlags = 0 } = waiting.packet;
    const { inInterface = 0, outInterface = 0, conntrackMark = 0 } = waiting.packet;
    waiting.isDelivered = true;
    columns.clear(row, this.#defaultVerdict);
    const start = row * this.#strideBytes + PACKET_HEADROOM_BYTES;
    const captured = bytes.subarray(0, this.#options.copyRangeBytes);
    const isSix = (bytes[0] ?? 0) >> 4 === 6;
    columns.bytes.set(captured, start);
    columns.id[row] = waiting.id;
    columns.offset[row] = start;
    columns.newOffset[row] = start;
    columns.lengthBytes[row] = captured.length;
    columns.fullLengthBytes[row] = bytes.length;
    columns.limit[row] = (row + 1) * this.#strideBytes;
    columns.family[row] = isSix ? PacketFamily.ipv6 : PacketFamily.ipv4;
    columns.etherType[row] = isSix ? 0x86dd : 0x0800;
    columns.hook[row] = hook;
    columns.mark[row] = mark;
    columns.inInterface[row] = inInterface;
    columns.outInterface[row] = outInterface;
    columns.packetFlags[row] = packetFlags;
    if (this.#options.conntrack) this.#fillConntrack(row, start + captured.length, conntrackMark);
  }

  /** One attribute, the mark, where the kernel has the whole connection. */
  #fillConntrack(row: number, at: number, conntrackMark: number): void {
    const columns = this.#columns;
    const start = (at + 3) & ~3;
    // Length and type are in the machine's order, so a column of the same order writes them.
    columns.bytes.set(new Uint8Array(Uint16Array.of(8, CTA_MARK).buffer), start);
    columns.view.setUint32(start + 4, conntrackMark);
    columns.conntrackOffset[row] = start;
    columns.conntrackLengthBytes[row] = 8;
    columns.conntrackState[row] = 0;
  }

  #judge(row: number, { id, packet }: Waiting): void {
    const columns = this.#columns;
    const [start = 0, lengthBytes = 0] = [columns.newOffset[row], columns.newLengthBytes[row]];
    const [verdict = 0, changes = 0] = [columns.verdict[row], columns.changes[row]];
    if (verdict === PacketVerdict.hold && this.#held.size < this.#options.heldCountMax) {
      this.#held.add(id);
      return;
    }
    const isWhole = packet.bytes.length <= this.#options.copyRangeBytes;
    const isInside = start >= row * this.#strideBytes && start + lengthBytes <= (columns.limit[row] ?? 0);
    if (verdict === PacketVerdict.hold || (lengthBytes !== 0 && !(isWhole && isInside))) {
      this.#counts.excessCount++;
      this.#settle(id, { verdict: this.#defaultVerdict });
      return;
    }
    const { newMark, newConntrackMark, bytes } = columns;
    this.#settle(id, {
      verdict,
      ...(changes & PacketChange.mark ? { mark: newMark[row] ?? 0 } : {}),
      ...(changes & PacketChange.conntrackMark ? { conntrackMark: newConntrackMark[row] ?? 0 } : {}),
      ...(lengthBytes === 0 ? {} : { bytes: bytes.slice(start, start + lengthBytes) }),
    });
  }

  #settle(id: number, decision: HeldDecision): void {
    const packet = this.#waiting.get(id)?.packet;
    this.#waiting.delete(id);
    if (packet !== undefined) this.#finish(id, packet, decision);
  }

  #finish(id: number, packet: SimPacket, decision: HeldDecision): void {
    const changed: SimPacket = {
      ...packet,
      bytes: (decision.bytes ?? packet.bytes).slice(),
      mark: decision.mark ?? packet.mark ?? 0,
      conntrackMark: decision.conntrackMark ?? packet.conntrackMark ?? 0,
    };
    if (decision.verdict === PacketVerdict.repeat) {
      this.push(changed);
      return;
    }
    const { bytes, mark = 0, conntrackMark = 0 } = changed;
    this.#outcomes.push({ id, verdict: decision.verdict, bytes, mark, conntrackMark });
  }
}

/** The attribute of `wire/conntrack.ts`. */
const CTA_MARK = 8;
