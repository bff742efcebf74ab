/**
 * Translates the packets of flows whose bytes are changed, on both sides and for the life of the flow. What monitors see
 * is the original of both directions: an acknowledgement is brought back to what its reader has sent before the emulated
 * stacks see it, and what a packet carries is changed, and numbered anew, when all monitors have seen it.
 *
 * All bytes of an edited direction are seen in order before they are forwarded: what comes too early is held, and its
 * sender told selectively. Numbers that have left never change thereby.
 * @module
 */
import { Packet } from "#packet/packet.ts";
import type { ViewOf } from "#packet/protocol.ts";
import { tcp as tcpProtocol } from "#packet/tcp.ts";
import type { View } from "#packet/view.ts";
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { Layers } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import { EndFlag, NO_SHIFT, RowFlag } from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } from "../table/record.ts";
import { TcpFlag } from "../tcp/segment.ts";
import { DirectionRewrite } from "./direction-rewrite.ts";
import { SegmentMaker } from "./segment-maker.ts";
import { translateBlocks } from "./selective.ts";

/** How far ahead of what was forwarded a segment may lie that is held. */
const AHEAD_MAX = 1 << 24;
const WINDOW_AT = 14;

/** What becomes of a packet on its way in. */
export type Ingress = "go" | "stop";

/** What the rewriter works on. */
export interface RewriterParts {
  readonly table: FlowTable;
  readonly delivery: Delivery;
  readonly dispatcher: Dispatcher;
  /** Takes packets that leave behind the one at hand. */
  readonly output: ((packet: Uint8Array) => void) | undefined;
}

export class Rewriter {
  readonly maker: SegmentMaker;
  readonly #parts: RewriterParts;
  /** By row and direction: `row * 2 + direction`. */
  readonly #directions = new Map<number, DirectionRewrite>();
  /** Rows of flows that were reset by us: nothing of them is forwarded. */
  readonly #ended = new Set<number>();
  /** The packet at hand, its TCP header, and whose it is. */
  #packet: Packet | undefined;
  #tcp: View | undefined;
  #row = -1;
  #direction: Direction = 0;
  #releasing = -1;
  readonly #following: Uint8Array[] = [];

  constructor(parts: RewriterParts) {
    this.#parts = parts;
    this.maker = new SegmentMaker(parts.table);
  }

  get hasOutput(): boolean {
    return this.#parts.output !== undefined;
  }

  /** Whether no flow may be changed. */
  get isIdle(): boolean {
    return this.#directions.size === 0;
  }

  /** Whether the packet at hand is of this direction of this flow. */
  isAtHand(row: number, direction: Direction): boolean {
    return this.#packet !== undefined && this.#row === row && this.#direction === direction;
  }

  /** The packet at hand; `undefined` when there is none that can be changed. */
  get packet(): Packet | undefined {
    return this.#packet;
  }

  /** What is kept for a direction; `undefined` when nothing is. */
  get(row: number, direction: Direction): DirectionRewrite | undefined {
    return this.#directions.get(row * 2 + direction);
  }

  /** What is kept for a direction, from now on. */
  open(row: number, direction: Direction): DirectionRewrite {
    const known = this.get(row, direction);
    if (known !== undefined) return known;
    const { words } = this.#parts.table;
    const made = new DirectionRewrite();
    const at = directionAt(row, direction);
    if (this.#hasFlag(at, EndFlag.sequence)) {
      const fin = this.#hasFlag(at, EndFlag.fin) ? 1 : 0;
      made.mark = this.#parts.delivery.offsetOf(at, words[at + DirectionWord.sentNext] as number) - fin;
      made.isFinished = fin === 1;
    }
    this.#directions.set(row * 2 + direction, made);
    const flags = row * RECORD_WORDS + Word.flags;
    words[flags] = (words[flags] as number) | RowFlag.rewritten;
    return made;
  }

  /** The sequence number of offset 0, as both ends have it. */
  firstSequence(row: number, direction: Direction): number {
    const { words } = this.#parts.table;
    return (words[directionAt(row, direction) + DirectionWord.initialSequence] as number) + 1;
  }

