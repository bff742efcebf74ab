/**
 * What a receiver would do with a segment (RFC 9293 §3.10.7, RFC 5961, RFC 7323 §5): what it will not take changes
 * neither end.
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import { EndFlag, RowFlag, WINDOW_UNKNOWN } from "../table/flags.ts";
import { DirectionWord, Word } from "../table/record.ts";
import { type Segment, TcpFlag } from "./segment.ts";
import { State } from "./state.ts";

/** What the receiver will not take a segment for; 0 when it takes it. */
export const Refusal = { none: 0, window: 1, timestamp: 2, reset: 3, acknowledgement: 4, syn: 5 } as const;

/** How far an acknowledgement may run ahead of what was seen while the window is not known: an eighth of the space. */
const AHEAD_MAX = 1 << 29;
/** A window nobody has scaled. */
const WINDOW_MAX_UNSCALED = 65_535;
/** RFC 7323 §5.5: a timestamp older than 24 days says nothing. */
const TIMESTAMP_AGE_MAX = 24 * 86_400_000;

export class Judge {
  readonly #segment: Segment;
  readonly #policy: FlowPolicy;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;

  constructor(segment: Segment, policy: FlowPolicy, dispatcher: Dispatcher, delivery: Delivery) {
    this.#segment = segment;
    this.#policy = policy;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
  }

  /** Whether, and why not, the receiver takes the segment. Learns the numbers of a flow met in the middle. */
  judge(layers: Layers): number {
    const segment = this.#segment;
    const { flags } = layers;
    const { words } = segment.table;
    if ((flags & TcpFlag.syn) !== 0) return this.#judgeSyn(layers);
    if ((flags & TcpFlag.rst) !== 0) return this.#judgeReset(layers);
    const rowFlags = words[segment.base + Word.flags] as number;
    if ((rowFlags & RowFlag.reset) !== 0) return Refusal.reset;
    if ((segment.flagsOf(segment.mine) & EndFlag.sequence) === 0)
      segment.learn(segment.mine, layers.sequence);
    if ((flags & TcpFlag.ack) !== 0) {
      if ((segment.flagsOf(segment.other) & EndFlag.sequence) === 0) {
        segment.learn(segment.other, layers.acknowledgement);
      } else if (!this.#isPlausible(layers.acknowledgement)) return Refusal.acknowledgement;
    }
    if (segment.options.hasTimestamps && this.#isOldTimestamp()) return Refusal.timestamp;
    const occupies = layers.payloadBytes + (flags & TcpFlag.fin);
    if (occupies > 0 && this.#policy.window === "advertised") {
      const window = words[segment.other + DirectionWord.window] as number;
      if (window !== WINDOW_UNKNOWN) {
        const edge = ((words[segment.other + DirectionWord.acknowledged] as number) + window) | 0;
        const beyond = (layers.sequence - edge) | 0;
        if (beyond > 0 || (beyond === 0 && layers.payloadBytes > 0)) return Refusal.window;
      }
    }
    return Refusal.none;
  }

  /** RFC 9293 §3.10.7.4: an acknowledgement of what was not sent yet is refused; lost packets of a capture allow some. */
  #isPlausible(acknowledgement: number): boolean {
    const segment = this.#segment;
    const { words } = segment.table;
    const ahead = (acknowledgement - (words[segment.other + DirectionWord.sentNext] as number)) | 0;
    if (ahead <= 0) return true;
    const window = words[segment.mine + DirectionWord.window] as number;
    const limit = window === WINDOW_UNKNOWN ? AHEAD_MAX : Math.max(window, WINDOW_MAX_UNSCALED);
    return ahead <= limit;
  }

  #isOldTimestamp(): boolean {
    const segment = this.#segment;
    if (!this.#policy.paws || (segment.flagsOf(segment.mine) & EndFlag.timestamps) === 0) return false;
    const recent = segment.table.words[segment.mine + DirectionWord.timestamp] as number;
    if (((segment.options.timestampValue - recent) | 0) >= 0) return false;
    return this.#dispatcher.idle(segment.row) < TIMESTAMP_AGE_MAX;
  }

  #judgeSyn(layers: Layers): number {
    const segment = this.#segment;
    const { words } = segment.table;
    const mineFlags = segment.flagsOf(segment.mine);
    const otherFlags = segment.flagsOf(segment.other);
    if ((mineFlags & EndFlag.sequence) !== 0) {
      const isSame =
        (mineFlags & EndFlag.syn) !== 0 &&
        (words[segment.mine + DirectionWord.initialSequence] as number | 0) === (layers.sequence | 0);
      if (!isSame) return Refusal.syn;
      // Of a simultaneous open the SYN comes again with an ACK, which says something new.
      const isAnswer = (layers.flags & TcpFlag.ack) !== 0 && (mineFlags & EndFlag.acknowledges) === 0;
      if (!isAnswer) segment.repeats = "syn";
    }
    if ((layers.flags & TcpFlag.ack) !== 0 && (otherFlags & EndFlag.sequence) !== 0) {
      const first = (words[segment.other + DirectionWord.initialSequence] as number) + 1;
      const sentNext = words[segment.other + DirectionWord.sentNext] as number;
      if (((layers.acknowledgement - first) | 0) < 0) return Refusal.acknowledgement;
      if (((layers.acknowledgement - sentNext) | 0) > 0) return Refusal.acknowledgement;
    }
    return Refusal.none;
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
      const isAnswer = (layers.flags & TcpFlag.ack) !== 0 && ((layers.acknowledgement - first) | 0) >= 0;
      return isAnswer && this.#isPlausible(layers.acknowledgement) ? Refusal.none : Refusal.reset;
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
