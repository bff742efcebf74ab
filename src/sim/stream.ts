/**
 * One side of a connection in memory: bytes arrive after a delay on a clock that tests move, a side can be stopped
 * as SIGSTOP does, and a connection can be cut as a crash does. The buffer between two sides is bounded.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { UnavailableError } from "#base/errors.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { PeerCredentials, Stream, StreamAddress, StreamEvents } from "#io/stream.ts";

/** Bytes that fit between two sides before `write` says no; what a Linux Unix socket takes. */
export const SIM_BUFFER_BYTES = 196_608;

/** What travels: bytes, the end of one direction, or the end of both, unwanted when there is an error. */
type Parcel =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "close"; readonly error: UnavailableError | undefined };

/** What the streams of one world share. */
export interface SimStreamWorld {
  readonly clock: Clock;
  /** How long parcels travel. */
  readonly delay: Duration;
}

export class SimStream implements Stream {
  declare readonly peer?: PeerCredentials;
  declare readonly remote?: StreamAddress;
  readonly #world: SimStreamWorld;
  #other: SimStream | undefined;
  #events: StreamEvents | undefined;
  /** On the way to this side, oldest first; one wake-up is asked for each, so that a changed delay keeps the order. */
  readonly #travelling: Parcel[] = [];
  /** Arrived, but not taken: not started, paused or stopped. */
  readonly #arrived: Parcel[] = [];
  #pending = 0;
  #wantsDrain = false;
  #paused = false;
  #stalled = false;
  #ended = false;
  #peerEnded = false;
  #closed = false;

  constructor(world: SimStreamWorld, peer?: PeerCredentials, remote?: StreamAddress) {
    this.#world = world;
    if (peer) this.peer = peer;
    if (remote) this.remote = remote;
  }

  /** Makes two sides one connection. */
  static join(one: SimStream, other: SimStream): void {
    one.#other = other;
    other.#other = one;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    this.#later(() => this.#deliver());
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ended) return false;
    this.#pending += bytes.length;
    this.#give({ kind: "bytes", bytes });
    this.#wantsDrain = this.#pending >= SIM_BUFFER_BYTES;
    return !this.#wantsDrain;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#later(() => this.#deliver());
  }

  end(): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.#give({ kind: "end" });
    this.#closeWhenBothEnded();
  }

  close(): void {
    if (this.#closed) return;
    this.#give({ kind: "close", error: undefined });
    this.#later(() => this.#finish(undefined));
    this.#closed = true;
  }

  /** As SIGSTOP of the process on this side: what arrives stays where it is. */
  stall(): void {
    this.#stalled = true;
  }

  /** As SIGCONT. */
  unstall(): void {
    this.#stalled = false;
    this.#deliver();
  }

  /** As a crash of the process on this side: it hears nothing more, the other side sees the connection reset. */
  kill(): void {
    this.#events = undefined;
    this.#give({ kind: "close", error: reset() });
    this.#closed = true;
  }

  /** As a broken cable: both sides see the connection reset. */
  cut(): void {
    this.#give({ kind: "close", error: reset() });
    this.#send({ kind: "close", error: reset() });
  }

  #give(parcel: Parcel): void {
    if (this.#other) this.#other.#send(parcel);
  }

  #acknowledge(count: number): void {
    if (this.#other) this.#other.#taken(count);
  }

  /** A parcel sets out for this side. */
  #send(parcel: Parcel): void {
    this.#travelling.push(parcel);
    this.#world.clock.after(this.#world.delay, () => {
      const next = this.#travelling.shift();
      if (next) this.#arrived.push(next);
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#events && !this.#stalled && this.#arrived.length > 0) {
      const parcel = this.#arrived[0] as Parcel;
      // A reset is noticed by a paused reader as well; bytes and ends wait.
      if (this.#paused && parcel.kind !== "close") return;
      this.#arrived.shift();
      this.#take(parcel, this.#events);
    }
  }

  #take(parcel: Parcel, events: StreamEvents): void {
    if (parcel.kind === "bytes") {
      this.#acknowledge(parcel.bytes.length);
      if (!this.#closed) events.onData(parcel.bytes);
    } else if (parcel.kind === "close") {
      this.#closed = true;
      this.#finish(parcel.error);
    } else {
      this.#peerEnded = true;
      if (events.onEnd) events.onEnd();
      else this.end();
      this.#closeWhenBothEnded();
    }
  }

  #taken(count: number): void {
    this.#pending -= count;
    if (this.#pending > 0 || !this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#later(() => this.#events?.onDrain?.());
  }

  #closeWhenBothEnded(): void {
    if (!this.#ended || !this.#peerEnded || this.#closed) return;
    this.#closed = true;
    this.#later(() => this.#finish(undefined));
  }

  /** Tells the user once, and never again. */
  #finish(error: UnavailableError | undefined): void {
    const events = this.#events;
    this.#events = undefined;
    events?.onClose(error);
  }

  #later(action: () => void): void {
    this.#world.clock.after(milliseconds(0), action);
  }
}

function reset(): UnavailableError {
  return new UnavailableError("Cannot go on with the stream: the connection was reset");
}
