/**
 * One connection to one other process, from HELLO to its end: both sides may send, call, attach and be attached to
 * over it. Here frames are read and told apart; `asking.ts` is what this side wants, `serving.ts` what the peer does.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { type MetanetError, ProtocolViolationError } from "#base/errors.ts";
import type { Tuples } from "#base/value.ts";
import type { PeerCredentials, Stream } from "#io/stream.ts";
import type { Bus } from "#mailbox/bus.ts";
import { PeerGoneError } from "#mailbox/errors.ts";
import { MalformedTuplesError } from "#wire/cbor-profile.ts";
import {
  FLAG,
  FRAME_BYTES_MAX,
  type FrameContent,
  type FrameHead,
  FrameSplitter,
  isKnownKind,
  KIND,
  NO_MAILBOX,
  readFrameContent,
  readFrameHead,
} from "#wire/link.ts";
import { Asking } from "./asking.ts";
import { decodeError, encodeError } from "./error-tuples.ts";
import type { Guests } from "./guests.ts";
import { decodeHello, encodeHello, type Hello } from "./hello.ts";
import { CREDIT_PORTION_BYTES, DRAIN, HELLO_TIMEOUT, STRANGER_FRAME_BYTES_MAX } from "./limits.ts";
import { Liveness } from "./liveness.ts";
import { ReceivedNames } from "./names.ts";
import { Outbox } from "./outbox.ts";
import type { Rights } from "./rights.ts";
import { Serving } from "./serving.ts";
import { ControlTuples, required } from "./tuples.ts";

/** What a link needs of the process it belongs to. */
export interface LinkHost {
  readonly bus: Bus;
  readonly instance: string;
  readonly rights: Rights;
  /**
   * The peer has said who it is.
   * @throws MetanetError to refuse it.
   */
  greeted(link: Link): void;
  /** The link can be used from here on. */
  opened(link: Link): void;
  /** The peer says that it is going: nothing new is to be sent to it. */
  leaving(link: Link): void;
  /** The link is no more; called once, for links that were greeted. */
  closed(link: Link): void;
}

/** What came over a link, and what went wrong on it. */
export interface LinkCounters {
  framesReceived: number;
  bytesReceived: number;
  /** Frames whose content could not be read; the link lived on. */
  malformed: number;
  /** Broken rules that ended the link. */
  violations: number;
  /** Answers and verdicts that came after their deadline. */
  late: number;
  /** Requests that the peer had no right to. */
  denied: number;
}

type State = "greeting" | "ready" | "leaving" | "closed";

const NONE: Tuples = [];

export class Link {
  readonly host: LinkHost;
  /** Whether this side made the connection. */
  readonly initiated: boolean;
  readonly counters: LinkCounters = {
    framesReceived: 0,
    bytesReceived: 0,
    malformed: 0,
    violations: 0,
    late: 0,
    denied: 0,
  };
  /** Fulfilled when the link can be used; rejected with the reason when it comes to nothing. */
  readonly ready: Promise<Link>;
  readonly outbox: Outbox;
  /** This process's requests to the peer. */
  readonly asking: Asking;
  readonly #serving: Serving;
  readonly #stream: Stream;
  readonly #splitter: FrameSplitter = new FrameSplitter(STRANGER_FRAME_BYTES_MAX);
  readonly #names: ReceivedNames = new ReceivedNames();
  readonly #liveness: Liveness;
  #state: State = "greeting";
  #hello: Hello | undefined;
  #closing: Timer | undefined;
  /** Charged bytes dealt with, and not yet given back as credit. */
  #dealtBytes = 0;
  #settleReady: { resolve(link: Link): void; reject(error: MetanetError): void } | undefined;

