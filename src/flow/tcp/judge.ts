/**
 * What a receiver would do with a segment (RFC 9293 §3.10.7, RFC 5961, RFC 7323 §5): what it will not take changes
 * neither end.
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import * as bits from "../table/flags.ts";
import * as record from "../table/record.ts";
import type { Segment } from "./segment.ts";
import * as segments from "./segment.ts";
import * as states from "./state.ts";
import { Suspects } from "./suspects.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, NO_SHIFT, RowFlag, WINDOW_UNKNOWN } = bits;
const { DirectionWord, Word } = record;
const { SHIFT_AT, TcpFlag } = segments;
const { State } = states;

/** What the receiver will not take a segment for; 0 when it takes it. */
export const Refusal = {
  none: 0,
  window: 1,
  timestamp: 2,
  reset: 3,
  acknowledgement: 4,
  syn: 5,
  urgent: 6,
} as const;

/** How far an acknowledgement may run ahead of what was seen while the window is not known: an eighth of the space. */
const AHEAD_MAX = 1 << 29;
/** A window nobody has scaled. */
const WINDOW_MAX_UNSCALED = 65_535;
/** RFC 7323 §2.3. */
const WINDOW_SHIFT_MAX = 14;
/** RFC 7323 §5.5: a timestamp older than 24 days says nothing. */
const TIMESTAMP_AGE_MAX = 24 * 86_400_000;

export class Judge {
  readonly suspects: Suspects = new Suspects();
  readonly #segment: Segment;
  readonly #policy: FlowPolicy;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;
  /** Ticks by which a timestamp may be older: Linux takes one for disorder on the way, RFC 7323 none. */
  readonly #timestampSlack: number;

  constructor(segment: Segment, policy: FlowPolicy, dispatcher: Dispatcher, delivery: Delivery) {
    this.#segment = segment;
    this.#policy = policy;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
    this.#timestampSlack = policy.overlap === "linux" || policy.overlap === "old-linux" ? 1 : 0;
  }

