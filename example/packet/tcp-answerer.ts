/**
 * The server's half of a TCP connection that somebody else has begun (RFC 9293): sends one answer, as parts of at most
 * the client's segment size, follows the client's acknowledgments, and closes. Slow start from ten segments (RFC 6928),
 * fast retransmit and recovery (RFC 5681, 6582), time-outs from measured times with back-off (RFC 6298), window scale
 * and timestamps as they were negotiated (RFC 7323). What the client sends besides acknowledgments and its FIN is not
 * taken.
 * @module
 */
import {
  between,
  build,
  type Context,
  type Deferred,
  type Duration,
  type Header,
  milliseconds,
  type Part,
  seconds,
  tcp,
  type ViewOf,
} from "metanet/script";

/** Segments that are sent before the first acknowledgment; and at most at any time. */
const WINDOW_FIRST = 10;
const WINDOW_MAX = 1024;
const TIMEOUT_FIRST = seconds(1);
const TIMEOUT_MIN = milliseconds(200);
const TIMEOUT_MAX = seconds(60);
/** Time-outs in a row without any answer after which the client counts as gone. */
const TIMEOUT_COUNT_MAX = 10;
/** How long a client may take to close when it has everything. */
const LINGER = seconds(10);
const NO_OPERATION = 1;
const TIMESTAMPS = 8;

export interface Answer {
  /** The IP header of all segments, and the ports in it. */
  readonly ip: Header;
  readonly ports: { readonly sourcePort: number; readonly destinationPort: number };
  /** The sequence number of the answer's first byte. */
  readonly sequence: number;
  /** The one that is expected from the client. */
  readonly expected: number;
  /** The head of the answer, and the parts of its body, all of one length but the last. */
  readonly parts: readonly Part[];
  /** What the client's window counts in, as a shift. */
  readonly windowShift: number;
  /** Our clock at the moment, as the client knows it; `undefined` when there are no timestamps. */
  readonly timestamp: number | undefined;
}

export class TcpAnswerer {
  readonly #answer: Answer;
  readonly #context: Context;
  readonly #onDone: () => void;
  readonly #began: Context["now"];
  /** Parts that are acknowledged, to be sent next, and have been sent; segments are counted by their parts. */
  #acknowledged = 0;
  #next = 0;
  #sent = 0;
  /** Bytes up to which the client takes the answer. */
  #windowEnd = 0;
  #expected: number;
  /** The client's latest timestamp. */
  #echo = 0;
  #isClientClosed = false;

  #window = WINDOW_FIRST;
  #threshold = Number.POSITIVE_INFINITY;
  #duplicateCount = 0;
  /** Recovery lasts until this part is acknowledged; 0 without one. */
  #recovery = 0;

  #timeout: Duration = TIMEOUT_FIRST;
  #timeoutCount = 0;
  #smoothed: number | undefined;
  #variation = 0;
  /** The part by which the way there and back is being measured. */
  #measured: { readonly part: number; readonly sent: Context["now"] } | undefined;
  #timer: Deferred | undefined;
  /** When the client was last seen to go on. */
  #progress: Context["now"];
  #isDone = false;

  /** @param onDone called once, when the connection is over */
  constructor(answer: Answer, context: Context, onDone: () => void) {
    this.#answer = answer;
    this.#context = context;
    this.#onDone = onDone;
    this.#began = context.now;
    this.#progress = context.now;
    this.#expected = answer.expected;
  }

