/**
 * One direction of an impaired link: packets come from a queue of the kernel, the model says what becomes of each, and
 * they leave at their time. What is forwarded waits in the kernel and is not copied unless it is duplicated or changed.
 * @module
 */
import { type Instant, instant } from "#base/time.ts";
import { type HeldDecision, type PacketBatch, PacketVerdict } from "#io/packet-queue.ts";
import type { Alarm } from "#linux/alarm.ts";
import type { Departure, Impairment } from "#script/impairment.ts";
import { TimeQueue } from "#script/time-queue.ts";

/** What a packet queue does for us. */
export interface DecidingQueue {
  start(onBatch: (batch: PacketBatch) => void): void;
  decide(id: number, decision: HeldDecision): boolean;
  flush(): void;
}

export interface DirectionOptions {
  readonly model: Impairment;
  readonly queue: DecidingQueue;
  readonly makeAlarm: (onRing: () => void) => Pick<Alarm, "now" | "ringAt" | "close">;
  /** How many packets may wait here; more are lost. */
  readonly countMax: number;
  /** What counts for the rate in front of the IP header. */
  readonly headerBytes: number;
  /** Whether a row of a batch is of this link; every one when absent. */
  readonly isOfLink?: (batch: PacketBatch, row: number) => boolean;
  /** Makes a copy of a packet, which {@link Copy} sends; absent where none can be sent. */
  readonly copy?: (batch: PacketBatch, row: number, packet: Uint8Array) => Copy;
  /** Whether a packet that is to wait does so as a copy, and not in the kernel. */
  readonly waitsAsCopy?: (batch: PacketBatch, row: number) => boolean;
}

/** Sends a copy of a packet; whether it left. */
export type Copy = () => boolean;

/** What waits for its time: a packet in the kernel, or a copy. */
interface Waiting {
  readonly due: Instant;
  readonly since: Instant;
  readonly id: number;
  /** The packet with a bit turned. */
  readonly bytes: Uint8Array | undefined;
  readonly copy: Copy | undefined;
}

const ACCEPT: HeldDecision = { verdict: PacketVerdict.accept };

/** Numbers of one direction beside the model's own; times in milliseconds. */
export interface DirectionTimes {
  /** Copies that waited before they left. */
  readonly delayedCount: number;
  /** All copies that have left; the sums tell how long they stayed. */
  readonly leftCount: number;
  readonly delaySum: number;
  readonly delaySquareSum: number;
  readonly delayMax: number;
  /** How much later than at their time copies left. */
  readonly lateSum: number;
  readonly lateMax: number;
  /** Copies that could not be sent. */
  readonly unsentCount: number;
  /** Packets for which there was no room, beside those that the model counts. */
  readonly excessCount: number;
}

