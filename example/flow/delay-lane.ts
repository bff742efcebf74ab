/**
 * What one end of a connection sends, and why it does not send more: it has nothing to send, the network takes no more,
 * or the receiver's window is full ("X Window System network performance", Packard and Gettys, 2003).
 *
 * The moment at which a packet was sent, and what the sender knew then, is inferred from where it was captured: what the
 * tap saw of the other end is known to the sender half a turnaround later, and what it sends is seen as much later again.
 *
 * @module
 */

/** `bandwidth`: the network is the limit, by its rate or by what may be in flight; `window`: the receiver is. */
export type DelayState = "idle" | "bandwidth" | "window";

export interface DelaySpan {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly state: DelayState;
}

/** A packet with data, for plots. */
export interface LanePacket {
  readonly time: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly state: DelayState;
}

/** What the other end had acknowledged, and how far it would take more, since a time. */
export interface LaneAcknowledgement {
  readonly time: number;
  readonly offset: number;
  /** Unknown before the window is. */
  readonly edge: number | undefined;
  /** Whether it came by itself, and whether it left anything unacknowledged: then it was no reply's. */
  readonly isPure: boolean;
  readonly isNews: boolean;
}

/** What is done so soon after what it answers was done at once: milliseconds, and as a share of the turnaround. */
const PROMPT = { least: 1, share: 0.1 } as const;
/** How much longer than its turn on the link a packet may take. */
const TURN_FACTOR = 1.25;
/** Points and spans of a direction that are kept: those that come later only count. */
export const POINT_COUNT_MAX = 20_000;
/** Acknowledgements that the next packet can be an answer to. */
const RECENT_COUNT_MAX = 1024;

export class DelayLane {
  readonly spans: DelaySpan[] = [];
  readonly packets: LanePacket[] = [];
  readonly acknowledgements: LaneAcknowledgement[] = [];
  /** From the tap to the sender and back, the least that was seen; milliseconds. */
  turnaround = 0;
  /** Payload of a full segment in bytes. */
  segmentBytes = 536;
  /** The offset behind the last byte sent, and when that was seen; `undefined` before. */
  end = 0;
  lastTime: number | undefined = undefined;
  /** Bytes per millisecond at which packets came at most. */
  #rate = 0;
  /** Whether the first span is `bandwidth` only because no rate was known before. */
  #isGuess = false;
  #lastBytes = 0;
  #acknowledged = 0;
  readonly #totals: Record<DelayState, number> = { idle: 0, bandwidth: 0, window: 0 };
  readonly #recent: LaneAcknowledgement[] = [];

  /** The other end has acknowledged up to `offset`; `edge` is where its window ends. */
  acknowledge(time: number, offset: number, edge: number | undefined, isPure: boolean): void {
    const isNews = offset > this.#acknowledged;
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    const isInFlight = this.end > offset;
    const one = { time, offset, edge, isPure: isPure || isInFlight, isNews };
    this.#recent.push(one);
    if (this.#recent.length > RECENT_COUNT_MAX) this.#recent.shift();
    if (this.acknowledgements.length < POINT_COUNT_MAX) this.acknowledgements.push(one);
  }

  /** The end has sent `lengthBytes` bytes. */
  send(time: number, offset: number, lengthBytes: number): void {
    const before = this.lastTime;
    let state: DelayState = "idle";
    if (before !== undefined) {
      const gap = time - before;
      if (gap > PROMPT.least) this.#learnRate(lengthBytes / gap);
      state = this.#stateBefore(time, gap, offset + lengthBytes);
      this.#add({ from: before, to: time, state });
    }
    if (this.packets.length < POINT_COUNT_MAX) this.packets.push({ time, offset, lengthBytes, state });
    this.lastTime = time;
    this.end = Math.max(this.end, offset + lengthBytes);
    this.#lastBytes = lengthBytes;
    this.#forget(time);
  }

  /** Milliseconds spent in a state. */
  total(state: DelayState): number {
    return this.#totals[state];
  }

  /** What the sender was in between its last packet and the one that is seen now, whose data ends at `end`. */
  #stateBefore(time: number, gap: number, end: number): DelayState {
    // What was there before was lost, or taken for lost: the network is to blame.
    if (end <= this.end) return "bandwidth";
    const prompt = Math.max(PROMPT.least, this.turnaround * PROMPT.share);
    const turn = this.#rate > 0 ? (TURN_FACTOR * (end - this.end)) / this.#rate : 0;
    if (this.#wasClosed(time, gap, end, prompt + turn)) return "window";
    if (this.#wasElicited(time, prompt)) return "bandwidth";
    // A full segment has more behind it, and that came as soon as the link had let the first one go.
    const isFull = this.#lastBytes >= 0.9 * this.segmentBytes;
    if (!isFull || this.#rate === 0 || gap > turn) return "idle";
    if (this.spans.length === 0) this.#isGuess = true;
    return "bandwidth";
  }

  /** Whether the data did not fit into the window that the sender knew of, until just now. */
  #wasClosed(time: number, gap: number, end: number, prompt: number): boolean {
    const sent = time - this.turnaround;
    const opened = this.#recent.find(({ edge }) => edge !== undefined && edge >= end);
    if (opened === undefined) return false;
    const known = this.#recent.findLast((one) => one.time < opened.time && one.edge !== undefined);
    if (known === undefined) return false;
    return opened.time > sent - gap - PROMPT.least && sent - opened.time <= prompt;
  }

  /** Whether an acknowledgement had just reached the sender; one that came with a reply elicits a request, not data. */
  #wasElicited(time: number, prompt: number): boolean {
    const sent = time - this.turnaround;
    return this.#recent.some((one) => one.isNews && one.isPure && Math.abs(sent - one.time) <= prompt);
  }

  /** Acknowledgements that were known when the last packet was sent elicit nothing any more; but one window is. */
  #forget(time: number): void {
    const sent = time - this.turnaround - PROMPT.least;
    while ((this.#recent[1]?.time ?? Number.POSITIVE_INFINITY) < sent) this.#recent.shift();
  }

  /** The first gap is taken for the link's rate; a higher one later on shows that it was none. */
  #learnRate(rate: number): void {
    const [first] = this.spans;
    if (rate > this.#rate * TURN_FACTOR && this.#isGuess && first !== undefined) {
      this.spans[0] = { ...first, state: "idle" };
      this.#totals[first.state] -= first.to - first.from;
      this.#totals.idle += first.to - first.from;
      this.#isGuess = false;
    }
    this.#rate = Math.max(this.#rate, rate);
  }

  #add(span: DelaySpan): void {
    if (span.to <= span.from) return;
    this.#totals[span.state] += span.to - span.from;
    const last = this.spans.at(-1);
    const isOne = this.#isGuess && this.spans.length === 1;
    if (last?.state === span.state && last.to === span.from && !isOne) {
      this.spans[this.spans.length - 1] = { ...last, to: span.to };
    } else if (this.spans.length < POINT_COUNT_MAX) this.spans.push(span);
  }
}
