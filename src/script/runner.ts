/**
 * Runs a script over batches of queued packets: aims one Packet object at each row and writes the answers to the
 * columns of the verdicts. Nothing is allocated for a packet whose verdict comes at once.
 * @module
 */
import type { Packet } from "#packet/packet.ts";
import {
  CHANGE_CONNECTION_MARK,
  CHANGE_MARK,
  COLUMN_HOLD,
  type ColumnDecision,
  FLAG_SEGMENTED,
  HOOKS,
  type PacketColumns,
} from "./columns.ts";
import type { ReadConnection, ScriptHost, Settled } from "./host.ts";
import { HELD, type JudgeOptions, ScriptJudge, UNCHANGED } from "./judge.ts";
import { accept, drop, proceed } from "./verdict.ts";

/** Netfilter's verdict for "goes on". */
const COLUMN_ACCEPT = 1;
const COLUMN_DROP = 0;
/** Bytes in front of every packet that belong to it; `PACKET_HEADROOM_BYTES` of `io/`. */
const HEADROOM_BYTES = 128;

export interface RunnerOptions extends Omit<JudgeOptions, "connection"> {
  /** The bit of the mark that makes a packet skip the scripts behind this one; 0 when there is none behind it. */
  readonly doneMark?: number;
}

export class ScriptRunner {
  readonly judge: ScriptJudge;
  readonly #host: ScriptHost;
  readonly #connectionOf: (packet: Packet) => ReadConnection | undefined;
  #doneMark: number;
  #packet: Packet;
  #columns: PacketColumns | undefined;
  #row = 0;
  #connection: ReadConnection | undefined;
  #hasConnection = false;

  constructor(options: RunnerOptions) {
    this.#host = options.host;
    this.#doneMark = options.doneMark ?? 0;
    this.judge = new ScriptJudge({ ...options, connection: () => this.#readConnection() });
    this.#packet = this.judge.freshPacket();
    this.#connectionOf = () => this.#readConnection();
  }

  set doneMark(bits: number) {
    this.#doneMark = bits;
  }

  /** What the kernel is told about a packet that was held. */
  decide({ packet, verdict: answer, isFault, connectionMark }: Settled): ColumnDecision {
    const verdict = answer === proceed || answer === accept ? COLUMN_ACCEPT : answer;
    if (isFault || verdict === COLUMN_DROP) return { verdict };
    const isDone = answer === accept && this.#doneMark !== 0;
    const mark = isDone ? (packet.mark | this.#doneMark) >>> 0 : packet.mark;
    return {
      verdict,
      ...(isDone || packet.isMarkChanged ? { mark } : {}),
      ...(connectionMark === undefined ? {} : { conntrackMark: connectionMark }),
      ...(packet.isChanged ? { bytes: packet.bytes() } : {}),
    };
  }

  /** Fills the verdicts of all rows. */
  run(columns: PacketColumns): void {
    const now = this.#host.clock.now();
    const { context } = this.judge;
    context.$at(now);
    this.#columns = columns;
    for (let row = 0; row < columns.count; row++) {
      const packet = this.#aim(columns, row, now);
      this.#apply(columns, row, packet, this.judge.judge(packet, columns.id[row] ?? 0));
    }
    this.#columns = undefined;
    context.$at(undefined);
  }

  #aim(columns: PacketColumns, row: number, now: number): Packet {
    const packet = this.#packet;
    packet.aim(
      columns.view,
      columns.offset[row] ?? 0,
      columns.lengthBytes[row] ?? 0,
      columns.etherType[row] ?? 0,
    );
    packet.$limit = columns.limit[row] ?? 0;
    packet.$marked(columns.mark[row] ?? 0);
    packet.fullLengthBytes = columns.fullLengthBytes[row] ?? 0;
    const arrived = columns.arrivedMicroseconds[row] ?? 0;
    packet.time = arrived === 0 ? now : arrived / 1000;
    packet.hook = HOOKS[columns.hook[row] ?? 0];
    packet.inInterface = this.#host.interfaceName(columns.inInterface[row] ?? 0);
    packet.outInterface = this.#host.interfaceName(columns.outInterface[row] ?? 0);
    packet.isAggregate = ((columns.packetFlags[row] ?? 0) & FLAG_SEGMENTED) !== 0;
    packet.$connection = this.#connectionOf;
    this.#row = row;
    this.#hasConnection = false;
    this.#connection = undefined;
    return packet;
  }

  #apply(columns: PacketColumns, row: number, packet: Packet, answer: number): void {
    if (answer === HELD) {
      this.#packet = this.judge.freshPacket();
      columns.verdict[row] = COLUMN_HOLD;
      return;
    }
    const isGoing = answer !== UNCHANGED && answer !== drop;
    if (isGoing && packet.isChanged && !this.#writeBack(columns, row, packet)) {
      const what = `the packet grew to ${packet.lengthBytes} bytes, for which there is no room`;
      this.#apply(columns, row, packet, this.judge.fail("overflow", what));
      return;
    }
    if (!isGoing) {
      columns.verdict[row] = answer === drop ? COLUMN_DROP : COLUMN_ACCEPT;
      return;
    }
    columns.verdict[row] = answer === proceed || answer === accept ? COLUMN_ACCEPT : answer;
    let changes = 0;
    if (answer === accept && this.#doneMark !== 0) {
      columns.newMark[row] = packet.mark | this.#doneMark;
      changes = CHANGE_MARK;
    } else if (packet.isMarkChanged) {
      columns.newMark[row] = packet.mark;
      changes = CHANGE_MARK;
    }
    if (this.#connection?.isMarkChanged) {
      columns.newConntrackMark[row] = this.#connection.mark;
      changes |= CHANGE_CONNECTION_MARK;
    }
    columns.changes[row] = changes;
  }

  /** Tells where the changed packet stands; one that has moved to memory of its own is copied to its place. */
  #writeBack(columns: PacketColumns, row: number, packet: Packet): boolean {
    let start = packet.$start;
    if (packet.$data.buffer !== columns.view.buffer) {
      const offset = columns.offset[row] ?? 0;
      start = Math.min(offset, (columns.limit[row] ?? 0) - packet.lengthBytes);
      if (start < offset - HEADROOM_BYTES) return false;
      columns.bytes.set(packet.bytes(), start);
    }
    columns.newOffset[row] = start;
    columns.newLengthBytes[row] = packet.lengthBytes;
    return true;
  }

  #readConnection(): ReadConnection | undefined {
    const columns = this.#columns;
    if (this.#hasConnection || columns === undefined) return this.#connection;
    this.#hasConnection = true;
    this.#connection = this.#host.connection(columns, this.#row);
    return this.#connection;
  }
}
