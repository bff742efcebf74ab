/**
 * A connection over a link of known rate and delay, as a tap beside the client sees it, and the truth about it: how long
 * each end had something to send and could not, and why.
 * @module
 */
import { Heap } from "#base/heap.ts";
import { type ConversationPacket, conversation, type Sender } from "../../test/support/conversation.ts";
import type { DelayState } from "./delay-lane.ts";

const SEGMENT_BYTES = 1448;
const HEADER_BYTES = 54;

/** A link and two ends; times in milliseconds. */
export interface SimulationOptions {
  /** Of the link, each way. */
  readonly bitsPerSecond: number;
  readonly delay: number;
  /** What the receivers offer, in bytes, at most 65,535. */
  readonly window: number;
  /** What a sender has in flight at most, in segments, as congestion control would have it. */
  readonly flightSegments: number;
}

/** What an end does: called when it starts, and whenever bytes have come in order. */
export interface Application {
  start?(end: SimulatedEnd): void;
  received?(end: SimulatedEnd, totalBytes: number): void;
}

/** How long an end was in each state, in milliseconds, from its first byte to its last. */
export type Truth = Record<DelayState, number>;

export class SimulatedEnd {
  readonly sender: Sender;
  readonly truth: Truth = { idle: 0, bandwidth: 0, window: 0 };
  readonly #world: Simulation;
  readonly #application: Application;
  #pending = 0;
  #sent = 0;
  #acknowledged = 0;
  #received = 0;
  #linkFreeAt = 0;
  #state: DelayState = "idle";
  #stateSince = 0;
  #lastSentAt: number | undefined;

  constructor(world: Simulation, sender: Sender, application: Application) {
    this.#world = world;
    this.sender = sender;
    this.#application = application;
  }

  start(): void {
    this.#application.start?.(this);
  }

  /** The application has `lengthBytes` more to send, `after` from now. */
  write(lengthBytes: number, after = 0): void {
    this.#world.at(this.#world.now + after, () => {
      this.#pending += lengthBytes;
      this.#push();
    });
  }

  /** A packet has arrived. */
  arrive(at: number, lengthBytes: number, acknowledged: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, acknowledged);
    if (lengthBytes > 0) {
      this.#received = Math.max(this.#received, at + lengthBytes);
      const before = this.#sent;
      this.#application.received?.(this, this.#received);
      // What the application answers at once carries the acknowledgement.
      this.#world.at(this.#world.now, () => {
        if (this.#sent === before) this.#transmit(0);
      });
    }
    this.#push();
  }

  /** Sends what may be sent, and writes down what keeps it from more. */
  #push(): void {
    const { window, flightSegments, now } = this.#world.view;
    for (;;) {
      const lengthBytes = Math.min(SEGMENT_BYTES, this.#pending);
      const flight = this.#sent - this.#acknowledged;
      let state: DelayState = "idle";
      if (lengthBytes > 0) {
        if (flight + lengthBytes > window) state = "window";
        else if (flight + lengthBytes > flightSegments * SEGMENT_BYTES) state = "bandwidth";
        // The server is at the slow link itself, the client before a router with a queue.
        else if (this.sender === "server" && this.#linkFreeAt > now + 1e-6) state = "bandwidth";
      }
      this.#enter(state);
      if (lengthBytes === 0 || state !== "idle") return;
      this.#pending -= lengthBytes;
      this.#transmit(lengthBytes);
    }
  }

  #enter(state: DelayState): void {
    const { now } = this.#world;
    if (this.#lastSentAt !== undefined) this.truth[this.#state] += now - this.#stateSince;
    this.#state = state;
    this.#stateSince = now;
  }

  #transmit(lengthBytes: number): void {
    const world = this.#world;
    if (lengthBytes > 0) this.#lastSentAt = world.now;
    const turn = world.turn(lengthBytes + HEADER_BYTES);
    const start = Math.max(world.now, this.#linkFreeAt);
    // Acknowledgements take no turn: they do not keep data waiting.
    if (lengthBytes > 0) this.#linkFreeAt = start + turn;
    world.carry(this, this.#sent, lengthBytes, this.#received, start + turn);
    this.#sent += lengthBytes;
    if (lengthBytes > 0) world.at(this.#linkFreeAt, () => this.#push());
  }
}

export class Simulation {
  readonly client: SimulatedEnd;
  readonly server: SimulatedEnd;
  readonly view: SimulationOptions & { readonly now: number };
  now = 0;
  readonly #options: SimulationOptions;
  readonly #events = new Heap<() => void>();
  readonly #seen: { time: number; sender: Sender; at: number; lengthBytes: number; acknowledged: number }[] =
    [];

  constructor(options: SimulationOptions, applications: Partial<Record<Sender, Application>>) {
    this.#options = options;
    const world = this;
    this.view = {
      ...options,
      get now() {
        return world.now;
      },
    };
    this.client = new SimulatedEnd(this, "client", applications.client ?? {});
    this.server = new SimulatedEnd(this, "server", applications.server ?? {});
  }

  at(time: number, action: () => void): void {
    this.#events.add(time, action);
  }

  /** How long the link is busy with so many bytes. */
  turn(lengthBytes: number): number {
    return (lengthBytes * 8000) / this.#options.bitsPerSecond;
  }

  /** A packet goes over the link; the tap sees what the client sends when it does, and the rest when it arrives. */
  carry(from: SimulatedEnd, at: number, lengthBytes: number, acknowledged: number, leaves: number): void {
    const arrives = leaves + this.#options.delay;
    const { sender } = from;
    const to = sender === "client" ? this.server : this.client;
    this.#seen.push({
      time: sender === "client" ? this.now : arrives,
      sender,
      at,
      lengthBytes,
      acknowledged,
    });
    this.at(arrives, () => to.arrive(at, lengthBytes, acknowledged));
  }

  /** Runs to the end; all that the tap saw. */
  run(): ConversationPacket[] {
    const roundTrip = 2 * this.#options.delay + 2 * this.turn(HEADER_BYTES);
    const talk = conversation({ options: { mss: SEGMENT_BYTES } });
    const { window } = this.#options;
    const packets = [
      talk.syn({ time: 0, window }),
      talk.synAck({ time: roundTrip, window }),
      talk.ack("client", { time: roundTrip, window }),
    ];
    this.now = roundTrip;
    this.client.start();
    this.server.start();
    for (let time = this.#events.firstKey; time !== undefined; time = this.#events.firstKey) {
      this.now = time;
      this.#events.take()?.();
    }
    this.#seen.sort((a, b) => a.time - b.time);
    for (const { time, sender, at, lengthBytes, acknowledged } of this.#seen) {
      packets.push(talk.send(sender, new Uint8Array(lengthBytes), { time, at, acknowledged, window }));
    }
    return packets;
  }
}
