/**
 * Made-up traffic between two honest ends over a network that is not: a known pair of streams, cut at random, lost
 * before and behind the tap, missed by the tap, reordered, duplicated, sent again in other pieces, with windows that
 * close. The same seed makes the same packets. What the tap can know comes with them.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { type Conversation, type ConversationPacket, conversation, type Sender } from "./conversation.ts";
import { CONVERSATION_EPOCH } from "./conversation-packet.ts";
import { Receiver } from "./conversation-tcp.ts";
import { StreamTruth } from "./traffic-truth.ts";

/** How bad the network is: each a chance from 0 to 1. */
export interface TrafficOptions {
  readonly seed: number;
  /** Bytes that each end sends, at most. */
  readonly bytesMax?: number;
  readonly mss?: number;
  readonly link?: "ethernet" | "raw";
  readonly ipv6?: boolean;
  /** Lost before the tap, and behind it. */
  readonly lostBefore?: number;
  readonly lostAfter?: number;
  /** Reached the receiver, but not the tap: data only. */
  readonly missed?: number;
  /** Seen twice. */
  readonly duplicated?: number;
  /** On its way for longer than others. */
  readonly delayed?: number;
  /** Sent again although it was acknowledged. */
  readonly repeated?: number;
  /** Such bytes are others than they were: a receiver that has them never looks. */
  readonly conflicting?: number;
  readonly end?: "fin" | "reset" | "none";
}

/** What a run has made. */
export interface Traffic {
  readonly packets: readonly ConversationPacket[];
  readonly truth: Readonly<Record<Sender, StreamTruth>>;
  readonly clientSequence: number;
  readonly serverSequence: number;
}

/** A packet on its way. */
interface Flight {
  readonly sender: Sender;
  readonly packet: ConversationPacket;
  readonly from: number;
  readonly to: number;
  readonly acknowledged: number;
  /** The first byte that its sender has no room for. */
  readonly edge: number;
  readonly isLostBehind: boolean;
  /** The bytes are not those of the stream. */
  readonly isFalse: boolean;
  /** Ticks of the tap and of the receiver. */
  readonly tapAt: number;
  readonly arrivesAt: number;
}

/** One end: what it sends, and what it has of the other's. */
class End {
  readonly bytes: Uint8Array;
  readonly received = new Receiver();
  /** What the application has not taken closes the window. */
  taken = 0;
  readonly room: number;
  /** The right edge of its window, which never goes back (RFC 9293 §3.8.6). */
  edge: number;
  sentTo = 0;
  /** What it knows that the other has, and the other's right edge. */
  acknowledged = 0;
  allowed = 0;
  /** What the tap knows of its right edge: nobody is told more by packets that the tap misses. */
  shownEdge = 0;
  /** The highest offset that the tap has seen from it: what is below it tells nothing of windows (SND.WL1). */
  shownTo = 0;
  quietTicks = 0;

  constructor(bytes: Uint8Array, room: number) {
    this.bytes = bytes;
    this.room = room;
    this.edge = room;
    this.received.next = 0;
  }
}

/** Ticks, which are milliseconds, after which a run that makes no progress is broken. */
const TICKS_MAX = 200_000;
/** Quiet for so long, an end sends again what is not acknowledged, or asks whether the window is still closed. */
const QUIET_TICKS = 25;

/** Makes the packets of one run. */
export function makeTraffic(options: TrafficOptions): Traffic {
  return new Network(options).run();
}

const SENDERS = ["client", "server"] as const;

class Network {
  readonly #options: TrafficOptions;
  readonly #random: SeededRandom;
  readonly #talk: Conversation;
  readonly #ends: Readonly<Record<Sender, End>>;
  readonly #truth: Readonly<Record<Sender, StreamTruth>>;
  readonly #sequences: readonly [number, number];
  readonly #shift: number;
  readonly #mss: number;
  readonly #packets: ConversationPacket[] = [];
  #flights: Flight[] = [];
  #tick = 10;

