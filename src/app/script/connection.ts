/**
 * The connection tracker's words as scripts see them: `wire/conntrack.ts` read into a {@link Connection}.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import type { ConnectionState, ConnectionTuple } from "#packet/connection.ts";
import type { ReadConnection } from "#script/host.ts";
import {
  type Conntrack,
  ConntrackInfo,
  ConntrackStatus,
  type ConntrackTuple,
  decodeConntrack,
} from "#wire/conntrack.ts";

/** What reading a connection needs of a batch. */
export interface ConnectionColumns {
  readonly bytes: Uint8Array;
  readonly conntrackOffset: Int32Array;
  readonly conntrackLengthBytes: Int32Array;
  readonly conntrackState: Int8Array;
}

/** The connection of a packet; `undefined` when there is none with it. */
export function readConnection(columns: ConnectionColumns, row: number): ReadConnection | undefined {
  const lengthBytes = columns.conntrackLengthBytes[row] ?? 0;
  if (lengthBytes === 0) return undefined;
  const start = columns.conntrackOffset[row] ?? 0;
  const read = decodeConntrack(columns.bytes.subarray(start, start + lengthBytes));
  return read && new TrackedConnection(read, columns.conntrackState[row] ?? -1);
}

class TrackedConnection implements ReadConnection {
  readonly state: ConnectionState;
  readonly isReply: boolean;
  readonly id: number;
  readonly original: ConnectionTuple;
  readonly reply: ConnectionTuple;
  readonly isAssured: boolean;
  isMarkChanged = false;
  #mark: number;

  constructor(read: Conntrack, info: number) {
    this.state = STATES.get(info) ?? "untracked";
    this.isReply = info >= ConntrackInfo.establishedReply && info < ConntrackInfo.untracked;
    this.id = read.id ?? 0;
    this.original = tupleOf(read.original);
    this.reply = tupleOf(read.reply);
    this.isAssured = (read.status & ConntrackStatus.assured) !== 0;
    this.#mark = read.mark;
  }

  get mark(): number {
    return this.#mark;
  }

  set mark(value: number) {
    this.#mark = value >>> 0;
    this.isMarkChanged = true;
  }
}

const STATES: ReadonlyMap<number, ConnectionState> = new Map([
  [ConntrackInfo.established, "established"],
  [ConntrackInfo.establishedReply, "established"],
  [ConntrackInfo.related, "related"],
  [ConntrackInfo.relatedReply, "related"],
  [ConntrackInfo.new, "new"],
]);

function tupleOf(tuple: ConntrackTuple): ConnectionTuple {
  return {
    source: numberOf(tuple.source),
    destination: numberOf(tuple.target),
    sourcePort: tuple.sourcePort ?? 0,
    destinationPort: tuple.targetPort ?? 0,
    protocol: tuple.protocol,
  };
}

function numberOf(address: IpAddress): number | bigint {
  let value = 0n;
  for (const byte of address.bytes) value = (value << 8n) | BigInt(byte);
  return address.bytes.length === 4 ? Number(value) : value;
}
