/**
 * What happened in a connection as letters, in the order in which each happened first: Zeek's `history`. What the client
 * did is upper case.
 *
 * | letter | meaning |
 * |---|---|
 * | s, h | SYN without ACK; with ACK |
 * | a | acknowledgement without payload |
 * | d | payload |
 * | f, r | FIN, RST |
 * | q | SYN together with FIN or RST |
 * | i | FIN together with RST |
 * | t | payload that had come before |
 * | w | a window of 0 |
 * | g | bytes that never came |
 * | ^ | who was seen first was taken for the server |
 *
 * Of t, w and g the first, the tenth, the hundredth … are told.
 * @module
 */
import type { Side } from "../side.ts";
import { TcpFlag } from "../tcp/segment.ts";

const REPEATED = ["t", "w", "g"] as const;

type Repeated = (typeof REPEATED)[number];

export class History {
  #text = "";
  /** Letters told of each end: a bit for each. */
  #clientSeen = 0;
  #serverSeen = 0;
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

  /** A segment, by its flags; `payloadBytes` says whether it carries data. */
  segment(side: Side, flags: number, payloadBytes: number): void {
    const kind = flags & (TcpFlag.syn | TcpFlag.fin | TcpFlag.rst);
    if (kind === 0) this.#once(side, payloadBytes > 0 ? "d" : "a");
    else if ((flags & TcpFlag.syn) !== 0) {
      if (kind !== TcpFlag.syn) this.#once(side, "q");
      this.#once(side, (flags & TcpFlag.ack) === 0 ? "s" : "h");
      if (payloadBytes > 0) this.#once(side, "d");
    } else {
      if (kind === (TcpFlag.fin | TcpFlag.rst)) this.#once(side, "i");
      if (payloadBytes > 0) this.#once(side, "d");
      if ((flags & TcpFlag.fin) !== 0) this.#once(side, "f");
      if ((flags & TcpFlag.rst) !== 0) this.#once(side, "r");
    }
  }

  /** A datagram. */
  datagram(side: Side): void {
    this.#once(side, "d");
  }

  /** Something that happens again and again. */
  again(side: Side, letter: Repeated): void {
    this.#counts ??= new Array<number>(REPEATED.length * 2).fill(0);
    const at = REPEATED.indexOf(letter) * 2 + (side === "client" ? 0 : 1);
    const count = (this.#counts[at] ?? 0) + 1;
    this.#counts[at] = count;
    if (Number.isInteger(Math.log10(count))) this.#add(side, letter);
  }

  #once(side: Side, letter: string): void {
    const bit = 1 << (letter.charCodeAt(0) - 97);
    const seen = side === "client" ? this.#clientSeen : this.#serverSeen;
    if ((seen & bit) !== 0) return;
    if (side === "client") this.#clientSeen |= bit;
    else this.#serverSeen |= bit;
    this.#add(side, letter);
  }

  #add(side: Side, letter: string): void {
    this.#text += side === "client" ? letter.toUpperCase() : letter;
  }
}
