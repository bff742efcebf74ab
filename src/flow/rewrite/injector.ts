/**
 * What monitors send into a flow: bytes in the name of an end, which are an insertion at the end of what it has sent so
 * far and come again from us when they are lost, and resets of both ends.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { FlowCore } from "../core.ts";
import { EditRefusedError } from "../errors.ts";
import { IpProtocol, type Layers } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import { EndFlag, RowFlag, TimeoutClass } from "../table/flags.ts";
import { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } from "../table/record.ts";
import { TcpFlag } from "../tcp/segment.ts";
import { State } from "../tcp/state.ts";
import { type DirectionRewrite, OWN_COUNT_MAX, type OwnSegment } from "./direction-rewrite.ts";
import type { Rewriter } from "./rewriter.ts";

/** How long an acknowledgement is waited for at first; twice as long each time. */
const RETRY_AFTER: Duration = milliseconds(300);
/** Times a segment of ours is sent again; then its receiver does not get it, and the flow hangs as with any loss. */
const RETRY_COUNT_MAX = 10;
const RETRY_DELAY_MAX = 10_000;

export class Injector {
  readonly #core: FlowCore;
  readonly #rewriter: Rewriter;

  constructor(core: FlowCore, rewriter: Rewriter) {
    this.#core = core;
    this.#rewriter = rewriter;
  }

