/**
 * What running a script asks of its surroundings: time, the way of later verdicts, sending, shared state, the bus.
 * The engine's isolates answer with the machine, a capture's replay and tests with a virtual clock.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import type { Connection } from "#packet/connection.ts";
import type { Packet } from "#packet/packet.ts";
import type { PacketColumns } from "./columns.ts";
import type { ScriptBus, SendOptions } from "./context.ts";
import type { MapOptions } from "./map-directory.ts";
import type { SharedMap } from "./shared-map.ts";
import type { Verdict } from "./verdict.ts";

/** A connection that remembers whether its mark was set. */
export interface ReadConnection extends Connection {
  readonly isMarkChanged: boolean;
}

/** What became of a packet that was held. */
export interface Settled {
  /** What it was held by: the packet's id in its queue, or a capture's number for it. */
  readonly token: number;
  /** Its bytes and mark as they are now; not to be kept. */
  readonly packet: Packet;
  /** accept, drop, proceed or one of kind queue. */
  readonly verdict: Verdict;
  /** The script failed: the packet goes on as it came in, or is dropped. */
  readonly isFault: boolean;
  /** The new mark of its connection; `undefined` when it stays. */
  readonly connectionMark: number | undefined;
}

export interface ScriptHost {
  /** Wall-clock time, or the capture's. */
  readonly clock: Clock;
  /** Milliseconds with a fraction, of a clock that is never set; for measuring. */
  steady(): number;
  /** Runs `action` when the packets that are here have their verdicts. */
  soon(action: () => void): void;
  /** The verdict for a packet that was held. */
  settle(settled: Settled): void;
  /** Sends packets now, each as its parts, in their order; how many could be taken. The parts stay as they are. */
  send(packets: readonly (readonly Uint8Array[])[], options: SendOptions): number;
  /** @throws MapConflictError, ConfigurationError, LimitExceededError */
  map(name: string, options?: MapOptions): SharedMap;
  readonly bus: ScriptBus;
  log(text: string): void;
  /** The name of an interface; empty for 0 and for one that is gone. */
  interfaceName(index: number): string;
  /** The connection of a row; `undefined` when it came without one. */
  connection(columns: PacketColumns, row: number): ReadConnection | undefined;
  /** Takes a sample of how long one packet took, in nanoseconds. */
  sample(nanoseconds: number): void;
}