  /** Takes a segment of the client's; the first one is that of the request. */
  receive(segment: ViewOf<typeof tcp>): void {
    if (segment.rst) {
      this.#end();
      return;
    }
    const late = (segment.sequence - this.#expected) | 0;
    if (late <= 0) this.#echo = segment.timestamp ?? 0;
    if (segment.ack) this.#acknowledge(segment);
    const bytes = segment.payload().lengthBytes;
    if (segment.fin && late === 0 && bytes === 0) {
      this.#expected = (this.#expected + 1) >>> 0;
      this.#isClientClosed = true;
    }
    const { parts } = this.#answer;
    if (this.#isClientClosed && this.#acknowledged === parts.length) {
      this.#sendSegment(undefined);
      this.#end();
      return;
    }
    // A FIN, or something the client had sent before: it has missed our acknowledgment.
    if (segment.fin || (bytes > 0 && late < 0 && this.#sent > 0)) this.#sendSegment(undefined);
    this.#send();
  }

  #acknowledge(segment: ViewOf<typeof tcp>): void {
    const offset = (segment.acknowledgment - this.#answer.sequence) | 0;
    if (offset < 0 || offset > this.#endOf(this.#sent)) return;
    // Who answers is there, also with a closed window (RFC 9293 §3.8.6.1).
    this.#timeoutCount = 0;
    const windowEnd = offset + segment.window * 2 ** this.#answer.windowShift;
    // The same once more, or with a note of what has come behind a hole, tells of a loss; another window does not.
    const isRepeated = windowEnd === this.#windowEnd || segment.sackBlocks.length > 0;
    this.#windowEnd = Math.max(this.#windowEnd, windowEnd);
    const count = this.#partsIn(offset);
    if (count > this.#acknowledged) this.#advance(count);
    else if (isRepeated && this.#acknowledged < this.#next && !segment.fin) this.#repeated();
  }

  /** The client has more than before. */
  #advance(count: number): void {
    const newly = count - this.#acknowledged;
    this.#acknowledged = count;
    this.#next = Math.max(this.#next, count);
    this.#duplicateCount = 0;
    this.#progress = this.#context.now;
    if (this.#measured && count > this.#measured.part) this.#measure(this.#measured.sent);
    if (count < this.#recovery) {
      // The next hole begins where this acknowledgment ends (RFC 6582 §3.2).
      this.#transmit(count);
      this.#window = Math.max(this.#window - newly + 1, 2);
    } else if (this.#recovery > 0) {
      this.#recovery = 0;
      this.#window = this.#threshold;
    } else {
      this.#window += this.#window < this.#threshold ? newly : newly / this.#window;
      this.#window = Math.min(this.#window, WINDOW_MAX);
    }
  }

  /** The client has the same as before, and something behind it. */
  #repeated(): void {
    this.#duplicateCount++;
    if (this.#recovery > 0) this.#window++;
    else if (this.#duplicateCount === 3) {
      this.#threshold = Math.max((this.#next - this.#acknowledged) / 2, 2);
      this.#window = this.#threshold + 3;
      this.#recovery = this.#next;
      this.#transmit(this.#acknowledged);
    }
  }

  #send(): void {
    const { parts } = this.#answer;
    while (this.#next < parts.length && this.#next - this.#acknowledged < this.#window) {
      if (this.#endOf(this.#next + 1) > this.#windowEnd || !this.#transmit(this.#next)) break;
      this.#next++;
    }
    this.#sent = Math.max(this.#sent, this.#next);
    this.#timer ??= this.#context.defer(() => this.#tick(), { delay: this.#timeout });
  }

  /** Sends a part; `false` when there is no room for it. */
  #transmit(index: number): boolean {
    if (index < this.#sent) this.#measured = undefined;
    else this.#measured ??= { part: index, sent: this.#context.now };
    return this.#sendSegment(index);
  }

  /** Sends a part, or an acknowledgment only. */
  #sendSegment(index: number | undefined): boolean {
    const { ip, ports, sequence, parts, timestamp } = this.#answer;
    const payload = index === undefined ? undefined : parts[index];
    const isLast = index === parts.length - 1;
    const header = tcp.header(
      {
        ...ports,
        sequence: (sequence + (index === undefined ? this.#endOf(this.#sent) : this.#startOf(index))) >>> 0,
        acknowledgment: this.#expected,
        ack: true,
        psh: isLast,
        fin: isLast,
      },
      timestamp === undefined ? undefined : this.#timestamps(timestamp),
    );
    return this.#context.send(payload === undefined ? build(ip, header) : build(ip, header, payload));
  }

  #timestamps(first: number): Uint8Array {
    const options = new Uint8Array(12).fill(NO_OPERATION);
    const view = new DataView(options.buffer);
    view.setUint16(2, TIMESTAMPS * 256 + 10);
    view.setUint32(4, first + between(this.#began, this.#context.now));
    view.setUint32(8, this.#echo);
    return options;
  }

  #measure(sent: Context["now"]): void {
    const time = between(sent, this.#context.now);
    this.#measured = undefined;
    this.#variation =
      this.#smoothed === undefined ? time / 2 : (3 * this.#variation + Math.abs(this.#smoothed - time)) / 4;
    this.#smoothed = this.#smoothed === undefined ? time : (7 * this.#smoothed + time) / 8;
    this.#timeout = milliseconds(Math.max(TIMEOUT_MIN, Math.ceil(this.#smoothed + 4 * this.#variation)));
  }

  /** The timer: the client has not gone on for the time-out, or it has, and there is some time left. */
  #tick(): void {
    this.#timer = undefined;
    if (this.#isDone) return;
    const isWaiting = this.#acknowledged < this.#answer.parts.length;
    const quiet = between(this.#progress, this.#context.now);
    const wait = isWaiting ? this.#timeout : LINGER;
    if (quiet < wait) {
      this.#timer = this.#context.defer(() => this.#tick(), { delay: milliseconds(wait - quiet) });
      return;
    }
    if (!isWaiting || ++this.#timeoutCount > TIMEOUT_COUNT_MAX) {
      this.#end();
      return;
    }
    // Also with a closed window: then this is the probe (RFC 9293 §3.8.6.1).
    this.#threshold = Math.max((this.#next - this.#acknowledged) / 2, 2);
    this.#window = 1;
    this.#recovery = 0;
    this.#duplicateCount = 0;
    this.#timeout = milliseconds(Math.min(this.#timeout * 2, TIMEOUT_MAX));
    this.#progress = this.#context.now;
    this.#transmit(this.#acknowledged);
    this.#next = this.#acknowledged + 1;
    this.#sent = Math.max(this.#sent, this.#next);
    this.#timer = this.#context.defer(() => this.#tick(), { delay: this.#timeout });
  }

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#timer?.cancel();
    this.#onDone();
  }

  /** The offset of a part's first byte. */
  #startOf(index: number): number {
    const { parts } = this.#answer;
    const body = parts[1]?.bytes.length ?? 0;
    return index === 0 ? 0 : (parts[0]?.bytes.length ?? 0) + (index - 1) * body;
  }

  /** The offset behind the first `count` parts, and behind the FIN, which counts as a byte. */
  #endOf(count: number): number {
    const last = this.#answer.parts[count - 1];
    if (last === undefined) return 0;
    const isAll = count === this.#answer.parts.length;
    return this.#startOf(count - 1) + last.bytes.length + (isAll ? 1 : 0);
  }

  /** How many parts are whole before an offset. */
  #partsIn(offset: number): number {
    const { parts } = this.#answer;
    if (offset >= this.#endOf(parts.length)) return parts.length;
    const head = parts[0]?.bytes.length ?? 0;
    const body = parts[1]?.bytes.length ?? 1;
    return offset < head ? 0 : Math.min(1 + Math.floor((offset - head) / body), parts.length - 1);
  }
}
