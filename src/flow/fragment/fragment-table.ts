/**
 * Puts datagrams together of their fragments: IPv4 (RFC 791, RFC 815) and IPv6 (RFC 8200 §4.5), as the target would do it.
 * A packet that is no fragment never comes here, so that it costs nothing; fragments are copied.
 *
 * Where a limit is reached, the datagram that waits longest goes. A datagram that is given up (a conflict, too many
 * fragments) is remembered without its bytes until its time is over, so that its other fragments are not taken for a
 * new one (RFC 5722 §4). The time counts from the first fragment on.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Duration, Instant } from "#base/time.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowLimits, FragmentPolicy } from "../policy.ts";
import { halfSipHash } from "../table/half-sip-hash.ts";
import { Datagram, END_UNKNOWN } from "./datagram.ts";
import { cut, isWhole, join, Meeting, meet } from "./piece.ts";
import { Reassembled } from "./reassembled.ts";
import { type FragmentOutcome, FragmentStatistics } from "./statistics.ts";
import { isTiny } from "./tiny.ts";

export interface FragmentOptions {
  /** Whose bytes are kept where fragments overlap. */
  readonly policy: FragmentPolicy;
  /**
   * Whether overlapping fragments are resolved by the policy at all: RFC 5722 has IPv6 datagrams with them dropped, and
   * Linux since 4.19 those of IPv4 too. What is there already as a whole is never taken for one. Default: "drop-ipv6".
   */
  readonly overlaps?: "resolve" | "drop-ipv6" | "drop";
  /**
   * What is done with first fragments that are too short for their transport's header. A filter that cannot see the
   * ports has to drop them; a receiver puts them together. Default: "drop".
   */
  readonly tiny?: "drop" | "accept";
  /** `fragmentCountMax` holds for fragments and for datagrams. */
  readonly limits: Pick<FlowLimits, "fragmentCountMax" | "fragmentBytesMax" | "fragmentsPerDatagramMax">;
  /** From a datagram's first fragment to come to its last. */
  readonly timeout: Duration;
  /** Two words that nobody outside may know; without them everybody can choose what meets in one bucket. */
  readonly hashKey?: readonly [low: number, high: number];
}

const PACKET_BYTES_MAX = 65_535;
const IPV6_HEADER_BYTES = 40;
/** Four words of each address, the id, protocol and version, the encapsulation. */
const KEY_WORDS = 11;

export class FragmentTable {
  readonly statistics: FragmentStatistics = new FragmentStatistics();
  readonly #policy: FragmentPolicy;
  readonly #overlaps: "resolve" | "drop-ipv6" | "drop";
  readonly #dropsTiny: boolean;
  readonly #limits: FragmentOptions["limits"];
  readonly #timeout: Duration;
  readonly #key0: number;
  readonly #key1: number;
  readonly #words = new Int32Array(KEY_WORDS);
  readonly #meeting = new Meeting();
  readonly #buckets: (Datagram | undefined)[];
  #oldest: Datagram | undefined;
  #newest: Datagram | undefined;
  #datagramCount = 0;
  #fragmentCount = 0;
  #heldBytes = 0;
  #outcome: FragmentOutcome = "held";
  #whole: Reassembled | undefined;