  /** The number that an end sends next, as its receiver counts. */
  nextSequence(row: number, direction: Direction): number {
    const rewrite = this.get(row, direction);
    const { words } = this.#parts.table;
    const at = directionAt(row, direction);
    if (rewrite === undefined || rewrite.mark < 0) return words[at + DirectionWord.sentNext] as number;
    return (this.firstSequence(row, direction) + rewrite.newMark + (rewrite.isFinished ? 1 : 0)) | 0;
  }

  /** Whether the direction's numbers or bytes differ on the two sides. */
  isChanged(row: number): boolean {
    return this.get(row, 0)?.edits.isNeutral === false || this.get(row, 1)?.edits.isNeutral === false;
  }

  /** Nothing of the flow is forwarded any more. */
  end(row: number): void {
    this.#ended.add(row);
    for (const direction of [0, 1] as const) this.#clear(this.open(row, direction));
  }

  /** The row is free again. */
  forget(row: number): void {
    this.#ended.delete(row);
    for (const direction of [0, 1] as const) {
      const rewrite = this.get(row, direction);
      if (rewrite !== undefined) this.#clear(rewrite);
      this.#directions.delete(row * 2 + direction);
    }
    if (this.#row === row) this.leave();
  }

  #clear(rewrite: DirectionRewrite): void {
    rewrite.held.clear();
    rewrite.waiting = [];
    for (const { timer } of rewrite.own) timer?.cancel();
    rewrite.own = [];
  }

  /** A packet behind the one at hand. */
  follow(packet: Uint8Array): void {
    this.#following.push(packet);
  }