  /**
   * Sends `payload` as an end would, behind the packet at hand when that is its own, else at once.
   * @throws EditRefusedError when the end cannot send any more, or not yet
   */
  send(row: number, direction: Direction, payload: Uint8Array): void {
    this.#needOutput("send");
    this.#needTcp(row, "send");
    const at = directionAt(row, direction);
    const { table } = this.#core;
    const state = table.bytes[row * RECORD_WORDS * 4 + Word.bytes * 4 + 1 + direction] as number;
    const isReady = this.#hasFlag(at, EndFlag.sequence) && this.#hasFlag(at, EndFlag.acknowledges);
    if (state < State.established || !isReady) {
      throw new EditRefusedError("Cannot send: the end is not connected; wait for the event established");
    }
    const rewrite = this.#rewriter.open(row, direction);
    if (rewrite.isFinished) throw new EditRefusedError("Cannot send: the end has said that it sends no more");
    if (rewrite.waiting.length + rewrite.own.length >= OWN_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot send: ${OWN_COUNT_MAX} segments wait; wait for their acknowledgement`,
      );
    }
    if (payload.length === 0) return;
    rewrite.waiting.push(Uint8Array.from(payload));
    if (this.#rewriter.isAtHand(row, direction)) return;
    this.sendWaiting(row, direction);
    this.#rewriter.flush();
  }

  /** What waits goes in front of the FIN at hand. Call it before the packet leaves. */
  sendInFront(row: number, direction: Direction, layers: Layers): void {
    const rewrite = this.#rewriter.get(row, direction);
    if (rewrite === undefined || rewrite.waiting.length === 0 || (layers.flags & TcpFlag.fin) === 0) return;
    const end =
      this.#core.delivery.offsetOf(directionAt(row, direction), layers.sequence) + layers.payloadBytes;
    if (end >= rewrite.mark)
      for (const payload of rewrite.waiting.splice(0)) this.#add(row, direction, rewrite, end, payload);
  }

  /** What waits goes behind the packet that has just left. */
  sendWaiting(row: number, direction: Direction): void {
    const rewrite = this.#rewriter.get(row, direction);
    if (rewrite === undefined || rewrite.waiting.length === 0) return;
    for (const payload of rewrite.waiting.splice(0)) {
      if (rewrite.isFinished) return;
      const own = this.#add(row, direction, rewrite, Math.max(0, rewrite.mark), payload);
      if (own !== undefined) this.#emit(row, direction, rewrite, own);
    }
  }

  #add(
    row: number,
    direction: Direction,
    rewrite: DirectionRewrite,
    offset: number,
    inserted: Uint8Array,
  ): OwnSegment | undefined {
    const edit = { offset, removedBytes: 0, inserted, carrier: "own" } as const;
    const problem = rewrite.edits.add(edit);
    if (problem !== "") {
      this.#core.failed("send", new LimitExceededError(`Cannot send: ${problem}`), undefined);
      return undefined;
    }
    const own: OwnSegment = { edit, retryCount: 0, timer: undefined };
    rewrite.own.push(own);
    this.#plan(row, direction, rewrite, own);
    return own;
  }

  #plan(row: number, direction: Direction, rewrite: DirectionRewrite, own: OwnSegment): void {
    if (own.retryCount >= RETRY_COUNT_MAX) return;
    const delay = milliseconds(Math.min(RETRY_DELAY_MAX, RETRY_AFTER * 2 ** own.retryCount));
    own.timer = this.#core.setTimer(delay, () => {
      own.retryCount++;
      this.#emit(row, direction, rewrite, own);
      this.#rewriter.flush();
      this.#plan(row, direction, rewrite, own);
    });
  }

  /** Sends, or sends again, what has not been acknowledged. */
  #emit(row: number, direction: Direction, rewrite: DirectionRewrite, { edit }: OwnSegment): void {
    const start = rewrite.edits.startOf(edit);
    if (start < 0) return;
    const { maker } = this.#rewriter;
    const { inserted } = edit;
    const limit = maker.payloadMax(row, direction, maker.optionBytes(row));
    const first = this.#rewriter.firstSequence(row, direction);
    const acknowledgement = this.#core.table.words[directionAt(row, direction) + DirectionWord.acknowledged];
    const done = Math.min(inserted.length - 1, Math.max(0, rewrite.acknowledged - start));
    for (let at = done; at < inserted.length; at += limit) {
      const payload = inserted.subarray(at, at + limit);
      const flags = TcpFlag.ack | (at + limit >= inserted.length ? TcpFlag.psh : 0);
      const sequence = first + start + at;
      const made = { row, direction, sequence, flags, payload, acknowledgement: acknowledgement as number };
      this.#rewriter.follow(maker.make(made));
    }
  }

  /** Both ends are reset, as by each other; the packet at hand and all later ones of the flow go no further. */
  reset(row: number, layers: Layers | undefined, layersDirection: Direction): void {
    this.#needOutput("reset the flow");
    this.#needTcp(row, "reset the flow");
    const { table, dispatcher } = this.#core;
    for (const direction of [0, 1] as const) {
      this.#resetEnd(row, direction, layersDirection === direction ? layers : undefined);
    }
    if (layers !== undefined) dispatcher.isDropped = true;
    const base = row * RECORD_WORDS;
    const { words, bytes } = table;
    this.#rewriter.end(row);
    const flags = RowFlag.ended | RowFlag.reset | RowFlag.rewritten;
    words[base + Word.flags] = (words[base + Word.flags] as number) | flags;
    for (const end of [1, 2]) bytes[base * 4 + Word.bytes * 4 + end] = State.closed;
    table.setTimeoutClass(row, TimeoutClass.closed);
    this.#rewriter.flush();
  }

  /** A reset to the receiver of a direction. What it waits for is what it has acknowledged, or what has left since. */
  #resetEnd(row: number, direction: Direction, atHand: Layers | undefined): void {
    const { words, bytes } = this.#core.table;
    const other = (1 - direction) as Direction;
    const at = directionAt(row, direction);
    const otherAt = directionAt(row, other);
    const state = bytes[row * RECORD_WORDS * 4 + Word.bytes * 4 + 1 + other] as number;
    if (state === State.listen || !this.#hasFlag(otherAt, EndFlag.sequence)) return;
    const rewrite = this.#rewriter.get(row, direction);
    const numbers = new Set<number>();
    if (!this.#hasFlag(at, EndFlag.sequence)) numbers.add(0);
    else {
      const first = this.#rewriter.firstSequence(row, direction);
      if (rewrite !== undefined && rewrite.acknowledged >= 0)
        numbers.add((first + rewrite.acknowledged) >>> 0);
      else if (this.#hasFlag(otherAt, EndFlag.acknowledges)) {
        numbers.add((words[otherAt + DirectionWord.acknowledged] as number) >>> 0);
      }
      // The packet at hand has been counted, and is not forwarded.
      if (atHand !== undefined && rewrite === undefined) numbers.add(atHand.sequence >>> 0);
      numbers.add(this.#rewriter.nextSequence(row, direction) >>> 0);
    }
    const acknowledgement = this.#hasFlag(at, EndFlag.acknowledges)
      ? (words[at + DirectionWord.acknowledged] as number)
      : (words[otherAt + DirectionWord.sentNext] as number);
    for (const sequence of numbers) {
      const flags = TcpFlag.rst | TcpFlag.ack;
      this.#rewriter.follow(this.#rewriter.maker.make({ row, direction, sequence, acknowledgement, flags }));
    }
  }

  #needOutput(what: string): void {
    if (this.#rewriter.hasOutput) return;
    throw new ConfigurationError(`Cannot ${what}: the engine was made without an output; give it one`);
  }

  #needTcp(row: number, what: string): void {
    const protocol = this.#core.table.bytes[row * RECORD_WORDS * 4 + Word.bytes * 4] as number;
    if (protocol !== IpProtocol.tcp)
      throw new EditRefusedError(`Cannot ${what}: it is no TCP flow; drop its packets instead`);
  }

  #hasFlag(at: number, flag: number): boolean {
    return ((this.#core.table.bytes[at * 4 + DirectionWord.options * 4 + 1] as number) & flag) !== 0;
  }
}

function directionAt(row: number, direction: Direction): number {
  return row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
}