export class ImpairedDirection {
  readonly #options: DirectionOptions;
  readonly #waiting: TimeQueue<Waiting>;
  readonly #alarm: Pick<Alarm, "now" | "ringAt" | "close">;
  readonly #times = {
    delayedCount: 0,
    leftCount: 0,
    delaySum: 0,
    delaySquareSum: 0,
    delayMax: 0,
    lateSum: 0,
    lateMax: 0,
    unsentCount: 0,
    excessCount: 0,
  };

  constructor(options: DirectionOptions) {
    this.#options = options;
    this.#waiting = new TimeQueue(options.countMax);
    this.#alarm = options.makeAlarm(() => this.#leave(this.#alarm.now()));
    options.queue.start((batch) => this.#onBatch(batch));
  }

  get times(): DirectionTimes {
    return this.#times;
  }

  get counts(): Impairment["counts"] {
    return this.#options.model.counts;
  }

  /** How many copies wait. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Sends the copies that wait, and wakes up no more; what the kernel holds is the queue's owner's to let go. */
  close(): void {
    this.#alarm.close();
    for (const { copy } of this.#waiting.advance(instant(Number.POSITIVE_INFINITY))) copy?.();
  }

  #onBatch(batch: PacketBatch): void {
    const now = this.#alarm.now();
    // None that comes now may pass one whose time is over.
    this.#leave(now);
    const { isOfLink } = this.#options;
    for (let row = 0; row < batch.count; row++) {
      if (isOfLink && !isOfLink(batch, row)) batch.verdict[row] = PacketVerdict.accept;
      else this.#pass(batch, row, now);
    }
    this.#alarm.ringAt(this.#waiting.wakeAt());
  }

  #pass(batch: PacketBatch, row: number, now: Instant): void {
    const { model, headerBytes, copy } = this.#options;
    const wireBytes = (batch.fullLengthBytes[row] ?? 0) + headerBytes;
    const departures = model.pass(now, wireBytes);
    // The packet itself leaves before its copy, as its connection is known to the machine only then.
    departures.sort((one, other) => one.at - other.at);
    const [own, second] = departures;
    if (own === undefined) {
      batch.verdict[row] = PacketVerdict.drop;
      return;
    }
    if (second !== undefined && copy !== undefined) {
      const bytes = copyOf(batch, row);
      turnBit(bytes, second, wireBytes);
      const waiting = { due: second.at, since: now, id: 0, bytes: undefined, copy: copy(batch, row, bytes) };
      // Also one that leaves at once does so after this batch, in which its packet has no verdict yet.
      if (this.#waiting.add(second.at, waiting) === undefined) this.#times.excessCount++;
    }
    if (own.at > now) this.#hold(batch, row, own, wireBytes, now);
    else this.#passAtOnce(batch, row, own, wireBytes);
  }

  #hold(batch: PacketBatch, row: number, own: Departure, wireBytes: number, since: Instant): void {
    const { copy, waitsAsCopy } = this.#options;
    const isCopy = copy !== undefined && waitsAsCopy?.(batch, row) === true;
    const bytes = isCopy || own.corruptBit !== undefined ? copyOf(batch, row) : undefined;
    if (bytes) turnBit(bytes, own, wireBytes);
    const rest =
      isCopy && bytes ? { bytes: undefined, copy: copy(batch, row, bytes) } : { bytes, copy: undefined };
    const waiting = { due: own.at, since, id: batch.id[row] ?? 0, ...rest };
    const isIn = this.#waiting.add(own.at, waiting) !== undefined;
    if (!isIn) this.#times.excessCount++;
    batch.verdict[row] = isIn && !isCopy ? PacketVerdict.hold : PacketVerdict.drop;
  }

  #passAtOnce(batch: PacketBatch, row: number, own: Departure, wireBytes: number): void {
    batch.verdict[row] = PacketVerdict.accept;
    this.#times.leftCount++;
    if (own.corruptBit === undefined) return;
    const start = batch.offset[row] ?? 0;
    const lengthBytes = batch.lengthBytes[row] ?? 0;
    turnBit(batch.bytes.subarray(start, start + lengthBytes), own, wireBytes);
    batch.newLengthBytes[row] = lengthBytes;
  }

  /** Lets everything go whose time has come. */
  #leave(now: Instant): void {
    const { queue } = this.#options;
    const due = this.#waiting.advance(now);
    for (const { id, bytes, copy, due: at, since } of due) {
      if (copy) {
        if (!copy()) this.#times.unsentCount++;
      } else {
        queue.decide(id, bytes ? { verdict: PacketVerdict.accept, bytes } : ACCEPT);
      }
      this.#note(now - since, now - at);
    }
    if (due.length > 0) queue.flush();
    this.#alarm.ringAt(this.#waiting.wakeAt());
  }

  #note(stay: number, late: number): void {
    const times = this.#times;
    times.delayedCount++;
    times.leftCount++;
    times.delaySum += stay;
    times.delaySquareSum += stay * stay;
    times.delayMax = Math.max(times.delayMax, stay);
    times.lateSum += late;
    times.lateMax = Math.max(times.lateMax, late);
  }
}

function copyOf(batch: PacketBatch, row: number): Uint8Array {
  const start = batch.offset[row] ?? 0;
  return batch.bytes.slice(start, start + (batch.lengthBytes[row] ?? 0));
}

/**
 * Turns the bit that the model chose among all of the wire, brought to what follows the IP header in proportion: a
 * turned bit of the header would only be a loss at the next router, and this machine's hooks still read it.
 */
export function turnBit(packet: Uint8Array, { corruptBit }: Departure, wireBytes: number): void {
  if (corruptBit === undefined) return;
  const start = headerLength(packet);
  const bits = (packet.length - start) * 8;
  if (bits <= 0) return;
  const bit = start * 8 + Math.floor((corruptBit / (wireBytes * 8)) * bits);
  const byte = bit >> 3;
  packet[byte] = (packet[byte] ?? 0) ^ (0x80 >> (bit & 7));
}

/** Of IPv4 with its options (RFC 791 §3.1), or of IPv6 without extensions (RFC 8200 §3). */
function headerLength(packet: Uint8Array): number {
  const first = packet[0] ?? 0;
  return first >> 4 === 6 ? 40 : (first & 15) * 4;
}
