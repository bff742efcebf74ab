/**
 * Packets that wait for a later verdict, and those verdicts on their way to the kernel.
 * @module
 */
import { COPY_RANGE_BYTES_MAX, type HeldDecision } from "#io/packet-queue.ts";
import { encodePlainVerdict, encodeVerdict, VERDICT_HEADER_BYTES } from "#wire/nfqueue.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { VerdictPieces } from "./packet-queue-verdicts.ts";

/** Room for the longest packet, or many verdicts without bytes. */
const SLAB_BYTES = 2 * (COPY_RANGE_BYTES_MAX + VERDICT_HEADER_BYTES + 8);
const PIECE_COUNT_MAX = 128;

export class HeldVerdicts {
  readonly #fd: number;
  readonly #queueNumber: number;
  /** In the order they came, which is the order of their ids. */
  readonly #ids = new Set<number>();
  /** Made when the first packet is decided about. */
  #sending: { readonly columns: QueueColumns; readonly pieces: VerdictPieces } | undefined;
  #end = 0;

  constructor(fd: number, queueNumber: number) {
    this.#fd = fd;
    this.#queueNumber = queueNumber;
  }

  get count(): number {
    return this.#ids.size;
  }

  add(id: number): void {
    this.#ids.add(id);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Whether a verdict for everything up to `id` would hit a packet that is held. */
  hasBefore(id: number): boolean {
    if (this.#ids.size === 0) return false;
    // The first one is the oldest. Ids are compared on a circle, as the kernel does.
    for (const oldest of this.#ids) return ((oldest - id) | 0) <= 0;
    return false;
  }

  /**
   * Writes the verdict down to be sent by {@link flush}; gives the errno (negative) of what had to leave
   * before.
   */
  decide(id: number, decision: HeldDecision): number {
    this.#ids.delete(id);
    const { bytes, conntrackMark } = decision;
    const needed = VERDICT_HEADER_BYTES + (bytes?.length ?? 0) + 4;
    let errno = 0;
    if (this.#end + needed > SLAB_BYTES || this.#sending?.pieces.isFull) errno = this.flush();
    const { columns, pieces } = this.#prepare();
    const start = this.#end;
    if (bytes === undefined && conntrackMark === undefined) {
      const plain = { queueNumber: this.#queueNumber, id, ...decision, mark: decision.mark, isBatch: false };
      this.#end = encodePlainVerdict(columns.view, start, plain);
      pieces.addPlain(start, this.#end);
      return errno;
    }
    columns.clear(0, decision.verdict);
    columns.id[0] = id;
    columns.newOffset[0] = start + VERDICT_HEADER_BYTES;
    columns.newLengthBytes[0] = bytes?.length ?? 0;
    columns.newMark[0] = decision.mark ?? 0;
    columns.newConntrackMark[0] = conntrackMark ?? 0;
    columns.changes[0] = (decision.mark === undefined ? 0 : 1) | (conntrackMark === undefined ? 0 : 2);
    if (bytes) columns.bytes.set(bytes, start + VERDICT_HEADER_BYTES);
    const end = start + VERDICT_HEADER_BYTES + (bytes?.length ?? 0);
    const messageStart = encodeVerdict(columns, 0, this.#queueNumber, start);
    pieces.add(messageStart, end - messageStart);
    this.#end = (end + 3) & ~3;
    return errno;
  }

  /** The same verdict for all that are held. */
  decideAll(verdict: number): void {
    for (const id of this.#ids) this.decide(id, { verdict });
    this.flush();
  }

  /** Sends what was written down; gives the errno (negative) of what did not leave, else 0. */
  flush(): number {
    this.#end = 0;
    return this.#sending === undefined || this.#sending.pieces.count === 0 ? 0 : this.#sending.pieces.send();
  }

  #prepare(): { readonly columns: QueueColumns; readonly pieces: VerdictPieces } {
    if (this.#sending === undefined) {
      const slab = new Uint8Array(SLAB_BYTES);
      const pieces = new VerdictPieces(this.#fd, slab, PIECE_COUNT_MAX);
      this.#sending = { columns: new QueueColumns(slab, 1), pieces };
    }
    return this.#sending;
  }
}
