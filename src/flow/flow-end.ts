/**
 * One end of a flow: its address, the state of its emulated stack, and the stream of bytes that it sends.
 * @module
 */
import { formatIpv4 } from "#packet/address.ts";
import type { FlowCore } from "./core.ts";
import { EditRefusedError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import { formatWords } from "./format-address.ts";
import type { Direction, Side } from "./side.ts";
import { SIDES } from "./side.ts";
import * as bits from "./table/flags.ts";
import * as record from "./table/record.ts";
import { TCP_STATES, type TcpState } from "./tcp/state.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, NO_SHIFT, WINDOW_UNKNOWN } = bits;
const { DIRECTION_WORDS, DirectionWord, Word } = record;

/** What {@link FlowEnd.read} gives: bytes, or, where some will never come, how many those are. */
export type StreamPiece =
  | { readonly offset: number; readonly bytes: Uint8Array; readonly gap: undefined }
  | { readonly offset: number; readonly bytes: undefined; readonly gap: number };

export class FlowEnd {
  readonly #flow: Flow<unknown>;
  readonly #core: FlowCore;
  readonly #direction: Direction;

  /** Made by the flow. */
  constructor(flow: Flow<unknown>, core: FlowCore, direction: Direction) {
    this.#flow = flow;
    this.#core = core;
    this.#direction = direction;
  }

  get side(): Side {
    return SIDES[this.#direction];
  }

  /** As text: `192.0.2.1`, `2001:db8::1` (RFC 5952). */
  get address(): string {
    const { words } = this.#core.table;
    const at = this.#flow.$base + (this.#direction === 0 ? Word.client : Word.server);
    const last = words[at + 3] as number;
    if (this.#flow.version === 4) return formatIpv4(last);
    return formatWords(words[at] as number, words[at + 1] as number, words[at + 2] as number, last);
  }

  /** The port; of ICMP what its file in `layers/` says; 0 for protocols without. */
  get port(): number {
    const ports = this.#core.table.words[this.#flow.$base + Word.ports] as number;
    return this.#direction === 0 ? ports >>> 16 : ports & 0xffff;
  }

  /** TCP only: the state of the emulated stack; `CLOSED` for other protocols. */
  get state(): TcpState {
    const at = this.#flow.$base * 4 + Word.bytes * 4 + 1 + this.#direction;
    return TCP_STATES[this.#core.table.bytes[at] as number] as TcpState;
  }

  /** Packets that this end has sent. */
  get packetCount(): number {
    return (this.#words(DirectionWord.packetCount) as number) >>> 0;
  }

  /** Bytes of its IP packets. */
  get networkBytes(): number {
    return this.#number(DirectionWord.networkBytes);
  }

  /** Bytes of its payloads, retransmissions included. */
  get payloadBytes(): number {
    return this.#number(DirectionWord.payloadBytes);
  }

  /** Bytes of its stream that never came; stays at 2^32 - 1. */
  get missedBytes(): number {
    return this.#words(DirectionWord.missedBytes) >>> 0;
  }

  /** The offset behind the last byte in order. */
  get nextOffset(): number {
    return this.#number(DirectionWord.nextOffset);
  }

  /** How far the other end has acknowledged it, as an offset, as far as it was seen. */
  get acknowledgedOffset(): number {
    return this.#core.delivery.acknowledgedOffset(this.#flow.$row, this.#direction);
  }

  /** The number of its SYN, 0 to 2^32 - 1. */
  get initialSequence(): number {
    return this.#words(DirectionWord.initialSequence) >>> 0;
  }

  /** SND.NXT: the highest number sent, plus one. */
  get nextSequence(): number {
    return this.#words(DirectionWord.sentNext) >>> 0;
  }

  /** RCV.NXT as it was last said: what it has acknowledged of the other's stream. */
  get acknowledgement(): number {
    return this.#words(DirectionWord.acknowledged) >>> 0;
  }

  /** Bytes that it is ready to take; `undefined` when that, or the scale, was not seen. */
  get windowBytes(): number | undefined {
    const window = this.#words(DirectionWord.window);
    return window === WINDOW_UNKNOWN ? undefined : window;
  }

  /** Its offered window scale (RFC 7323 §2.2); `undefined` when it offered none. */
  get windowShift(): number | undefined {
    const shift = this.#core.table.bytes[this.#at * 4 + DirectionWord.options * 4] as number;
    return this.#has(EndFlag.syn) && shift !== NO_SHIFT ? shift : undefined;
  }

  /** The MSS of its SYN in bytes, 0 when there was none. */
  get maximumSegmentBytes(): number {
    const { bytes } = this.#core.table;
    const at = this.#at * 4 + DirectionWord.options * 4;
    return ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  }

  /** Whether its SYN, its FIN, or selective acknowledgements on offer were seen. */
  get hasSyn(): boolean {
    return this.#has(EndFlag.syn);
  }

  get hasFin(): boolean {
    return this.#has(EndFlag.fin);
  }

  get hasSelectiveAcknowledgement(): boolean {
    return this.#has(EndFlag.selective);
  }

  /** Bytes of its stream by its sequence numbers, those that were never seen included; SYN and FIN do not count. */
  get sentBytes(): number {
    const sequence = this.#words(DirectionWord.sentNext) - (this.#has(EndFlag.fin) ? 1 : 0);
    if (!this.#has(EndFlag.sequence)) return 0;
    // Of a flow met in the middle the FIN may lie in front of what was taken for its start.
    return Math.max(0, this.#core.delivery.offsetOf(this.#at, sequence));
  }

  /** Bytes that this monitor can read and has not. */
  get unreadBytes(): number {
    return this.#flow.$row < 0 ? 0 : this.#flow.$unread(this.#direction);
  }

  /**
   * The next bytes of its stream that this monitor has not read, at most `lengthMax`, as they lie together in memory; a gap
   * where some are missing; `undefined` when all has been read. Good until the callback returns.
   */
  read(lengthMax: number = Number.MAX_SAFE_INTEGER): StreamPiece | undefined {
    const flow = this.#flow;
    const direction = this.#direction;
    const { delivery } = this.#core;
    const row = flow.$row;
    const unread = flow.$unread(direction);
    if (unread <= 0 || !(lengthMax >= 1)) return undefined;
    const offset = flow.$readOffset(direction);
    let length = Math.min(unread, lengthMax);
    if (!delivery.urgent.isEmpty) {
      const urgent = delivery.urgent.from(row * 2 + direction, offset, offset + length);
      if (urgent === offset) return this.#passUrgent(offset, lengthMax);
      if (urgent > offset) length = urgent - offset;
    }
    const bytes = delivery.kept.span(row, direction, offset, length);
    if (bytes !== undefined) {
      flow.$readTo(direction, offset + bytes.length);
      return { offset, bytes, gap: undefined };
    }
    const end = delivery.kept.keptFrom(row, direction, offset, offset + unread);
    flow.$readTo(direction, end);
    return { offset, bytes: undefined, gap: end - offset };
  }

  /** An urgent byte is not read: it is passed over, or is a gap. */
  #passUrgent(offset: number, lengthMax: number): StreamPiece | undefined {
    this.#flow.$readTo(this.#direction, offset + 1);
    if (this.#core.policy.urgent === "gap") return { offset, bytes: undefined, gap: 1 };
    return this.read(lengthMax);
  }

  /**
   * Up to `lengthBytes` bytes from `offset` of its stream on, as far as they lie together in memory, also among those out of
   * order; `undefined` when that byte is not kept. Reading them changes nothing.
   */
  at(offset: number, lengthBytes: number): Uint8Array | undefined {
    return this.#core.delivery.kept.span(this.#flow.$row, this.#direction, offset, lengthBytes);
  }

  /** What has come out of order, above {@link nextOffset}. */
  fragments(): { readonly offset: number; readonly lengthBytes: number }[] {
    return this.#core.delivery.kept.fragments(this.#flow.$row, this.#direction);
  }

  /** Sends `payload` as this end would. The other end's answers are not taken away from this one. */
  send(payload: Uint8Array): void {
    this.#core.send(this.#flow.$row, this.#direction, payload);
  }

  /**
   * Inserts bytes in front of the byte at `offset` of its stream, or behind the packet's last; the numbers of all that
   * follows change with it, on both sides and for the life of the flow. What is changed is in the packet at hand and has
   * not been forwarded before; monitors see the original.
   * @throws EditRefusedError where that is not so, or the monitor was made without `edits`.
   */
  insert(offset: number, bytes: Uint8Array): void {
    this.#edit(offset, 0, bytes);
  }

  /** Takes `lengthBytes` bytes from `offset` of its stream on out, as {@link insert} puts some in. */
  remove(offset: number, lengthBytes: number): void {
    this.#edit(offset, lengthBytes, NOTHING);
  }

  /** Puts `bytes` in the place of `lengthBytes` bytes from `offset` of its stream on, as {@link insert} does. */
  replace(offset: number, lengthBytes: number, bytes: Uint8Array): void {
    this.#edit(offset, lengthBytes, bytes);
  }

  #edit(offset: number, removedBytes: number, inserted: Uint8Array): void {
    const row = this.#flow.$row;
    if (!this.#flow.monitor.edits) {
      throw new EditRefusedError("Cannot edit the stream: the monitor was made without { edits: true }");
    }
    this.#core.edit({ row, direction: this.#direction, offset, removedBytes, inserted });
  }

  get #at(): number {
    return this.#flow.$base + Word.directions + this.#direction * DIRECTION_WORDS;
  }

  #words(word: number): number {
    return this.#core.table.words[this.#at + word] as number;
  }

  #number(word: number): number {
    return this.#core.table.numbers[(this.#at + word) >> 1] as number;
  }

  #has(flag: number): boolean {
    return ((this.#core.table.bytes[this.#at * 4 + DirectionWord.options * 4 + 1] as number) & flag) !== 0;
  }
}

const NOTHING = new Uint8Array(0);
