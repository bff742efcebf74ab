/**
 * How a connection went, in Zeek's words: its `conn_state`. Zeek's two ends know fewer states than TCP's, and go from one
 * to the next by flags alone: the table below is what its documentation and its logs show.
 * @module
 */
import type { Direction } from "../side.ts";
import { TcpFlag } from "../tcp/segment.ts";

/**
 * | state | meaning |
 * |---|---|
 * | S0 | an attempt without answer |
 * | S1 | established, not ended |
 * | SF | established and ended in order |
 * | REJ | the attempt was rejected |
 * | S2, S3 | established; only the client, only the server has ended its direction |
 * | RSTO, RSTR | established; reset by the client, by the server |
 * | RSTOS0 | the client sent SYN and RST, the server nothing |
 * | RSTRH | the server sent SYN/ACK and RST, the client nothing |
 * | SH, SHR | SYN and FIN of the client without an answer; SYN/ACK and FIN of the server without the client |
 * | OTH | the start was not seen, or only one end of it |
 */
export type ConnectionState =
  | "S0"
  | "S1"
  | "SF"
  | "REJ"
  | "S2"
  | "S3"
  | "RSTO"
  | "RSTR"
  | "RSTOS0"
  | "RSTRH"
  | "SH"
  | "SHR"
  | "OTH";

/** An end: nothing seen, a SYN, something but no SYN, both SYNs, its FIN, its RST. */
const End = { inactive: 0, synSent: 1, partial: 2, established: 3, closed: 4, reset: 5 } as const;

/** What happened between a SYN and an RST that makes it more than an attempt that was given up. */
const ATTEMPT_ONLY = /^\^?S[^HAFGIQ]*R/;

/** The two ends of one connection. */
export class ConnectionEnds {
  #client: number = End.inactive;
  #server: number = End.inactive;
  /** As they were before the latest segment, and before they were reset. */
  #clientBefore: number = End.inactive;
  #serverBefore: number = End.inactive;
  #clientBeforeReset: number = End.inactive;
  #serverBeforeReset: number = End.inactive;

  /** Whether each end has sent a FIN or an RST. */
  get areClosed(): boolean {
    return this.#client >= End.closed && this.#server >= End.closed;
  }

  /** Whether anybody still sends to the end, and it still listens. */
  isReceiving(end: Direction): boolean {
    if (end === 0) return this.#client !== End.reset && this.#server !== End.closed;
    return this.#server !== End.reset && this.#client !== End.closed;
  }

  /** A segment from the client (0) or the server (1). */
  segment(from: Direction, flags: number, payloadBytes: number): void {
    this.#clientBefore = this.#client;
    this.#serverBefore = this.#server;
    const mine = from === 0 ? this.#client : this.#server;
    const other = from === 0 ? this.#server : this.#client;
    // Most segments of most connections.
    if (mine === End.established && (flags & (TcpFlag.fin | TcpFlag.rst)) === 0) return;
    if (mine === End.inactive) this.#begin(from, flags, payloadBytes, other);
    if ((flags & TcpFlag.rst) !== 0) this.#reset(from, mine, other);
    else if ((flags & TcpFlag.fin) !== 0) this.#finish(from, mine, other);
    else if (mine === End.partial && other === End.inactive && isSyn(flags)) this.#set(from, End.synSent);
  }

  /** The latest segment was one that its receiver does not take. */
  takeBack(): void {
    this.#client = this.#clientBefore;
    this.#server = this.#serverBefore;
  }

  /**
   * The connection's state.
   * @param isEmpty neither end has sent payload
   * @param history the letters of `history.ts`
   */
  state(isEmpty: boolean, history: string): ConnectionState {
    const client = this.#client;
    const server = this.#server;
    const isClientUnseen = client === End.inactive || client === End.partial;
    const isServerUnseen = server === End.inactive || server === End.partial;
    if (server === End.reset) {
      if (client === End.synSent || (client === End.reset && isEmpty)) return "REJ";
      return isClientUnseen ? "RSTRH" : "RSTR";
    }
    if (client === End.reset) {
      if (!isServerUnseen) return "RSTO";
      return ATTEMPT_ONLY.test(history) ? "RSTOS0" : "OTH";
    }
    if (client === End.closed && server === End.closed) return "SF";
    if (client === End.closed) return isServerUnseen ? "SH" : "S2";
    if (server === End.closed) return isClientUnseen ? "SHR" : "S3";
    if (client === End.synSent && server === End.inactive) return "S0";
    return client === End.established && server === End.established ? "S1" : "OTH";
  }

  /** The first segment of an end. */
  #begin(from: Direction, flags: number, payloadBytes: number, other: number): void {
    if ((flags & TcpFlag.syn) !== 0) {
      if (from === 0) {
        this.#set(0, other === End.inactive ? End.synSent : End.established);
        return;
      }
      // Whoever answers a SYN is taken for established, and so is whoever sent that.
      if (other === End.synSent) this.#set(0, End.established);
      this.#set(1, End.established);
      return;
    }
    // Some acknowledge a SYN before they answer it.
    if (from === 1 && payloadBytes === 0 && other === End.synSent) return;
    // Its SYN was missed, but not the answer to it.
    const isLate = other === End.established && (flags & TcpFlag.ack) !== 0;
    this.#set(from, isLate ? End.established : End.partial);
  }

  #reset(from: Direction, mine: number, other: number): void {
    if (mine === End.reset || (mine === End.closed && other === End.closed)) return;
    if (from === 0) this.#clientBeforeReset = mine;
    else this.#serverBeforeReset = mine;
    this.#set(from, End.reset);
  }

  #finish(from: Direction, mine: number, other: number): void {
    if (mine >= End.closed) return;
    this.#set(from, End.closed);
    // A FIN, then an RST, answered by a FIN: that was an end in order.
    const before = from === 0 ? this.#serverBeforeReset : this.#clientBeforeReset;
    if (mine >= End.partial && other === End.reset && before === End.closed) {
      this.#set(from === 0 ? 1 : 0, End.closed);
    }
  }

  #set(end: Direction, state: number): void {
    if (end === 0) this.#client = state;
    else this.#server = state;
  }
}

function isSyn(flags: number): boolean {
  return (flags & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn;
}

/** The state of a flow of datagrams, by how many packets each end has sent. */
export function datagramState(clientPackets: number, serverPackets: number): ConnectionState {
  if (clientPackets > 0) return serverPackets > 0 ? "SF" : "S0";
  return serverPackets > 0 ? "SHR" : "OTH";
}
