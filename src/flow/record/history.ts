/**
 * What happened in a connection as letters, in the order in which each happened first: Zeek's `history`. What the client
 * did is upper case.
 *
 * | letter | meaning |
 * |---|---|
 * | s, h | SYN without ACK; with ACK |
 * | a | acknowledgement without payload |
 * | d | payload; of segments with SYN, FIN or RST it does not count |
 * | f, r | FIN, RST |
 * | q | SYN together with FIN or RST |
 * | i | FIN together with RST |
 * | t | payload that had come before |
 * | w | a window of 0 |
 * | g | bytes that never came |
 * | ^ | who was seen first was taken for the server |
 *
 * s, h, f and r come again with another sequence number; of t, w and g the first, the tenth, the hundredth … are told. Of
 * Zeek's letters c and x are missing: packets with bad checksums are of no flow here, and all of a flow is followed.
 * @module
 */
import type { Direction } from "../side.ts";
import { TcpFlag } from "../tcp/segment.ts";

const REPEATED = ["t", "w", "g"] as const;

type Repeated = (typeof REPEATED)[number];

/** Kinds of letters that are told of once for a sequence number. */
const Numbered = { syn: 0, fin: 1, rst: 2 } as const;
const NUMBERED_COUNT = 3;

const CONTROL: number = TcpFlag.syn | TcpFlag.fin | TcpFlag.rst;

/** Letters of one flow; what comes behind them is left out: an end can go on for ever with new numbers. */
export const LETTER_COUNT_MAX = 1000;

/** The bits of `seen`, by letter; s and h share one. */
function bitOf(letter: string): number {
  return 1 << (letter.charCodeAt(0) - 97);
}

const ACK_BIT: number = bitOf("a");
const DATA_BIT: number = bitOf("d");

export class History {
  #text = "";
  /** Letters told of each end: a bit for each. */
  #clientSeen = 0;
  #serverSeen = 0;
  /** Sequence numbers that {@link Numbered} were told of last, of the client and of the server. */
  readonly #sequences: number[] = [-1, -1, -1, -1, -1, -1];
  /** How often each of {@link REPEATED} happened, of the client and of the server. */
  #counts: number[] | undefined;

  /** The letters so far. */
  get text(): string {
    return this.#text;
  }

  /** The first packet was the server's. */
  flip(): void {
    this.#text += "^";
  }

  /** A segment from the client (0) or the server (1), by its flags, its number and its payload's length. */
  segment(from: Direction, flags: number, sequence: number, payloadBytes: number): void {
    const control = flags & CONTROL;
    if (control === 0) {
      const seen = from === 0 ? this.#clientSeen : this.#serverSeen;
      if (payloadBytes > 0) {
        if ((seen & DATA_BIT) === 0) this.#once(from, "d");
      } else if ((seen & ACK_BIT) === 0 && (flags & TcpFlag.ack) !== 0) this.#once(from, "a");
    } else if (control === TcpFlag.syn) {
      this.#numbered(from, Numbered.syn, (flags & TcpFlag.ack) === 0 ? "s" : "h", sequence);
    } else if (control === TcpFlag.fin) {
      this.#numbered(from, Numbered.fin, "f", (sequence + payloadBytes) >>> 0);
    } else if (control === TcpFlag.rst) {
      this.#numbered(from, Numbered.rst, "r", sequence);
    } else this.#once(from, (control & TcpFlag.syn) === 0 ? "i" : "q");
  }

  /** A datagram. */
  datagram(from: Direction): void {
    this.#once(from, "d");
  }

  /** Something that happens again and again. */
  again(from: Direction, letter: Repeated): void {
    this.#counts ??= new Array<number>(REPEATED.length * 2).fill(0);
    const at = REPEATED.indexOf(letter) * 2 + from;
    const count = (this.#counts[at] ?? 0) + 1;
    this.#counts[at] = count;
    if (isPowerOfTen(count)) this.#add(from, letter);
  }

  #numbered(from: Direction, kind: number, letter: string, sequence: number): void {
    const at = from * NUMBERED_COUNT + kind;
    const before = this.#sequences[at];
    this.#sequences[at] = sequence;
    if (before !== sequence) this.#add(from, letter);
  }

  #once(from: Direction, letter: string): void {
    const bit = bitOf(letter);
    const seen = from === 0 ? this.#clientSeen : this.#serverSeen;
    if ((seen & bit) !== 0) return;
    if (from === 0) this.#clientSeen |= bit;
    else this.#serverSeen |= bit;
    this.#add(from, letter);
  }

  #add(from: Direction, letter: string): void {
    if (this.#text.length >= LETTER_COUNT_MAX) return;
    this.#text += from === 0 ? letter.toUpperCase() : letter;
  }
}

function isPowerOfTen(count: number): boolean {
  let rest = count;
  while (rest % 10 === 0) rest /= 10;
  return rest === 1;
}
