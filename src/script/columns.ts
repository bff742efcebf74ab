/**
 * The columns of a batch of queued packets, as far as running a script needs them: `PacketBatch` of `io/` is one.
 * Stated here because this layer imports no `io/`.
 * @module
 */
import type { Hook } from "#packet/packet.ts";

/** Verdict of the column: the packet waits for a later one. */
export const COLUMN_HOLD = 0xffff_ffff;
/** Bits of the column `changes`. */
export const CHANGE_MARK = 1;
export const CHANGE_CONNECTION_MARK = 2;
/** Bit of the column `packetFlags`: several segments in one. */
export const FLAG_SEGMENTED = 2;
/** Netfilter's numbers of its hooks, as places of this list. */
export const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** Rows 0 to `count - 1`; what each column means stands at `PacketBatch` in `io/packet-queue.ts`. */
export interface PacketColumns {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly count: number;
  readonly id: Uint32Array;
  readonly offset: Int32Array;
  readonly lengthBytes: Int32Array;
  readonly fullLengthBytes: Int32Array;
  readonly limit: Int32Array;
  readonly hook: Uint8Array;
  readonly etherType: Uint16Array;
  readonly mark: Uint32Array;
  readonly inInterface: Int32Array;
  readonly outInterface: Int32Array;
  readonly packetFlags: Uint8Array;
  readonly arrivedMicroseconds: Float64Array;
  readonly verdict: Uint32Array;
  readonly newLengthBytes: Int32Array;
  readonly newOffset: Int32Array;
  readonly changes: Uint8Array;
  readonly newMark: Uint32Array;
  readonly newConntrackMark: Uint32Array;
}

/** What is told about a packet that was held; `HeldDecision` of `io/` is the same. */
export interface ColumnDecision {
  readonly verdict: number;
  readonly mark?: number;
  readonly conntrackMark?: number;
  readonly bytes?: Uint8Array;
}
