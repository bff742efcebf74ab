/**
 * What the parts of one engine share.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import type { Duration } from "#base/time.ts";
import type { Packet } from "#packet/packet.ts";
import type { Delivery } from "./delivery.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Registration } from "./event/dispatch.ts";
import type { UserEvent } from "./event/user-event.ts";
import type { Layers } from "./layers/layers.ts";
import type { FlowLimits, FlowPolicy } from "./policy.ts";
import type { WantedEdit } from "./rewrite/editor.ts";
import type { Direction } from "./side.ts";
import type { FlowTable } from "./table/flow-table.ts";

export interface FlowCore {
  readonly policy: FlowPolicy;
  readonly limits: FlowLimits;
  readonly table: FlowTable;
  readonly dispatcher: Dispatcher;
  readonly delivery: Delivery;
  /** The packet at hand, decoded. */
  readonly layers: Layers;
  /** The packet at hand from its IP header on; `undefined` when there is none. */
  packet(): Packet | undefined;
  /** Sends a reset to both ends, as far as they are known. */
  reset(row: number): void;
  /** Changes bytes of the packet at hand on their way. */
  edit(wanted: WantedEdit): void;
  /** Sends `payload` as the end of `direction` would, at the next number it would send. */
  send(row: number, direction: Direction, payload: Uint8Array): void;
  /** Calls `callback` once packets are `delay` later than the one at hand. */
  setTimer(delay: Duration, callback: () => void): Timer;
  /** A callback or predicate of a monitor has thrown. */
  failed(monitor: string, error: unknown, what: Registration<never> | UserEvent | undefined): void;
}
