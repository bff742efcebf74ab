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

/** A connection as a script has it; the tuples are made when they are asked for. */
export class TrackedConnection implements ReadConnection {
  isMarkChanged = false;
  readonly #read: Conntrack;
  readonly #info: number;
  #mark: number;
  #original: ConnectionTuple | undefined;
  #reply: ConnectionTuple | undefined;

  /** @param info one of {@link ConntrackInfo} */
  constructor(read: Conntrack, info: number) {
    this.#read = read;
    this.#info = info;
    this.#mark = read.mark;
  }

  get state(): ConnectionState {
    return STATES.get(this.#info) ?? "untracked";
  }

  get isReply(): boolean {
    return this.#info >= ConntrackInfo.establishedReply && this.#info < ConntrackInfo.untracked;
  }

  get id(): number {
    return this.#read.id ?? 0;
  }

  get original(): ConnectionTuple {
    this.#original ??= tupleOf(this.#read.original);
    return this.#original;
  }

  get reply(): ConnectionTuple {
    this.#reply ??= tupleOf(this.#read.reply);
    return this.#reply;
  }

  get isAssured(): boolean {
    return (this.#read.status & ConntrackStatus.assured) !== 0;
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
    ...(tuple.icmp && { identifier: tuple.icmp.id }),
  };
}

function numberOf(address: IpAddress): number | bigint {
  if (address.family === 4) return address.toUint32();
  let value = 0n;
  for (const byte of address.bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