  constructor(host: LinkHost, stream: Stream, initiated: boolean) {
    this.host = host;
    this.initiated = initiated;
    this.#stream = stream;
    this.outbox = new Outbox(stream, "peer", () => this.close("it reads none of its answers"));
    this.asking = new Asking(this, host.bus, this.outbox);
    this.#serving = new Serving(this);
    this.#liveness = new Liveness(host.bus.steady, {
      ping: () => this.#control(KIND.ping, NONE),
      dead: (why) => this.close(why),
    });
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => undefined);
    stream.start({
      onData: (bytes) => this.#onData(bytes),
      onClose: () => {
        this.#closing?.cancel();
        this.#end(`Cannot reach ${this.name}: the link is gone`);
      },
    });
    this.#control(KIND.hello, encodeHello(host.bus.name, host.instance));
    this.#liveness.expectWithin(HELLO_TIMEOUT, "it did not say HELLO in time");
  }

  /** The peer's name; `?` until it is known. */
  get name(): string {
    return this.#hello?.name ?? "?";
  }

  /** Which start of the peer this is. */
  get instance(): string {
    return this.#hello?.instance ?? "";
  }

  get peer(): PeerCredentials | undefined {
    return this.#stream.peer;
  }

  /** Whether requests may be sent over it. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** The listeners and observers of the peer in this process. */
  get guests(): Guests {
    return this.#serving.guests;
  }

  /** Bytes on this side that the peer has not taken. */
  get waitingBytes(): number {
    return this.outbox.queueBytes + this.#stream.pendingBytes;
  }

  /** Answers a request of the peer. */
  answer(kind: typeof KIND.reply | typeof KIND.verdict, ref: number, meta: Tuples, body: Tuples): void {
    if (this.#state === "closed") return;
    try {
      this.outbox.send({ kind, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref, meta, body });
    } catch (error) {
      this.refuse(ref, error); // An answer without a form on the wire: the asker learns that.
    }
  }

  /** Tells the peer why its request failed. */
  refuse(ref: number, error: unknown): void {
    if (this.#state !== "closed") this.#control(KIND.error, encodeError(error), ref);
  }

  /** Gives credit back for a charged frame that has been dealt with. */
  dealtWith(bytes: number): void {
    this.#dealtBytes += bytes;
    if (this.#dealtBytes < CREDIT_PORTION_BYTES || this.#state === "closed") return;
    this.#control(KIND.credit, ["bytes", this.#dealtBytes]);
    this.#dealtBytes = 0;
  }

  /** The path a frame concerns. @throws ProtocolViolationError */
  pathOf(head: FrameHead, content: FrameContent): string {
    return content.path ?? this.#names.pathOf(head.mailbox);
  }

  /** Says GOODBYE, waits for what is due, and closes. `duplicate` when another link to the peer goes on. */
  async leave(reason: "closing" | "duplicate" = "closing"): Promise<void> {
    if (this.#state === "greeting") this.close("it is not needed any more");
    if (this.#state === "closed") return;
    this.#state = "leaving";
    this.#control(KIND.goodbye, ["reason", reason]);
    if (reason === "closing") this.guests.detachAll();
    await this.#serving.drained(DRAIN, () => this.asking.pendingCount === 0);
    this.#hangUp(`Cannot reach ${this.name}: this process has left`);
  }

  /** Tells the peer why, and closes at once. */
  close(why: string): void {
    this.#stop(new PeerGoneError(`Cannot go on with the link to ${this.name}: ${why}`));
  }

  #onData(chunk: Uint8Array): void {
    this.#liveness.heard();
    this.counters.bytesReceived += chunk.length;
    if (this.#state === "closed") return;
    try {
      this.#splitter.push(chunk, (bytes, start, end) => this.#onFrame(bytes, start, end));
    } catch (error) {
      this.counters.violations++;
      this.#stop(error as MetanetError);
    }
  }

  #onFrame(bytes: Uint8Array, start: number, end: number): void {
    if (this.#state === "closed") return;
    this.counters.framesReceived++;
    const head = readFrameHead(bytes, start);
    if (this.#state === "greeting" && head.kind !== KIND.hello && head.kind !== KIND.error) {
      throw new ProtocolViolationError(`Cannot take a frame of kind ${head.kind}: HELLO has to come first`);
    }
    if (!isKnownKind(head.kind)) {
      if ((head.flags & FLAG.skippable) !== 0) return;
      throw new ProtocolViolationError(`Cannot take a frame of kind ${head.kind}: it is not known here`);
    }
    let content: FrameContent;
    try {
      content = readFrameContent(bytes, start, end, head);
    } catch (error) {
      if (!(error instanceof MalformedTuplesError)) throw error;
      this.#onMalformed(head, end - start, error);
      return;
    }
    this.#take(head, content, end - start);
  }

  /** Whoever waits for the frame learns that it cannot be read; without somebody to tell, the link ends. */
  #onMalformed(head: FrameHead, bytes: number, error: MalformedTuplesError): void {
    this.counters.malformed++;
    switch (head.kind) {
      case KIND.send:
      case KIND.call:
      case KIND.offer:
      case KIND.observe:
        this.dealtWith(bytes);
        if (head.seq > 0 && (head.flags & FLAG.quiet) === 0) this.refuse(head.seq, error);
        break;
      case KIND.attach:
      case KIND.detach:
        this.refuse(head.seq, error);
        break;
      case KIND.reply:
      case KIND.error:
      case KIND.verdict:
        this.asking.fail(head.ref, error);
        break;
      default:
        throw error;
    }
  }

  #take(head: FrameHead, content: FrameContent, bytes: number): void {
    switch (head.kind) {
      case KIND.send:
      case KIND.call:
        this.#serving.message(head, content, bytes);
        break;
      case KIND.reply:
      case KIND.verdict:
        this.#noteAnswer(this.asking.settle(head.ref, content));
        break;
      case KIND.error:
        this.#onError(head.ref, content.body);
        break;
      case KIND.offer:
      case KIND.observe:
        this.#serving.offered(head, content, bytes, this.asking.orderOf(head.ref));
        break;
      case KIND.attach:
      case KIND.detach:
        this.#serving.attachment(head, content);
        break;
      default:
        this.#takeControl(head, content.body);
    }
  }

  #takeControl(head: FrameHead, body: Tuples): void {
    switch (head.kind) {
      case KIND.hello:
        this.#onHello(body);
        break;
      case KIND.name:
        this.#names.bind(head.mailbox, required(new ControlTuples(body).text("path"), "path"));
        break;
      case KIND.credit:
        this.outbox.grant(required(new ControlTuples(body).count("bytes"), "bytes"));
        break;
      case KIND.ping:
        this.#control(KIND.pong, NONE);
        break;
      case KIND.goodbye:
        this.#onGoodbye(new ControlTuples(body).text("reason") === "duplicate");
        break;
      default: // PONG: that something came is what counts.
    }
  }

  #onHello(body: Tuples): void {
    if (this.#state !== "greeting") throw new ProtocolViolationError("Cannot greet peer twice");
    const hello = decodeHello(body);
    this.#hello = hello;
    this.host.greeted(this);
    this.#splitter.frameBytesMax = FRAME_BYTES_MAX;
    this.outbox.open(hello.name, hello.frameBytesMax, hello.creditBytes);
    this.#state = "ready";
    this.#liveness.start();
    this.host.opened(this);
    this.#settleReady?.resolve(this);
  }

  /** The peer's listeners go, unless it only goes over to another link. */
  #onGoodbye(duplicate: boolean): void {
    if (this.#state !== "ready") return;
    this.#state = "leaving";
    if (duplicate) this.asking.unpostAll();
    else this.guests.detachAll();
    this.host.leaving(this);
  }

  #noteAnswer(awaited: boolean): void {
    if (!awaited) this.counters.late++;
    if (this.#state === "leaving") this.#serving.lookWhetherQuiet();
  }

  #onError(ref: number, body: Tuples): void {
    const error = decodeError(body);
    if (ref !== 0) {
      this.#noteAnswer(this.asking.fail(ref, error));
      return;
    }
    // The peer gives the link up; whoever waits for it to be ready learns why.
    this.#settleReady?.reject(error);
    this.#hangUp(error.message);
  }

  #control(kind: number, body: Tuples, ref = 0): void {
    this.outbox.send({ kind, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref, body });
  }

  /** An ERROR about the whole link, and its end. */
  #stop(error: MetanetError): void {
    if (this.#state === "closed") return;
    this.refuse(0, error);
    this.#settleReady?.reject(error);
    this.#hangUp(error.message);
  }

  /** Lets what was written out, and waits no longer than {@link DRAIN} for the peer to do the same. */
  #hangUp(why: string): void {
    if (this.#state === "closed") return;
    this.outbox.flush();
    this.#stream.end();
    this.#closing = this.host.bus.steady.after(DRAIN, () => this.#stream.close());
    this.#end(why);
  }

  /** Whatever waits for the peer goes on now. */
  #end(why: string): void {
    if (this.#state === "closed") return;
    const greeted = this.#state !== "greeting";
    this.#state = "closed";
    this.#liveness.stop();
    const error = new PeerGoneError(why);
    this.#settleReady?.reject(error);
    this.asking.unpostAll();
    if (greeted) this.host.closed(this);
    this.asking.failAll(error);
  }
}
