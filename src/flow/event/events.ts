/**
 * The built-in events of a flow, the hooks at which each can be met, and what each tells (mOS, "A Reusable Networking
 * Stack for Flow Monitoring in Middleboxes", NSDI 2017, §3). Every packet passes the sender's emulated stack and then the
 * receiver's: an event is met at the hook behind the stack that made it.
 * @module
 */
import type { Side } from "../side.ts";
import type { TcpState } from "../tcp/state.ts";

/** Behind the sender's stack, behind the receiver's, or of neither. */
export type Hook = "sender" | "receiver" | "none";

/** At which hooks an event can be met: other pairs are type errors. */
export interface EventHooks {
  /** Every packet of a followed flow; at `none` every frame the filter lets in, of a flow or not, once. */
  readonly packet: "sender" | "receiver" | "none";
  /** The first packet: behind the client's stack, and behind the server's. */
  readonly connectionStart: "sender" | "receiver";
  /** The handshake is complete, once. */
  readonly established: "sender" | "receiver";
  readonly stateChange: "sender" | "receiver";
  /**
   * Bytes can be read that could not be read before; the packet that brought them can still be dropped. Where only a gap
   * can be read, with nothing behind it, `lengthBytes` is 0.
   */
  readonly newData: "none";
  /** Bytes, a SYN or a FIN that were there before. Raised before new bytes of the same segment are. */
  readonly retransmission: "receiver";
  /** Bytes that will not come: the receiver acknowledged them, or they are given up. */
  readonly gap: "none";
  /** The receiver will not take (all of) it: outside of its window, an old timestamp, a reset that is not exact. */
  readonly outOfWindow: "receiver";
  /** Bytes were lost to a limit of ours. */
  readonly bufferOverrun: "none";
  /** A packet of no flow that opens none. */
  readonly orphan: "none";
  /** `none`: once for every flow. The others: when this end has ended. */
  readonly connectionEnd: "sender" | "receiver" | "none";
  /** Nothing happened for too long: raised before `connectionEnd`. */
  readonly timeout: "none";
}

export type EventName = keyof EventHooks;

/** How a flow ended. */
export type EndReason =
  /** Both directions were closed by FIN. */
  | "closed"
  | "reset"
  /** Nothing was heard for the time its state allows. */
  | "timeout"
  /** Its place was needed: a limit. */
  | "evicted"
  /** A new connection took its addresses and ports. */
  | "reused"
  /** The input has ended, or the engine was closed. */
  | "end-of-input";

/** What every event tells. One object for each kind: good until the callback returns. */
export interface CommonEvent {
  readonly name: EventName;
  /** Who sent the packet; for events without one, whose bytes or end it is about. */
  readonly sender: Side;
  /** Milliseconds since 1970 with a fraction, by the packets' clock. */
  readonly now: number;
}

export interface StateChangeEvent extends CommonEvent {
  /** Whose stack it is. */
  readonly end: Side;
  readonly from: TcpState;
  readonly to: TcpState;
}

/** A range of a stream: offset 0 is the byte behind the SYN. */
export interface RangeEvent extends CommonEvent {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface RetransmissionEvent extends RangeEvent {
  readonly kind: "data" | "syn" | "fin" | "keep-alive";
  /** Compared with what is kept; `unknown` when nothing is kept of it any more. */
  readonly content: "same" | "different" | "unknown";
  /** Where the first different byte lies; meaningful for `different`. */
  readonly differenceOffset: number;
}

export interface OutOfWindowEvent extends RangeEvent {
  readonly cause: "window" | "timestamp" | "reset" | "acknowledgement" | "syn" | "urgent";
}

export interface OverrunEvent extends RangeEvent {
  readonly limit: "stream-bytes" | "total-bytes" | "segments";
}

export interface ConnectionEndEvent extends CommonEvent {
  readonly reason: EndReason;
}

/** What the events tell, by name. */
export interface EventPayloads {
  readonly packet: CommonEvent;
  readonly connectionStart: CommonEvent;
  readonly established: CommonEvent;
  readonly stateChange: StateChangeEvent;
  readonly newData: RangeEvent;
  readonly retransmission: RetransmissionEvent;
  readonly gap: RangeEvent;
  readonly outOfWindow: OutOfWindowEvent;
  readonly bufferOverrun: OverrunEvent;
  readonly orphan: CommonEvent;
  readonly connectionEnd: ConnectionEndEvent;
  readonly timeout: CommonEvent;
}