  /** Sends what follows the packet at hand. */
  flush(): void {
    if (this.#following.length === 0) return;
    for (const packet of this.#following.splice(0)) this.#parts.output?.(packet);
  }

  /** There is no packet at hand any more. */
  leave(): void {
    this.#packet = undefined;
    this.#tcp = undefined;
    this.#row = -1;
  }

  /** A held segment whose turn has come; `undefined` when there is none. */
  takeDue(): Uint8Array | undefined {
    if (this.#releasing < 0) return undefined;
    const rewrite = this.#directions.get(this.#releasing);
    const due = rewrite?.held.take(rewrite.mark);
    if (due === undefined) this.#releasing = -1;
    return due;
  }

  /**
   * A packet of a flow that may be changed, before anybody sees it: brings what it acknowledges back to original numbers, in
   * `layers` and in the packet. `stop`: it goes no further, now or at all.
   */
  enter(row: number, direction: Direction, layers: Layers, packet: Packet): Ingress {
    this.leave();
    if (this.#ended.has(row)) return "stop";
    const mine = this.open(row, direction);
    const theirs = this.open(row, (1 - direction) as Direction);
    const tcp = packet.find(tcpProtocol) as View | undefined;
    // A fragment, or a tunnel that views do not open: it cannot be translated, and is not let through untranslated.
    if (tcp === undefined || tcp.$start !== layers.transportOffset || tcp.$data !== layers.view) {
      return this.isChanged(row) ? "stop" : "go";
    }
    this.#packet = packet;
    this.#tcp = tcp;
    this.#row = row;
    this.#direction = direction;
    if (this.#releasing >= 0) this.#renew(tcp);
    const at = directionAt(row, direction);
    // Bytes of a SYN were forwarded as they came.
    if (mine.mark >= 0) mine.mark = Math.max(mine.mark, this.#parts.delivery.next(at));
    if (this.#isEarly(mine, layers) && !this.#hold(mine, layers, packet)) return "stop";
    if ((layers.flags & TcpFlag.ack) !== 0) this.#translateAcknowledgement(mine, theirs, layers, tcp);
    return "go";
  }

  /** What was held would be refused for its old timestamp (RFC 7323 §5): it is sent now. */
  #renew(tcp: View): void {
    const at = directionAt(this.#row, this.#direction);
    const { timestamp } = tcp as TcpView;
    if (timestamp === undefined || !this.#hasFlag(at, EndFlag.timestamps)) return;
    const recent = this.#parts.table.words[at + DirectionWord.timestamp] as number;
    if (((timestamp - recent) | 0) < 0) (tcp as TcpView).timestamp = recent >>> 0;
  }

  /** Whether bytes in front of the segment's have not been forwarded yet. */
  #isEarly(mine: DirectionRewrite, layers: Layers): boolean {
    if (mine.mark < 0 || (layers.flags & (TcpFlag.syn | TcpFlag.rst)) !== 0) return false;
    if (layers.payloadBytes === 0 && (layers.flags & TcpFlag.fin) === 0) return false;
    return this.#offsetOf(layers.sequence) > mine.mark;
  }

  /**
   * Keeps a copy for later, tells its sender so, and makes of the packet the acknowledgement that it also is.
   * @returns whether that could be done
   */
  #hold(mine: DirectionRewrite, layers: Layers, packet: Packet): boolean {
    const tcp = this.#tcp as View;
    const offset = this.#offsetOf(layers.sequence);
    const end = offset + layers.payloadBytes + (layers.flags & TcpFlag.fin);
    const isNear = end - mine.mark <= AHEAD_MAX && layers.capturedPayloadBytes === layers.payloadBytes;
    if (!this.hasOutput || !isNear) return false;
    if (mine.held.add(offset, end, packet.bytes())) {
      this.#acknowledge(mine, mine.held.blocks(offset));
    }
    if (!replacePayload(tcp, NOTHING)) return false;
    const sequence = (this.firstSequence(this.#row, this.#direction) + mine.mark) >>> 0;
    const flags = layers.flags & ~(TcpFlag.fin | TcpFlag.psh);
    tcp.setUint32(4, sequence);
    tcp.setUint8(13, flags);
    layers.networkBytes -= layers.payloadBytes;
    layers.payloadBytes = 0;
    layers.capturedPayloadBytes = 0;
    layers.sequence = sequence | 0;
    layers.flags = flags;
    return true;
  }

  #translateAcknowledgement(
    mine: DirectionRewrite,
    theirs: DirectionRewrite,
    layers: Layers,
    tcp: View,
  ): void {
    const other = (1 - this.#direction) as Direction;
    mine.saidAcknowledged = -1;
    if (!this.#hasFlag(directionAt(this.#row, other), EndFlag.sequence)) return;
    const first = this.firstSequence(this.#row, other);
    const reference = theirs.newMark;
    const said = reference + ((layers.acknowledgement - first - reference) | 0);
    mine.saidAcknowledged = said;
    if (theirs.edits.isNeutral) return;
    const original = (first + theirs.edits.toOriginal(said)) | 0;
    if (original !== layers.acknowledgement) {
      tcp.setUint32(8, original >>> 0);
      layers.acknowledgement = original;
    }
    translateBlocks(tcp, theirs.edits, first, reference);
    this.#clampWindow(theirs, layers, tcp, said);
  }

  /**
   * The receiver's window is in new bytes: what is still to be inserted takes of it. Never below a segment, so that the
   * sender goes on; bytes beyond the window are not taken, and come again.
   */
  #clampWindow(theirs: DirectionRewrite, layers: Layers, tcp: View, said: number): void {
    const growth = theirs.edits.growthBehind(said);
    if (growth <= 0 || (layers.flags & (TcpFlag.syn | TcpFlag.rst)) !== 0) return;
    const { bytes } = this.#parts.table;
    const own = bytes[directionAt(this.#row, this.#direction) * 4 + DirectionWord.options * 4] as number;
    const other =
      bytes[directionAt(this.#row, (1 - this.#direction) as Direction) * 4 + DirectionWord.options * 4];
    const shift = own === NO_SHIFT || other === NO_SHIFT ? 0 : own;
    const window = layers.window << shift;
    const least = Math.min(window, this.maker.payloadMax(this.#row, (1 - this.#direction) as Direction, 0));
    const clamped = Math.max(least, window - growth) >>> shift;
    if (clamped === layers.window) return;
    tcp.setUint16(WINDOW_AT, clamped);
    layers.window = clamped;
  }

  /** The packet at hand has been seen by all: it leaves, or does not, and what was to follow it follows. */
  depart(row: number, direction: Direction, layers: Layers): void {
    const mine = this.get(row, direction);
    const theirs = this.get(row, (1 - direction) as Direction);
    if (mine === undefined || theirs === undefined || !this.isAtHand(row, direction)) return;
    const { isDropped } = this.#parts.dispatcher;
    if (isDropped) mine.edits.discardFrom(Math.max(0, mine.mark));
    else this.#leaveChanged(mine, layers);
    this.#settle(mine, theirs, layers);
    this.leave();
  }

  /** What the packet acknowledged, when the emulated stacks took it. */
  #settle(mine: DirectionRewrite, theirs: DirectionRewrite, layers: Layers): void {
    const said = mine.saidAcknowledged;
    mine.saidAcknowledged = -1;
    const { words } = this.#parts.table;
    const at = directionAt(this.#row, this.#direction);
    if (said < 0 || !this.#hasFlag(at, EndFlag.acknowledges)) return;
    const taken = ((words[at + DirectionWord.acknowledged] as number) - layers.acknowledgement) | 0;
    if (taken < 0 || said > theirs.newMark + 1) return;
    if (said > theirs.acknowledged) theirs.acknowledged = said;
    theirs.edits.settle(said);
    if (theirs.own.length === 0) return;
    const kept = theirs.edits.list;
    for (const { edit, timer } of theirs.own) if (!kept.includes(edit)) timer?.cancel();
    theirs.own = theirs.own.filter(({ edit }) => kept.includes(edit));
  }

  #leaveChanged(mine: DirectionRewrite, layers: Layers): void {
    if ((layers.flags & TcpFlag.syn) !== 0) {
      mine.mark = Math.max(0, mine.mark);
      return;
    }
    const offset = this.#offsetOf(layers.sequence);
    if (mine.mark < 0) mine.mark = Math.max(0, offset);
    const isFin = (layers.flags & TcpFlag.fin) !== 0;
    const isReset = (layers.flags & TcpFlag.rst) !== 0;
    if ((layers.payloadBytes === 0 && !isFin) || isReset) {
      if (!mine.edits.isNeutral) this.#leaveEmpty(mine, offset);
      return;
    }
    const end = offset + layers.payloadBytes;
    const next = this.#parts.delivery.next(directionAt(this.#row, this.#direction));
    // What the receiver's stack has not taken nobody has seen: it is not forwarded, and comes again.
    if (end > next) this.#cut(Math.max(0, next - offset), layers);
    if (!mine.edits.isNeutral) this.#leaveFull(mine, offset, layers);
    mine.mark = Math.max(mine.mark, Math.min(end, next));
    if (isFin && end <= next && this.#hasFlag(directionAt(this.#row, this.#direction), EndFlag.fin)) {
      mine.isFinished = true;
    }
    if (mine.held.count > 0) this.#releasing = this.#row * 2 + this.#direction;
  }

  /** Leaves the first bytes of a segment, and no FIN. */
  #cut(payloadBytes: number, layers: Layers): void {
    const tcp = this.#tcp as View;
    const flags = layers.flags & ~TcpFlag.fin;
    const payload = tcp.bytes(tcp.headerBytes, payloadBytes);
    if (!replacePayload(tcp, payload)) this.#parts.dispatcher.isDropped = true;
    else tcp.setUint8(13, flags);
    layers.payloadBytes = payloadBytes;
    layers.flags = flags;
  }

  /** Segments without bytes: acknowledgements, keep-alives, resets. */
  #leaveEmpty(mine: DirectionRewrite, offset: number): void {
    const { edits, mark } = mine;
    let to: number;
    if (offset > mark) to = mine.newMark + (mine.isFinished ? Math.min(1, offset - mark) : 0);
    else to = offset === mark - 1 ? mine.newMark - 1 : edits.toNew(offset);
    this.#number(to);
  }

  #leaveFull(mine: DirectionRewrite, offset: number, layers: Layers): void {
    const tcp = this.#tcp as View;
    const { edits } = mine;
    const isFin = (layers.flags & TcpFlag.fin) !== 0;
    const end = offset + layers.payloadBytes;
    // What the receiver has acknowledged need not come again, and could not be changed alike.
    const from = Math.min(end, Math.max(offset, edits.settledOffset));
    const payload = tcp.bytes(tcp.headerBytes, layers.payloadBytes);
    const original = payload.subarray(from - offset);
    const changed = edits.apply(from, original, isFin);
    const to = edits.toNew(from);
    if (changed.length === 0 && !isFin) {
      this.#leaveEmptied(mine, to);
      return;
    }
    if ((layers.flags & TcpFlag.urg) !== 0) {
      const urgent = edits.toNew(offset + layers.urgentPointer) - to;
      tcp.setUint16(18, Math.max(0, Math.min(0xffff, urgent)));
    }
    const limit = this.maker.payloadMax(this.#row, this.#direction, tcp.headerBytes - 20);
    this.#number(to);
    if (from === offset && changed === original) return;
    if (changed.length <= Math.max(limit, payload.length)) {
      if (!replacePayload(tcp, changed)) this.#parts.dispatcher.isDropped = true;
    } else this.#split(tcp, changed, limit, to, layers.flags);
  }

  /**
   * All bytes of a segment were taken out. Its sender waits for an acknowledgement: it gets it from us when the receiver
   * has all in front; else the receiver is asked for one, as by a keep-alive (RFC 9293 §3.8.4).
   */
  #leaveEmptied(mine: DirectionRewrite, to: number): void {
    const tcp = this.#tcp as View;
    if (tcp.lengthBytes > tcp.headerBytes && !replacePayload(tcp, NOTHING)) {
      this.#parts.dispatcher.isDropped = true;
      return;
    }
    const isAnswered = mine.acknowledged >= to && this.hasOutput;
    this.#number(isAnswered ? to : to - 1);
    if (isAnswered) this.#acknowledge(mine, []);
  }

  /** An acknowledgement to the sender of the direction at hand, as its receiver would send it. */
  #acknowledge(
    mine: DirectionRewrite,
    held: readonly { readonly left: number; readonly right: number }[],
  ): void {
    const row = this.#row;
    const direction = this.#direction;
    if (mine.acknowledged < 0) return;
    const first = this.firstSequence(row, direction);
    const other = (1 - direction) as Direction;
    const isSelective =
      this.#hasFlag(directionAt(row, 0), EndFlag.selective) &&
      this.#hasFlag(directionAt(row, 1), EndFlag.selective);
    const blocks = isSelective
      ? held.map(({ left, right }) => ({ left: first + left, right: first + right }))
      : [];
    this.follow(
      this.maker.make({
        row,
        direction: other,
        sequence: this.nextSequence(row, other),
        acknowledgement: first + mine.edits.toOriginal(mine.acknowledged),
        flags: TcpFlag.ack,
        blocks,
      }),
    );
  }

  /** The first part stays in the packet at hand, the others follow. */
  #split(tcp: View, changed: Uint8Array, limit: number, to: number, flags: number): void {
    const last = flags & (TcpFlag.fin | TcpFlag.psh);
    // Without a way to send the rest, the sender brings it again once the first part is acknowledged.
    tcp.setUint8(13, flags & ~last);
    if (!replacePayload(tcp, changed.subarray(0, limit))) {
      this.#parts.dispatcher.isDropped = true;
      return;
    }
    const first = this.firstSequence(this.#row, this.#direction);
    for (let at = limit; at < changed.length && this.hasOutput; at += limit) {
      // A copy of the packet as it leaves: what monitors changed in its headers holds for all of it.
      const copy = tcp.packet.copy();
      const { $etherType, $start } = tcp.packet;
      const packet = new Packet().aim(new DataView(copy.buffer), 0, copy.length, $etherType);
      const part = packet.find(tcpProtocol) as View | undefined;
      if (part?.$start !== tcp.$start - $start || !replacePayload(part, changed.subarray(at, at + limit)))
        return;
      part.setUint32(4, (first + to + at) >>> 0);
      part.setUint8(13, (flags & ~(last | TcpFlag.urg)) | (at + limit >= changed.length ? last : 0));
      this.follow(packet.copy());
    }
  }

  #number(offset: number): void {
    const tcp = this.#tcp as View;
    const sequence = (this.firstSequence(this.#row, this.#direction) + offset) >>> 0;
    if (tcp.uint32(4) !== sequence) tcp.setUint32(4, sequence);
  }

  #offsetOf(sequence: number): number {
    return this.#parts.delivery.offsetOf(directionAt(this.#row, this.#direction), sequence);
  }

  #hasFlag(at: number, flag: number): boolean {
    return ((this.#parts.table.bytes[at * 4 + DirectionWord.options * 4 + 1] as number) & flag) !== 0;
  }
}

type TcpView = ViewOf<typeof tcpProtocol>;

const NOTHING = new Uint8Array(0);

/** Where the words of a direction begin. */
function directionAt(row: number, direction: Direction): number {
  return row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
}

/** Puts other bytes behind the header; false when a length field could not say so. */
function replacePayload(tcp: View, payload: Uint8Array): boolean {
  const at = tcp.headerBytes;
  return tcp.splice(at, tcp.lengthBytes - at, payload);
}
