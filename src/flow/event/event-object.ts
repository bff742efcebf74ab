/**
 * The objects that callbacks are given, one for each built-in event, filled again for every occurrence: an event costs
 * no memory. All are of one class, so that the dispatcher and the callbacks see one shape.
 * @module
 */
import type { Side } from "../side.ts";
import type { TcpState } from "../tcp/state.ts";
import type {
  ConnectionEndEvent,
  EndReason,
  EventName,
  OutOfWindowEvent,
  OverrunEvent,
  RetransmissionEvent,
  StateChangeEvent,
} from "./events.ts";

/** Any event; what does not belong to the one it is named for keeps its first value. */
export class EventObject
  implements StateChangeEvent, RetransmissionEvent, OutOfWindowEvent, OverrunEvent, ConnectionEndEvent
{
  readonly name: EventName;
  sender: Side = "client";
  // Numbers begin as no small integers: fields that become doubles only later cost the code that was compiled before.
  now: number = Number.NaN;
  end: Side = "client";
  from: TcpState = "CLOSED";
  to: TcpState = "CLOSED";
  offset: number = Number.NaN;
  lengthBytes: number = Number.NaN;
  kind: RetransmissionEvent["kind"] = "data";
  content: RetransmissionEvent["content"] = "unknown";
  differenceOffset: number = Number.NaN;
  cause: OutOfWindowEvent["cause"] = "window";
  limit: OverrunEvent["limit"] = "stream-bytes";
  reason: EndReason = "closed";
  /** Of the user-defined event being visited: the dispatcher's, `undefined` outside of it. */
  payload: unknown = undefined;

  constructor(name: EventName) {
    this.name = name;
    this.offset = 0;
    this.lengthBytes = 0;
    this.differenceOffset = 0;
  }
}

/** One engine's events. */
export class EventObjects {
  readonly packet: EventObject = new EventObject("packet");
  readonly connectionStart: EventObject = new EventObject("connectionStart");
  readonly established: EventObject = new EventObject("established");
  readonly stateChange: EventObject = new EventObject("stateChange");
  readonly newData: EventObject = new EventObject("newData");
  readonly retransmission: EventObject = new EventObject("retransmission");
  readonly gap: EventObject = new EventObject("gap");
  readonly outOfWindow: EventObject = new EventObject("outOfWindow");
  readonly bufferOverrun: EventObject = new EventObject("bufferOverrun");
  readonly orphan: EventObject = new EventObject("orphan");
  readonly connectionEnd: EventObject = new EventObject("connectionEnd");
  readonly timeout: EventObject = new EventObject("timeout");
}