  /** Whether, and why not, the receiver takes the segment. Learns the numbers of a flow met in the middle. */
  judge(layers: Layers): number {
    const segment = this.#segment;
    const { flags } = layers;
    if ((flags & (TcpFlag.syn | TcpFlag.rst)) !== 0) {
      // A reset with SYN is a reset: RFC 9293 §3.10.7 looks at that first.
      return (flags & TcpFlag.rst) !== 0 ? this.#judgeReset(layers) : this.#judgeSyn(layers);
    }
    const { words } = segment.table;
    if (((words[segment.base + Word.flags] as number) & RowFlag.reset) !== 0) return Refusal.reset;
    // RFC 9293 §3.10.7.4: without ACK it is dropped. Who took its bytes would see what no receiver does.
    if ((flags & TcpFlag.ack) === 0) return Refusal.acknowledgement;
    let refusal: number = Refusal.none;
    const known = segment.flagsOf(segment.mine) & segment.flagsOf(segment.other) & EndFlag.sequence;
    if (known === 0 && !this.#mayLearn()) return Refusal.acknowledgement;
    if ((segment.flagsOf(segment.mine) & EndFlag.sequence) === 0)
      segment.learn(segment.mine, layers.sequence);
    if ((segment.flagsOf(segment.other) & EndFlag.sequence) === 0) {
      segment.learn(segment.other, layers.acknowledgement);
    } else if (!this.#isPlausible(layers.acknowledgement)) refusal = Refusal.acknowledgement;
    if (this.#isBeyondWindow(layers)) refusal = Refusal.window;
    if (refusal !== Refusal.none && !this.#isConfirmed(layers)) return refusal;
    if (segment.options.hasTimestamps ? this.#isOldTimestamp(layers) : this.#isTimestampMissing(layers)) {
      return Refusal.timestamp;
    }
    const isUrgent = (flags & TcpFlag.urg) !== 0 && this.#policy.urgent === "drop";
    return isUrgent ? Refusal.urgent : Refusal.none;
  }

  /** Whether numbers may be believed that no SYN has told of: where one may have been missed. */
  #mayLearn(): boolean {
    if (this.#policy.unseen === "infer") return true;
    const { base, table } = this.#segment;
    return ((table.words[base + Word.flags] as number) & RowFlag.partial) !== 0;
  }

  /**
   * RFC 9293 §3.10.7.4, RFC 5961 §5.2: what was not sent yet cannot be acknowledged, nor can what was a window ago. A tap
   * that may have missed packets believes the former within limits.
   */
  #isPlausible(acknowledgement: number): boolean {
    const segment = this.#segment;
    const { words } = segment.table;
    const ahead = (acknowledgement - (words[segment.other + DirectionWord.sentNext] as number)) | 0;
    if (ahead > 0) {
      if (this.#policy.unseen === "refuse") return false;
      const window = words[segment.mine + DirectionWord.window] as number;
      return ahead <= (window === WINDOW_UNKNOWN ? AHEAD_MAX : Math.max(window, WINDOW_MAX_UNSCALED));
    }
    const behind = ((words[segment.mine + DirectionWord.acknowledged] as number) - acknowledgement) | 0;
    if (behind <= WINDOW_MAX_UNSCALED) return true;
    // Old duplicates, unless it is older than any window that was ever offered.
    const mineFlags = segment.flagsOf(segment.mine);
    if ((mineFlags & EndFlag.acknowledges) === 0) return true;
    const shift = segment.table.bytes[segment.mine * 4 + SHIFT_AT] as number;
    const isShiftKnown = (mineFlags & segment.flagsOf(segment.other) & EndFlag.syn) !== 0;
    const limit = isShiftKnown ? (shift === NO_SHIFT ? 0 : shift) : WINDOW_SHIFT_MAX;
    return behind <= WINDOW_MAX_UNSCALED << limit;
  }

  /** RFC 9293 §3.10.7.4: nothing of it, be it its number only, lies in the receiver's window or before it. */
  #isBeyondWindow(layers: Layers): boolean {
    if (this.#policy.window !== "advertised") return false;
    const segment = this.#segment;
    const { words } = segment.table;
    const window = words[segment.other + DirectionWord.window] as number;
    if (window === WINDOW_UNKNOWN) return false;
    const edge = ((words[segment.other + DirectionWord.acknowledged] as number) + window) | 0;
    return ((layers.sequence - edge) | 0) > 0;
  }

  /** Whether both ends say what is refused to either; what is refused is remembered if not. */
  #isConfirmed(layers: Layers): boolean {
    const { row, direction, base, table } = this.#segment;
    // Whose payload we have changed passes here, all of it: nothing of it was missed.
    const isRewritten = ((table.words[base + Word.flags] as number) & RowFlag.rewritten) !== 0;
    if (this.#policy.unseen === "refuse" || isRewritten) return false;
    const { sequence, acknowledgement } = layers;
    const length = layers.payloadBytes + (layers.flags & TcpFlag.fin);
    const end = (sequence + length) | 0;
    if (this.suspects.agrees(row, direction, sequence, end, acknowledgement)) {
      const { words } = this.#segment.table;
      // What the other end said then is true as well: it moves the window that this segment lies in.
      words[this.#segment.other + DirectionWord.acknowledged] = this.suspects.acknowledgementOf(row, end);
      this.suspects.forget(row);
      return true;
    }
    this.suspects.add(row, direction, false, sequence, length, acknowledgement);
    return false;
  }

  /** RFC 7323 §5.3. Only where both ends agreed on timestamps does the receiver look at them. */
  #isOldTimestamp(layers: Layers): boolean {
    const segment = this.#segment;
    const { words } = segment.table;
    const known = segment.flagsOf(segment.mine) & segment.flagsOf(segment.other);
    if ((known & EndFlag.timestamps) === 0 || !this.#policy.paws) return false;
    const recent = words[segment.mine + DirectionWord.timestamp] as number;
    if (((segment.options.timestampValue - recent) | 0) >= -this.#timestampSlack) return false;
    if (this.#dispatcher.idle(segment.row) >= TIMESTAMP_AGE_MAX) return false;
    // An acknowledgement that was overtaken says nothing new, and nobody need be told of it.
    const acknowledged = words[segment.mine + DirectionWord.acknowledged] as number;
    const isOvertaken = ((layers.acknowledgement - acknowledged) | 0) <= 0;
    return layers.payloadBytes + (layers.flags & TcpFlag.fin) > 0 || !isOvertaken;
  }

  #isTimestampMissing(layers: Layers): boolean {
    const segment = this.#segment;
    if (this.#policy.missingTimestamps === "accept") return false;
    const known = segment.flagsOf(segment.mine) & segment.flagsOf(segment.other) & EndFlag.syn;
    if (known === 0 || layers.payloadBytes === 0) return false;
    return (segment.flagsOf(segment.mine) & segment.flagsOf(segment.other) & EndFlag.timestamps) !== 0;
  }

  #judgeSyn(layers: Layers): number {
    const segment = this.#segment;
    const { words } = segment.table;
    // RFC 9293 does not forbid it; Linux and others drop it, as nobody but a scanner sends it.
    if ((layers.flags & TcpFlag.fin) !== 0) return Refusal.syn;
    const isAnswer = (layers.flags & TcpFlag.ack) !== 0;
    const mineFlags = segment.flagsOf(segment.mine);
    const otherFlags = segment.flagsOf(segment.other);
    if ((mineFlags & EndFlag.sequence) !== 0 && !this.#isUnused(mineFlags, otherFlags)) {
      const isSame =
        (words[segment.mine + DirectionWord.initialSequence] as number | 0) === (layers.sequence | 0);
      if (!isSame) {
        this.suspects.add(
          segment.row,
          segment.direction,
          !isAnswer,
          layers.sequence,
          1,
          layers.acknowledgement,
        );
        return Refusal.syn;
      }
      if ((mineFlags & EndFlag.syn) !== 0) {
        // Of a simultaneous open the SYN comes again with an ACK, which says something new.
        const isNews = isAnswer && (mineFlags & EndFlag.acknowledges) === 0;
        if (!isNews && !segment.revive(isAnswer)) segment.repeats = "syn";
      }
    }
    if (isAnswer && (otherFlags & EndFlag.sequence) !== 0) {
      const first = (words[segment.other + DirectionWord.initialSequence] as number) + 1;
      const sentNext = words[segment.other + DirectionWord.sentNext] as number;
      const isOld = ((layers.acknowledgement - first) | 0) < 0;
      if (isOld || ((layers.acknowledgement - sentNext) | 0) > 0) return Refusal.acknowledgement;
    }
    return Refusal.none;
  }

  /**
   * Whether the sender's numbers come from a segment in front of its SYN, as in a handshake of four or five packets, and
   * nothing was made of them.
   */
  #isUnused(mineFlags: number, otherFlags: number): boolean {
    const segment = this.#segment;
    if ((mineFlags & EndFlag.syn) !== 0 || (otherFlags & EndFlag.acknowledges) !== 0) return false;
    const { words } = segment.table;
    if (((words[segment.base + Word.flags] as number) & RowFlag.partial) !== 0) return false;
    const initial = words[segment.mine + DirectionWord.initialSequence] as number;
    return (((words[segment.mine + DirectionWord.sentNext] as number) - initial) | 0) === 1;
  }

  /**
   * RFC 5961 §3.2: a reset counts when its number is exactly the next one expected. What the receiver expects lies between
   * what it has acknowledged and what has reached it; the sender's own next number is what a closing host uses.
   */
  #judgeReset(layers: Layers): number {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const mineFlags = segment.flagsOf(segment.mine);
    const otherFlags = segment.flagsOf(segment.other);
    const otherState = bytes[segment.otherState] as number;
    if (otherState === State.synSent && (mineFlags & EndFlag.sequence) === 0) {
      // RFC 9293 §3.10.7.3: in SYN-SENT a reset has to acknowledge the SYN.
      const first = (words[segment.other + DirectionWord.initialSequence] as number) + 1;
      const sentNext = words[segment.other + DirectionWord.sentNext] as number;
      const isAfter = ((layers.acknowledgement - first) | 0) >= 0;
      const isAnswer = isAfter && ((layers.acknowledgement - sentNext) | 0) <= 0;
      return (layers.flags & TcpFlag.ack) !== 0 && isAnswer ? Refusal.none : Refusal.reset;
    }
    if ((mineFlags & EndFlag.sequence) === 0) return Refusal.none;
    const sequence = layers.sequence | 0;
    if (sequence === (words[segment.mine + DirectionWord.sentNext] as number | 0)) return Refusal.none;
    if (sequence === this.#delivery.nextSequence(segment.mine)) return Refusal.none;
    if ((otherFlags & EndFlag.acknowledges) === 0) return Refusal.reset;
    const expected = words[segment.other + DirectionWord.acknowledged] as number;
    if (sequence === (expected | 0)) return Refusal.none;
    if (this.#policy.reset === "exact") return Refusal.reset;
    const window = words[segment.other + DirectionWord.window] as number;
    const ahead = (sequence - expected) | 0;
    const limit = window === WINDOW_UNKNOWN ? WINDOW_MAX_UNSCALED : window;
    return ahead >= 0 && ahead < limit ? Refusal.none : Refusal.reset;
  }
}
