/**
 * The connections of the packets of one queue, looked up when a script asks for them: each once for a batch. Marks are
 * taken out of the verdicts, as a kernel that does not bring connections along takes none back either.
 * @module
 */
import { Packet } from "#packet/packet.ts";
import {
  CHANGE_CONNECTION_MARK,
  COLUMN_HOLD,
  type ColumnDecision,
  HOOKS,
  type PacketColumns,
} from "#script/columns.ts";
import { tupleKey } from "#wire/conntrack.ts";
import { TrackedConnection } from "./connection.ts";
import type { ConnectionLookup, LookedUp } from "./connection-lookup.ts";
import { trackedPacket } from "./connection-tuple.ts";

/** Bytes of each packet that are kept from a script that writes: all headers, those in an ICMP error included. */
const HEAD_BYTES = 256;

export class ConnectionRows {
  readonly #lookup: ConnectionLookup;
  readonly #onLost: () => void;
  readonly #packet = new Packet();
  /** What was read of the batch, by rows. */
  readonly #rows = new Map<number, LookedUp>();
  readonly #byTuple = new Map<string, LookedUp>();
  /** What was read of packets that are held, by their ids. */
  readonly #held = new Map<number, LookedUp>();
  #heads: DataView | undefined;

  /** @param onLost is called for each mark that could not be set */
  constructor(lookup: ConnectionLookup, onLost: () => void) {
    this.#lookup = lookup;
    this.#onLost = onLost;
  }

  /**
   * Before a batch is run.
   * @param isWriting the script may write to packets, and read their connections afterwards
   */
  begin(columns: PacketColumns, isWriting: boolean): void {
    this.#lookup.tryWaiting();
    this.#rows.clear();
    this.#byTuple.clear();
    this.#heads = isWriting ? this.#keepHeads(columns) : undefined;
  }

  /** The connection of a row; `undefined` when it has none by its kind, or the kernel cannot be asked. */
  read(columns: PacketColumns, row: number): TrackedConnection | undefined {
    const looked = this.#rows.get(row) ?? this.#look(columns, row);
    if (looked === undefined) return undefined;
    this.#rows.set(row, looked);
    return new TrackedConnection(looked.connection, looked.info);
  }

  /** When a batch has run, and before its verdicts are given. */
  end(columns: PacketColumns): void {
    for (const [row, looked] of this.#rows) {
      if (columns.verdict[row] === COLUMN_HOLD) {
        this.#held.set(columns.id[row] ?? 0, looked);
        continue;
      }
      const changes = columns.changes[row] ?? 0;
      if ((changes & CHANGE_CONNECTION_MARK) === 0) continue;
      columns.changes[row] = changes & ~CHANGE_CONNECTION_MARK;
      this.#lookup.setMark(looked, columns.newConntrackMark[row] ?? 0, this.#onLost);
    }
  }

  /** What is decided about a packet that was held, without its connection's mark. */
  settled(id: number, decision: ColumnDecision): ColumnDecision {
    const looked = this.#held.get(id);
    if (looked === undefined) return decision;
    this.#held.delete(id);
    const { conntrackMark, ...others } = decision;
    if (conntrackMark !== undefined) this.#lookup.setMark(looked, conntrackMark, this.#onLost);
    return others;
  }

  #look(columns: PacketColumns, row: number): LookedUp | undefined {
    const lengthBytes = columns.lengthBytes[row] ?? 0;
    const etherType = columns.etherType[row] ?? 0;
    if (this.#heads) {
      this.#packet.aim(this.#heads, row * HEAD_BYTES, Math.min(lengthBytes, HEAD_BYTES), etherType);
    } else {
      this.#packet.aim(columns.view, columns.offset[row] ?? 0, lengthBytes, etherType);
    }
    const tracked = trackedPacket(this.#packet);
    if (tracked === undefined) return undefined;
    const key = `${tracked.isError}${tupleKey(tracked.tuple)}`;
    const known = this.#byTuple.get(key);
    if (known) return known;
    const hook = HOOKS[columns.hook[row] ?? 0];
    // Scripts stand in front of the translation at every hook, so that at these two there was none yet.
    const isTranslated = hook !== "prerouting" && hook !== "output";
    const looked = this.#lookup.find(tracked, isTranslated);
    if (looked) this.#byTuple.set(key, looked);
    return looked;
  }

  #keepHeads({ bytes, offset, lengthBytes, count }: PacketColumns): DataView {
    let heads = this.#heads;
    if (heads === undefined || heads.byteLength < count * HEAD_BYTES) {
      heads = new DataView(new ArrayBuffer(Math.max(offset.length, count) * HEAD_BYTES));
    }
    const room = new Uint8Array(heads.buffer);
    for (let row = 0; row < count; row++) {
      const start = offset[row] ?? 0;
      const end = start + Math.min(lengthBytes[row] ?? 0, HEAD_BYTES);
      room.set(bytes.subarray(start, end), row * HEAD_BYTES);
    }
    return heads;
  }
}
