/**
 * A small honest TCP end for tests, and a path with faults between two of them. What it receives is checked: checksums,
 * that a byte never comes with another value than before, and that nothing is acknowledged that was not sent.
 * @module
 */
import assert from "node:assert/strict";
import type { SeededRandom } from "#base/seeded-random.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { verifyChecksum } from "#packet/verify.ts";

const RETRY_AFTER = 200;
const DUPLICATE_COUNT = 3;
const ROUND_TRIP = 50;

/** Things that happen, in the order of their times. */
export class Timeline {
  now = 0;
  readonly #events: { readonly at: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;

  after(delay: number, run: () => void): void {
    const event = { at: this.now + delay, order: this.#order++, run };
    let at = this.#events.length;
    while (at > 0 && isLater(this.#events[at - 1] as typeof event, event)) at--;
    this.#events.splice(at, 0, event);
  }

  /** The next thing happens; false when there is none. */
  step(): boolean {
    const next = this.#events.shift();
    if (next === undefined) return false;
    this.now = next.at;
    next.run();
    return true;
  }
}

function isLater(
  one: { readonly at: number; readonly order: number },
  other: { readonly at: number; readonly order: number },
): boolean {
  return one.at > other.at || (one.at === other.at && one.order > other.order);
}

export interface TcpModelOptions {
  readonly version: 4 | 6;
  readonly isClient: boolean;
  readonly initialSequence: number;
  readonly stream: Uint8Array;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly maximumSegmentBytes: number;
  readonly windowBytes: number;
  readonly isSelective: boolean;
  readonly hasTimestamps: boolean;
  readonly output: (packet: Uint8Array) => void;
}

export class TcpModel {
  readonly received: number[] = [];
  /** Whether the other end has ended its stream, and all of it is here. */
  hasEnd = false;
  /** Whether all that was sent, with the FIN, is acknowledged. */
  isAcknowledged = false;
  isReset = false;
  sentCount = 0;
  readonly #options: TcpModelOptions;
  #isSynAcknowledged = false;
  #peerFirst: number | undefined;
  #acknowledged = 0;
  #sent = 0;
  #next = 0;
  #finAt = -1;
  #peerWindow = 1000;
  #peerSegmentBytes = 536;
  #congestion = 4000;
  #duplicateCount = 0;
  #repairAt = 0;
  #retryAt = 0;
  #retryDelay = RETRY_AFTER;
  #peerTimestamp = 0;
  readonly #selected = new Set<number>();
  #lastOutOfOrder = -1;

  constructor(options: TcpModelOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.isClient) this.#sendSyn();
    this.#wake();
  }

  get #total(): number {
    return this.#options.stream.length + 1;
  }

  #wake(): void {
    this.#options.timeline.after(20, () => {
      if (this.isReset || (this.isAcknowledged && this.hasEnd)) return;
      this.#look();
      this.#wake();
    });
  }

  #look(): void {
    const { now } = this.#options.timeline;
    if (now < this.#retryAt) return;
    if (!this.#isSynAcknowledged) {
      if (this.#options.isClient || this.#peerFirst !== undefined) this.#sendSyn();
    } else if (this.#sent > this.#acknowledged) {
      this.#selected.clear();
      this.#congestion = 1500;
      this.#sendAgain(this.#acknowledged);
      this.#retryDelay = Math.min(2000, this.#retryDelay * 2);
    }
    this.#retryAt = now + this.#retryDelay;
    this.#sendNew();
  }

  #sendSyn(): void {
    const { maximumSegmentBytes, isSelective } = this.#options;
    const options = [2, 4, maximumSegmentBytes >> 8, maximumSegmentBytes & 255];
    if (isSelective) options.push(4, 2, 1, 1);
    this.#emit(-1, new Uint8Array(0), this.#peerFirst === undefined ? 2 : 0x12, options);
  }

  #sendNew(): void {
    if (!this.#isSynAcknowledged) return;
    const limit = this.#acknowledged + Math.min(this.#peerWindow, this.#congestion);
    const before = this.#sent;
    while (this.#sent < this.#total && this.#sent < limit) {
      const length = Math.min(this.#cut(), limit - this.#sent, this.#options.stream.length - this.#sent);
      this.#sendRange(this.#sent, Math.max(0, length));
    }
    if (before === this.#acknowledged && this.#sent > before) this.#arm();
    // A window that is shut is asked for again and again, by a byte beyond it.
    if (this.#peerWindow === 0 && this.#sent === this.#acknowledged && this.#sent < this.#total) {
      this.#sendRange(this.#sent, Math.min(1, this.#options.stream.length - this.#sent));
    }
  }

  #arm(): void {
    this.#retryDelay = RETRY_AFTER;
    this.#retryAt = this.#options.timeline.now + RETRY_AFTER;
  }

  /** Bytes of the next segment: mostly full ones. */
  #cut(): number {
    const { random, maximumSegmentBytes, hasTimestamps } = this.#options;
    const full = Math.min(maximumSegmentBytes, this.#peerSegmentBytes) - (hasTimestamps ? 12 : 0);
    return random.below(3) === 0 ? 1 + random.below(full) : full;
  }

  #sendRange(from: number, length: number): void {
    const { stream } = this.#options;
    const end = from + length;
    // The FIN goes with the last bytes, or by itself.
    const isLast = end === stream.length && (length === 0 || this.#options.random.below(2) === 0);
    this.#emit(from, stream.subarray(from, end), isLast ? 0x11 : 0x10, []);
    this.#sent = Math.max(this.#sent, end + (isLast ? 1 : 0));
  }

  /** From somewhere in front of `from`, cut otherwise than before. */
  #sendAgain(from: number): void {
    const { random, stream } = this.#options;
    const start = random.below(4) === 0 ? Math.max(0, from - random.below(400)) : from;
    if (from >= stream.length) {
      const back = random.below(2) === 0 ? Math.min(stream.length, random.below(300)) : 0;
      this.#sendRange(stream.length - back, back);
      return;
    }
    const room = Math.min(stream.length, this.#sent) - start;
    this.#sendRange(start, Math.max(1, Math.min(room, this.#cut())));
  }

  #emit(offset: number, payload: Uint8Array, flags: number, given: readonly number[]): void {
    const { version, isClient, initialSequence, timeline, hasTimestamps, windowBytes } = this.#options;
    const options = [...given];
    if (hasTimestamps) options.push(1, 1, 8, 10, ...word(timeline.now), ...word(this.#peerTimestamp));
    const blocks = flags === 0x10 && payload.length === 0 ? this.#blocks() : [];
    if (blocks.length > 0) options.push(1, 1, 5, 2 + blocks.length * 8, ...blocks.flat().flatMap(word));
    this.sentCount++;
    const acknowledgment =
      this.#peerFirst === undefined ? 0 : (this.#peerFirst + this.#next + (this.hasEnd ? 1 : 0)) >>> 0;
    const header = tcp.header(
      {
        sourcePort: isClient ? 1000 : 80,
        destinationPort: isClient ? 80 : 1000,
        sequence: (initialSequence + 1 + offset) >>> 0,
        acknowledgment,
        flags,
        window: windowBytes,
      },
      Uint8Array.from(options),
    );
    const ends = isClient ? ["1", "2"] : ["2", "1"];
    const network =
      version === 4
        ? ipv4.header({ source: `10.0.0.${ends[0]}`, destination: `10.0.0.${ends[1]}` })
        : ipv6.header({ source: `fd00::${ends[0]}`, destination: `fd00::${ends[1]}` });
    this.#options.output(build(network, header, payload).toBytes());
  }

  /** What lies beyond a hole: the latest first. */
  #blocks(): [number, number][] {
    if (!this.#options.isSelective || this.#peerFirst === undefined) return [];
    const blocks: [number, number][] = [];
    for (let at = this.#next; at < this.received.length; at++) {
      if (this.received[at] === undefined) continue;
      let end = at;
      while (end < this.received.length && this.received[end] !== undefined) end++;
      const block: [number, number] = [this.#peerFirst + at, this.#peerFirst + end];
      if (at <= this.#lastOutOfOrder && this.#lastOutOfOrder < end) blocks.unshift(block);
      else blocks.push(block);
      at = end;
    }
    return blocks.slice(0, this.#options.hasTimestamps ? 3 : 4);
  }

  /** Takes an IP packet. */
  take(bytes: Uint8Array): void {
    const type = this.#options.version === 4 ? 0x0800 : 0x86dd;
    const packet = new Packet().aim(
      new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      0,
      bytes.length,
      type,
    );
    const segment = packet.find(tcp);
    assert.ok(segment);
    assert.equal(verifyChecksum(segment), "good");
    if (segment.outer?.is(ipv4)) assert.equal(verifyChecksum(segment.outer), "good");
    if (segment.timestamp !== undefined) this.#peerTimestamp = segment.timestamp;
    if (segment.rst) {
      this.#takeReset(segment.sequence);
      return;
    }
    const payload = segment.bytes(segment.headerBytes);
    assert.ok(payload.length <= this.#options.maximumSegmentBytes, `a segment of ${payload.length} bytes`);
    if (segment.syn) {
      this.#peerFirst ??= (segment.sequence + 1) | 0;
      this.#peerSegmentBytes = segment.maximumSegmentSize ?? 536;
      if (!this.#options.isClient && !segment.ack) {
        this.#sendSyn();
        return;
      }
    }
    if (this.#peerFirst === undefined) return;
    const offset = (segment.sequence - this.#peerFirst) | 0;
    if (segment.ack)
      this.#takeAcknowledgement(segment.acknowledgment, segment.sackBlocks, segment.window, payload.length);
    this.#takeBytes(offset, payload, segment.fin, segment.syn);
    this.#sendNew();
  }

  #takeReset(sequence: number): void {
    if (this.#peerFirst === undefined) {
      this.isReset = true;
      return;
    }
    const offset = (sequence - this.#peerFirst) | 0;
    if (offset === this.#next + (this.hasEnd ? 1 : 0)) this.isReset = true;
    else this.#emit(this.#sent, new Uint8Array(0), 0x10, []);
  }

  #takeAcknowledgement(
    acknowledgment: number,
    blocks: readonly { readonly left: number; readonly right: number }[],
    window: number,
    payloadBytes: number,
  ): void {
    const first = this.#options.initialSequence + 1;
    const offset = (acknowledgment - first) | 0;
    assert.ok(offset <= this.#sent, `${offset} is acknowledged, ${this.#sent} bytes were sent`);
    this.#isSynAcknowledged = true;
    for (const { left, right } of blocks) {
      const [from, to] = [(left - first) | 0, (right - first) | 0];
      assert.ok(from < to && to <= this.#sent, `a block ${from} to ${to} of ${this.#sent} bytes`);
      for (let at = Math.max(0, from); at < to; at++) this.#selected.add(at);
    }
    if (offset > this.#acknowledged) {
      this.#acknowledged = offset;
      this.#congestion = Math.min(30_000, this.#congestion + 1500);
      this.#duplicateCount = 0;
      this.#arm();
      if (offset === this.#total) this.isAcknowledged = true;
    } else if (offset === this.#acknowledged && payloadBytes === 0 && this.#sent > offset) {
      this.#duplicateCount++;
      // Once in a round trip (RFC 6582): copies of copies would become more and more.
      const { now } = this.#options.timeline;
      if (this.#duplicateCount >= DUPLICATE_COUNT && now >= this.#repairAt) {
        this.#repairAt = now + ROUND_TRIP;
        this.#repair();
      }
    }
    this.#peerWindow = window;
  }

  /** What is missing according to selective acknowledgements, or the first segment. */
  #repair(): void {
    let at = this.#acknowledged;
    const highest = Math.max(...this.#selected, 0);
    if (highest <= at) {
      this.#sendAgain(at);
      return;
    }
    while (at < highest) {
      while (this.#selected.has(at)) at++;
      let end = at;
      while (end < highest && !this.#selected.has(end)) end++;
      if (end > at && at < this.#options.stream.length) {
        this.#sendRange(at, Math.min(end - at, this.#cut(), this.#options.stream.length - at));
      }
      at = Math.max(end, at + 1);
      if (this.#options.random.below(2) === 0) return;
    }
  }

  #takeBytes(offset: number, payload: Uint8Array, isFin: boolean, isSyn: boolean): void {
    const edge = this.#next + this.#options.windowBytes;
    for (let index = 0; index < payload.length && !isSyn; index++) {
      const at = offset + index;
      if (at < 0 || at >= edge) continue;
      while (this.received.length <= at) this.received.push(undefined as unknown as number);
      if (this.received[at] === undefined) this.received[at] = payload[index] as number;
      else assert.equal(payload[index], this.received[at], `byte ${at} came with another value than before`);
    }
    const end = offset + payload.length;
    if (isFin && end < edge) {
      if (this.#finAt >= 0) assert.equal(end, this.#finAt, "the FIN came with another number than before");
      this.#finAt = end;
    }
    const before = this.#next;
    const hadEnd = this.hasEnd;
    while (this.#next < this.received.length && this.received[this.#next] !== undefined) this.#next++;
    if (this.#next === this.#finAt) this.hasEnd = true;
    if (end > this.#next) this.#lastOutOfOrder = offset;
    const isNews = this.#next !== before || this.hasEnd !== hadEnd;
    // RFC 9293 §3.10.7.4: what lies in the window and is empty is not answered.
    const isExpected =
      payload.length === 0 && !isFin && offset >= before + (hadEnd ? 1 : 0) && offset <= edge;
    if (isNews || !isExpected) this.#emit(this.#sent, new Uint8Array(0), 0x10, []);
  }
}

function word(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
