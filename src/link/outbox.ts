/**
 * The sending half of a link: frames gathered into few writes, and the credit of charged ones. SEND, CALL, OFFER and
 * OBSERVE are charged; answers and control frames always go, or two full sides would wait for each other.
 * @module
 */
import { LimitExceededError } from "#base/errors.ts";
import type { Stream } from "#io/stream.ts";
import { OverflowError } from "#mailbox/errors.ts";
import { type FrameParts, writeFrame } from "#wire/link.ts";
import { Output } from "#wire/output.ts";
import { GATHER_BYTES, QUEUE_BYTES_MAX, STRANGER_FRAME_BYTES_MAX, UNREAD_BYTES_MAX } from "./limits.ts";

/** Sent over a link, and what could not be. */
export interface OutboxCounters {
  frames: number;
  bytes: number;
  writes: number;
  /** Observers' copies that were left out. */
  dropped: number;
  /** Charged frames refused because the queue was full. */
  overflows: number;
}

export class Outbox {
  readonly counters: OutboxCounters = { frames: 0, bytes: 0, writes: 0, dropped: 0, overflows: 0 };
  /** For error texts. */
  #peer: string;
  /** The longest frame the peer takes. */
  #frameBytesMax: number = STRANGER_FRAME_BYTES_MAX;
  /** Bytes of charged frames that may still go. */
  #credit = 0;
  readonly #stream: Stream;
  readonly #onUnread: () => void;
  readonly #output: Output = new Output();
  readonly #scratch: Output = new Output();
  /** Where in `#output` begins what the stream has not been given. */
  #flushed = 0;
  #scheduled = false;
  #isUnread = false;
  readonly #queue: Uint8Array[] = [];
  #queueBytes = 0;

  /** @param onUnread is called when the peer leaves more than {@link UNREAD_BYTES_MAX} unread. */
  constructor(stream: Stream, peer: string, onUnread: () => void) {
    this.#stream = stream;
    this.#peer = peer;
    this.#onUnread = onUnread;
    this.#output.replace(GATHER_BYTES * 2);
  }

  /** The peer has said who it is and what it takes. */
  open(peer: string, frameBytesMax: number, creditBytes: number): void {
    this.#peer = peer;
    this.#frameBytesMax = frameBytesMax;
    this.#credit = creditBytes;
  }

  /** Bytes of charged frames that may go now; below zero after a long one. */
  get credit(): number {
    return this.#credit;
  }

  /** Charged bytes that wait for credit. */
  get queueBytes(): number {
    return this.#queueBytes;
  }

  /**
   * Sends a frame that needs no credit.
   * @throws UnencodableError, LimitExceededError when the peer takes no frame as long as this.
   */
  send(frame: FrameParts): void {
    this.#write(this.#output, frame);
    this.#noteWritten();
  }

  /**
   * Sends a charged frame, or queues it behind those that wait for credit.
   * @throws OverflowError when the queue is full; UnencodableError, LimitExceededError as {@link send}.
   */
  sendCharged(frame: FrameParts): void {
    if (this.#credit > 0 && this.#queue.length === 0) {
      this.#credit -= this.#write(this.#output, frame);
      this.#noteWritten();
      return;
    }
    const size = this.#write(this.#scratch, frame);
    const bytes = this.#scratch.bytes.slice(0, size);
    this.#scratch.length = 0;
    if (this.#queueBytes + size > QUEUE_BYTES_MAX) {
      this.counters.overflows++;
      throw new OverflowError(
        `Cannot send to ${this.#peer}: it does not keep up, and ${this.#queueBytes} bytes wait already`,
      );
    }
    this.#queue.push(bytes);
    this.#queueBytes += size;
  }

  /** Sends a charged frame only when there is credit for it now; false when it was left out. */
  sendOrDrop(frame: FrameParts): boolean {
    if (this.#credit <= 0 || this.#queue.length > 0) {
      this.counters.dropped++;
      return false;
    }
    this.sendCharged(frame);
    return true;
  }

  /** The peer takes `count` more bytes of charged frames. */
  grant(count: number): void {
    this.#credit += count;
    let sent = 0;
    while (sent < this.#queue.length && this.#credit > 0) {
      const bytes = this.#queue[sent++] as Uint8Array;
      this.#credit -= bytes.length;
      this.#queueBytes -= bytes.length;
      this.#output.append(bytes);
      this.#noteWritten();
    }
    this.#queue.splice(0, sent);
  }

  /** Gives the stream all that was gathered. */
  flush(): void {
    const output = this.#output;
    if (output.length === this.#flushed) return;
    const bytes = output.bytes.subarray(this.#flushed, output.length);
    this.counters.writes++;
    this.counters.bytes += bytes.length;
    this.#stream.write(bytes);
    this.#flushed = output.length;
    const isTaken = this.#stream.pendingBytes === 0;
    if (isTaken && output.bytes.length <= GATHER_BYTES * 2) {
      output.length = 0;
      this.#flushed = 0;
    } else if (output.length > GATHER_BYTES) {
      // The stream still holds what it was given: that memory is left to it.
      output.replace(GATHER_BYTES * 2, output.length);
      this.#flushed = 0;
    }
    if (this.#stream.pendingBytes <= UNREAD_BYTES_MAX || this.#isUnread) return;
    // Once: giving the link up writes and flushes again.
    this.#isUnread = true;
    this.#onUnread();
  }

  #write(output: Output, frame: FrameParts): number {
    const start = output.length;
    writeFrame(output, frame);
    const size = output.length - start;
    if (size > this.#frameBytesMax) {
      output.length = start;
      throw new LimitExceededError(
        `Cannot send to ${this.#peer}: a message of ${size} bytes, and it takes at most ${this.#frameBytesMax}`,
      );
    }
    return size;
  }

  #noteWritten(): void {
    this.counters.frames++;
    if (this.#output.length - this.#flushed >= GATHER_BYTES) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      void Promise.resolve().then(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }
}