  /** @throws ConfigurationError when a limit is no positive integer */
  constructor(options: FragmentOptions) {
    const { fragmentCountMax, fragmentBytesMax, fragmentsPerDatagramMax } = options.limits;
    const limits = { fragmentCountMax, fragmentBytesMax, fragmentsPerDatagramMax };
    for (const [name, value] of Object.entries(limits)) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new ConfigurationError(`Cannot make a fragment table: ${name} is ${value}, wanted 1 or more`);
      }
    }
    this.#policy = options.policy;
    this.#overlaps = options.overlaps ?? "drop-ipv6";
    this.#dropsTiny = options.tiny !== "accept";
    this.#limits = limits;
    this.#timeout = options.timeout;
    [this.#key0, this.#key1] = options.hashKey ?? [0, 0];
    const wanted = Math.min(fragmentCountMax, 65_536);
    this.#buckets = new Array(2 ** Math.ceil(Math.log2(wanted))).fill(undefined);
  }

  /** What became of the fragment added last. */
  get outcome(): FragmentOutcome {
    return this.#outcome;
  }

  /** Datagrams that are not whole, those given up among them. */
  get datagramCount(): number {
    return this.#datagramCount;
  }

  /** Fragments that are kept. */
  get fragmentCount(): number {
    return this.#fragmentCount;
  }

  /** Bytes of data that are kept. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Takes a fragment (`layers.isFragment`, without a problem) that came at `now`.
   * @returns the datagram when it is whole now; {@link outcome} says what happened else
   */
  add(layers: Layers, now: Instant): Reassembled | undefined {
    this.expire(now);
    const bucket = this.#bucketOf(layers);
    let datagram = this.#buckets[bucket];
    while (datagram !== undefined && !datagram.isOf(layers)) datagram = datagram.next;
    const outcome = this.#refusal(layers, datagram) ?? this.#take(layers, datagram, now, bucket);
    this.#outcome = outcome;
    this.statistics.outcomes[outcome]++;
    if (outcome !== "whole") return undefined;
    const whole = this.#whole;
    this.#whole = undefined;
    return whole;
  }

  /** Forgets datagrams whose time is over. */
  expire(now: Instant): void {
    for (let datagram = this.#oldest; datagram !== undefined; datagram = this.#oldest) {
      if (now - datagram.firstSeen < this.#timeout) return;
      if (!datagram.isGivenUp) this.statistics.timeoutCount++;
      this.#remove(datagram);
    }
  }

  /** Why the fragment cannot be taken whatever else there is. */
  #refusal(layers: Layers, datagram: Datagram | undefined): FragmentOutcome | undefined {
    const { payloadBytes, fragmentOffset, hasMoreFragments, networkHeaderBytes, version } = layers;
    if (datagram?.isGivenUp) return "given-up";
    if (layers.capturedPayloadBytes < payloadBytes) return "truncated";
    // Linux cuts IPv4 fragments to a multiple of 8 bytes; all others, and all with IPv6, drop them.
    const isCut = this.#policy === "linux" && version === 4;
    if (payloadBytes === 0 || (hasMoreFragments && payloadBytes < 8)) return "bad-length";
    if (hasMoreFragments && (payloadBytes & 7) !== 0 && !isCut) return "bad-length";
    const headerBytes = version === 4 ? networkHeaderBytes : networkHeaderBytes - IPV6_HEADER_BYTES - 8;
    if (headerBytes + fragmentOffset + payloadBytes > PACKET_BYTES_MAX) return "too-long";
    if (this.#dropsTiny && isTiny(layers)) return "tiny";
    return undefined;
  }

  #take(layers: Layers, known: Datagram | undefined, now: Instant, bucket: number): FragmentOutcome {
    const { payloadOffset, payloadBytes, hasMoreFragments } = layers;
    const dataBytes = hasMoreFragments ? payloadBytes & ~7 : payloadBytes;
    if (dataBytes > this.#limits.fragmentBytesMax) return "no-room";
    const data = layers.bytes.subarray(payloadOffset, payloadOffset + dataBytes);
    if (known !== undefined) {
      const met = this.#meet(layers, known, data);
      if (met !== undefined) return met;
    }
    if (!this.#makeRoom(dataBytes, known)) return "no-room";
    const datagram = known ?? this.#insert(layers, now, bucket);
    this.#join(layers, datagram, data);
    if (datagram.end === END_UNKNOWN || !isWhole(datagram.pieces, datagram.end)) return "held";
    // The first fragment may have a longer header than those that were measured.
    const isTooLong = datagram.header.length - headerCounted(datagram) + datagram.end > PACKET_BYTES_MAX;
    if (isTooLong) return this.#giveUp(datagram, "too-long");
    this.#whole = new Reassembled(datagram);
    this.#remove(datagram);
    return "whole";
  }

  /** What is in the way of a fragment of a known datagram; `undefined` when nothing is. */
  #meet(layers: Layers, datagram: Datagram, data: Uint8Array): FragmentOutcome | undefined {
    const { fragmentOffset, hasMoreFragments, hopLimit } = layers;
    const { statistics } = this;
    const end = fragmentOffset + data.length;
    if (hopLimit !== datagram.hopLimit) statistics.hopLimitChangeCount++;
    const meeting = this.#meeting;
    meet(datagram.pieces, fragmentOffset, end, data, meeting);
    if (meeting.overlapBytes > 0) statistics.overlapCount++;
    if (meeting.isDifferent) {
      statistics.differentCount++;
      datagram.hadDifferences = true;
    }
    const conflict = this.#endConflict(datagram, end, hasMoreFragments);
    if (conflict !== undefined) return conflict;
    const isEndNew = !hasMoreFragments && datagram.end === END_UNKNOWN;
    if (meeting.isInside && !meeting.isDifferent && !isEndNew) return "duplicate";
    const drops = this.#overlaps === "drop" || (this.#overlaps === "drop-ipv6" && layers.version === 6);
    if (drops && meeting.overlapBytes > 0) {
      // As Linux has it: what is there as a whole is a repetition, whatever it says.
      if (meeting.isInside && !isEndNew) return "duplicate";
      return this.#giveUp(datagram, "overlap");
    }
    if (datagram.fragmentCount >= this.#limits.fragmentsPerDatagramMax) {
      return this.#giveUp(datagram, "too-many");
    }
    return undefined;
  }

  /**
   * Linux discards a datagram whose fragments do not agree about its end; of the others the end that was told first
   * counts, and what is behind it does not.
   */
  #endConflict(datagram: Datagram, end: number, hasMore: boolean): FragmentOutcome | undefined {
    const { pieces } = datagram;
    const isBehind = datagram.end !== END_UNKNOWN && (hasMore ? end > datagram.end : end !== datagram.end);
    const highest = pieces.length > 0 ? (pieces[pieces.length - 1]?.end ?? 0) : 0;
    const isBefore = !hasMore && end < highest;
    if (!isBehind && !isBefore) return undefined;
    if (this.#policy === "linux") return this.#giveUp(datagram, "end-conflict");
    if (isBehind) return "end-conflict";
    const kept = cut(pieces, end);
    this.#recount(datagram, kept);
    return undefined;
  }

  #join(layers: Layers, datagram: Datagram, data: Uint8Array): void {
    const { fragmentOffset: offset } = layers;
    const first = datagram.pieces[0];
    this.#recount(datagram, join(datagram.pieces, offset, data, this.#policy));
    datagram.fragmentCount++;
    if (!layers.hasMoreFragments) datagram.end = offset + data.length;
    if (offset === 0 && datagram.pieces[0] !== first) datagram.takeHeader(layers);
  }

  #recount(datagram: Datagram, pieces: Datagram["pieces"]): void {
    let heldBytes = 0;
    for (const piece of pieces) heldBytes += piece.bytes.length;
    this.#fragmentCount += pieces.length - datagram.pieces.length;
    this.#heldBytes += heldBytes - datagram.heldBytes;
    datagram.heldBytes = heldBytes;
    datagram.pieces = pieces;
  }

  #giveUp(datagram: Datagram, outcome: FragmentOutcome): FragmentOutcome {
    this.#recount(datagram, []);
    datagram.isGivenUp = true;
    datagram.header = new Uint8Array(0);
    return outcome;
  }

  /** Whether there is room for one more fragment; the oldest datagrams but `spared` go for it. */
  #makeRoom(dataBytes: number, spared: Datagram | undefined): boolean {
    const { fragmentCountMax, fragmentBytesMax } = this.#limits;
    for (;;) {
      const isFull = spared === undefined && this.#datagramCount >= fragmentCountMax;
      const hasRoom =
        this.#fragmentCount < fragmentCountMax && this.#heldBytes + dataBytes <= fragmentBytesMax;
      if (!isFull && hasRoom) return true;
      const victim = this.#oldest === spared ? this.#oldest?.newer : this.#oldest;
      if (victim === undefined) return false;
      this.statistics.evictedCount++;
      this.#remove(victim);
    }
  }

  #insert(layers: Layers, now: Instant, bucket: number): Datagram {
    const datagram = new Datagram(layers, now, bucket);
    datagram.next = this.#buckets[bucket];
    this.#buckets[bucket] = datagram;
    datagram.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = datagram;
    else this.#newest.newer = datagram;
    this.#newest = datagram;
    this.#datagramCount++;
    return datagram;
  }

  #remove(datagram: Datagram): void {
    const { older, newer, bucket } = datagram;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    let before = this.#buckets[bucket];
    if (before === datagram) {
      this.#buckets[bucket] = datagram.next;
    } else {
      while (before !== undefined && before.next !== datagram) before = before.next;
      if (before !== undefined) before.next = datagram.next;
    }
    this.#recount(datagram, []);
    this.#datagramCount--;
  }

  #bucketOf(layers: Layers): number {
    const words = this.#words;
    words[0] = layers.source0;
    words[1] = layers.source1;
    words[2] = layers.source2;
    words[3] = layers.source3;
    words[4] = layers.target0;
    words[5] = layers.target1;
    words[6] = layers.target2;
    words[7] = layers.target3;
    words[8] = layers.fragmentId;
    words[9] = layers.encapsulation;
    // HalfSipHash's last word: the length, and what is left over.
    words[10] = ((KEY_WORDS - 1) << 26) | layers.version;
    return halfSipHash(words, KEY_WORDS, this.#key0, this.#key1, 1, 3) & (this.#buckets.length - 1);
  }
}

/** IPv6's own header is not counted in the 65 535 bytes. */
function headerCounted({ version }: Datagram): number {
  return version === 4 ? 0 : IPV6_HEADER_BYTES;
}