  constructor(options: TrafficOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    this.#random = random;
    this.#mss = options.mss ?? 20 + random.below(1440);
    this.#shift = random.below(4);
    this.#sequences = [this.#sequence(), this.#sequence()];
    const room = (): number => (500 + random.below(4000)) << this.#shift;
    const bytesMax = options.bytesMax ?? 20_000;
    this.#ends = {
      client: new End(random.bytes(random.below(bytesMax)), room()),
      server: new End(random.bytes(random.below(bytesMax)), room()),
    };
    this.#truth = {
      client: new StreamTruth(this.#ends.client.bytes),
      server: new StreamTruth(this.#ends.server.bytes),
    };
    this.#ends.client.allowed = this.#ends.server.room;
    this.#ends.server.allowed = this.#ends.client.room;
    const [client, server] = options.ipv6
      ? ["[2001:db8::1]:1025", "[2001:db8::2]:80"]
      : ["10.0.0.1:1025", "10.0.0.2:80"];
    this.#talk = conversation({
      client,
      server,
      link: options.link ?? "ethernet",
      clientSequence: this.#sequences[0],
      serverSequence: this.#sequences[1],
      options: { windowScale: this.#shift, mss: this.#mss },
    });
  }

  /** Often a little below 2^32, so that the streams wrap. */
  #sequence(): number {
    return this.#random.below(2) === 0 ? this.#random.word() : (2 ** 32 - this.#random.below(30_000)) >>> 0;
  }

  run(): Traffic {
    // Windows of SYNs are not scaled: each is what its sender has room for, or less.
    const window = (sender: Sender): number => Math.min(65_535, this.#ends[sender].room);
    this.#packets.push(
      this.#talk.syn({ window: window("client") }),
      this.#talk.synAck({ window: window("server") }),
      this.#talk.ack("client", { window: this.#ends.client.room >> this.#shift }),
    );
    this.#ends.client.allowed = window("server");
    this.#ends.server.allowed = window("client");
    while (!this.#isDone()) {
      if (this.#tick++ > TICKS_MAX) throw new Error(`seed ${this.#options.seed}: no progress`);
      for (const sender of SENDERS) this.#act(sender);
      this.#move();
    }
    this.#end();
    const [clientSequence, serverSequence] = this.#sequences;
    return { packets: this.#packets, truth: this.#truth, clientSequence, serverSequence };
  }

  #chance(probability: number | undefined): boolean {
    return this.#random.fraction() < (probability ?? 0);
  }

  #isDone(): boolean {
    return (
      this.#flights.length === 0 &&
      SENDERS.every((sender) => this.#ends[sender].acknowledged === this.#ends[sender].bytes.length)
    );
  }

  /** What one end does in one tick. */
  #act(sender: Sender): void {
    const end = this.#ends[sender];
    const { received } = end;
    if (end.taken < received.next && this.#chance(0.2)) {
      end.taken += 1 + this.#random.below(received.next - end.taken);
      const wasClosed = end.edge - received.next < this.#mss;
      this.#open(end);
      if (wasClosed) this.#send(sender, end.sentTo, 0);
    }
    if (end.acknowledged === end.bytes.length) return;
    const free = Math.min(end.allowed, end.bytes.length) - end.sentTo;
    if (free > 0 && this.#chance(0.5)) {
      this.#data(sender, end.sentTo, 1 + this.#random.below(Math.min(free, this.#mss)));
      return;
    }
    if (this.#chance(this.#options.repeated) && end.acknowledged > 0) {
      const from = this.#random.below(end.acknowledged);
      const length = Math.min(this.#mss, end.sentTo - from);
      const isFalse = this.#chance(this.#options.conflicting) && from + length <= end.acknowledged;
      this.#data(sender, from, length, isFalse);
    }
    if (++end.quietTicks < QUIET_TICKS) return;
    end.quietTicks = 0;
    // Again, in another cut, and perhaps with more than before; or one byte into a closed window.
    const stop = Math.min(end.bytes.length, Math.max(end.allowed, end.sentTo));
    const length = Math.min(stop - end.acknowledged, this.#mss);
    if (length > 0) this.#data(sender, end.acknowledged, 1 + this.#random.below(length));
    else this.#probe(sender);
  }

  /** A keep-alive or window probe: it takes an answer (RFC 9293 §3.8.4, §3.8.6.1). */
  #probe(sender: Sender): void {
    this.#send(sender, this.#ends[sender].acknowledged - 1, 0);
  }

  #data(sender: Sender, from: number, length: number, isFalse = false): void {
    const end = this.#ends[sender];
    end.sentTo = Math.max(end.sentTo, from + length);
    this.#send(sender, from, length, isFalse);
  }

  #send(sender: Sender, from: number, length: number, isFalse = false): void {
    const end = this.#ends[sender];
    this.#open(end);
    // A pure acknowledgement stands where the stream is, unless it is a probe.
    const at = length === 0 && from >= 0 && from !== end.acknowledged - 1 ? end.sentTo : from;
    const acknowledged = end.received.next;
    // Rounded up, and kept: a scaled window must not seem to shrink (RFC 7323 §2.4).
    const window = Math.ceil((end.edge - acknowledged) / 2 ** this.#shift);
    end.edge = acknowledged + window * 2 ** this.#shift;
    const bytes = end.bytes.slice(from, from + length);
    if (isFalse) bytes[this.#random.below(bytes.length)]! ^= 0xff;
    const packet = this.#talk.send(sender, bytes, {
      at,
      acknowledged,
      window,
      flags: length > 0 ? "PA" : "A",
      time: this.#tick,
    });
    const { lostBefore, lostAfter, missed, duplicated, delayed } = this.#options;
    if (this.#chance(lostBefore)) return;
    const isMissed = length > 0 && !isFalse && this.#chance(missed);
    const delay = 1 + (this.#chance(delayed) ? this.#random.below(30) : 0);
    const tapAt = isMissed ? -1 : this.#tick + delay;
    const flight: Flight = {
      sender,
      packet,
      from: at,
      to: at + length,
      acknowledged,
      edge: end.edge,
      isLostBehind: this.#chance(lostAfter) && !isMissed,
      isFalse,
      tapAt,
      arrivesAt: this.#tick + delay + 1 + this.#random.below(3),
    };
    this.#flights.push(flight);
    if (this.#chance(duplicated)) {
      this.#flights.push({ ...flight, tapAt: isMissed ? -1 : tapAt + 1, arrivesAt: flight.arrivesAt + 1 });
    }
  }

  /** Moves the right edge on, in steps that the scale can say. */
  #open(end: End): void {
    const edge = end.taken + end.room;
    if (edge > end.edge) end.edge = edge;
  }

  /** Packets pass the tap, and then reach the other end. */
  #move(): void {
    for (const flight of this.#flights) {
      if (flight.tapAt === this.#tick) this.#tap(flight);
      if (flight.arrivesAt === this.#tick && !flight.isLostBehind) this.#arrive(flight);
    }
    this.#flights = this.#flights.filter(({ arrivesAt }) => arrivesAt > this.#tick);
  }

  #tap({ sender, packet, from, to, acknowledged, edge, isFalse }: Flight): void {
    const end = this.#ends[sender];
    if (from >= end.shownTo) end.shownEdge = Math.max(end.shownEdge, edge);
    end.shownTo = Math.max(end.shownTo, to);
    this.#packets.push(packet.at(CONVERSATION_EPOCH + this.#tick + this.#packets.length / 1e5));
    if (!isFalse) this.#truth[sender].see(from, to);
    this.#truth[other(sender)].acknowledge(acknowledged);
  }

  #arrive({ sender, from, to, acknowledged, edge, isFalse }: Flight): void {
    const peer = this.#ends[sender];
    const end = this.#ends[other(sender)];
    const isNew = to > from ? to > end.received.next : from >= end.received.next;
    if (!isFalse) end.received.add(from, to);
    // Old segments and acknowledgements tell nothing of the window (RFC 9293 §3.10.7.4).
    if (isNew && acknowledged >= end.acknowledged) {
      end.allowed = Math.max(end.allowed, Math.min(edge, peer.shownEdge));
    }
    if (acknowledged > end.acknowledged) {
      end.acknowledged = acknowledged;
      end.quietTicks = 0;
    }
    // Data, and what is before the window, is answered; not every time while it goes well.
    const isOld = from < end.received.next - 1 || peer.sentTo === to;
    if (to > from ? isOld || this.#chance(0.5) : from < end.received.next)
      this.#send(other(sender), end.sentTo, 0);
  }

  #end(): void {
    const { end = "fin" } = this.#options;
    const time = this.#tick + 10;
    const step = (sender: Sender, wait: number): { at: number; acknowledged: number; time: number } => ({
      at: this.#ends[sender].bytes.length,
      acknowledged: this.#ends[sender].received.next,
      time: time + wait,
    });
    // The tap hears once more of all that has arrived.
    for (const sender of SENDERS) {
      this.#packets.push(this.#talk.ack(sender, step(sender, 0)));
      this.#truth[other(sender)].acknowledge(this.#ends[sender].received.next);
    }
    if (end === "reset") this.#packets.push(this.#talk.reset("client", step("client", 1)));
    if (end !== "fin") return;
    const answer = step("server", 2);
    const last = step("client", 3);
    this.#packets.push(
      this.#talk.fin("client", step("client", 1)),
      this.#talk.fin("server", { ...answer, acknowledged: answer.acknowledged + 1 }),
      this.#talk.ack("client", { ...last, at: last.at + 1, acknowledged: last.acknowledged + 1 }),
    );
  }
}

function other(sender: Sender): Sender {
  return sender === "client" ? "server" : "client";
}
