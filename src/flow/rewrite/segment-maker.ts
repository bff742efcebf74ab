/**
 * Segments as the ends of a flow would send them, made of its record: for resets, for what monitors send, and for
 * acknowledgements of what the receiver was spared.
 * @module
 */
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import type { Direction } from "../side.ts";
import { EndFlag, NO_SHIFT, WINDOW_UNKNOWN } from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } from "../table/record.ts";
import { TcpFlag } from "../tcp/segment.ts";
import type { Block } from "./stream-edits.ts";

/** Hops of what is sent in the name of others. */
const HOP_LIMIT = 64;
const WINDOW_MAX = 65_535;
/** Bytes of a segment that every host takes (RFC 9293 §3.7.1, RFC 8200 §5 less 60 of headers). */
const SEGMENT_BYTES_USUAL = { 4: 536, 6: 1220 } as const;
/** NOP, NOP, Timestamps, 10. */
const TIMESTAMPS = 0x0101_080a;
const TIMESTAMPS_BYTES = 12;

/** What is in a segment besides what the record knows. Numbers are as on the wire. */
export interface Made {
  readonly row: number;
  /** Who is said to send it. */
  readonly direction: Direction;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly payload?: Uint8Array;
  /** Selective acknowledgements, as sequence numbers. */
  readonly blocks?: readonly Block[];
}

export class SegmentMaker {
  readonly #table: FlowTable;

  constructor(table: FlowTable) {
    this.#table = table;
  }

  /** Payload bytes that fit into a segment to the receiver of a direction; its options take `optionBytes`. */
  payloadMax(row: number, direction: Direction, optionBytes: number): number {
    const { bytes } = this.#table;
    const at = directionAt(row, (1 - direction) as Direction) * 4 + DirectionWord.options * 4;
    const told = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    return Math.max(1, (told === 0 ? SEGMENT_BYTES_USUAL[this.#table.version(row)] : told) - optionBytes);
  }

  /** Bytes of the options that {@link make} writes. */
  optionBytes(row: number): number {
    return this.#hasTimestamps(row) ? TIMESTAMPS_BYTES : 0;
  }

  /** The whole IP packet. */
  make({ row, direction, sequence, acknowledgement, flags, payload, blocks = [] }: Made): Uint8Array {
    const { words } = this.#table;
    const base = row * RECORD_WORDS;
    const ports = words[base + Word.ports] as number;
    const [clientPort, serverPort] = [ports >>> 16, ports & 0xffff];
    const segment = tcp.header(
      {
        sourcePort: direction === 0 ? clientPort : serverPort,
        destinationPort: direction === 0 ? serverPort : clientPort,
        sequence: sequence >>> 0,
        acknowledgment: acknowledgement >>> 0,
        flags,
        window: (flags & TcpFlag.rst) !== 0 ? 0 : this.#window(row, direction),
      },
      (flags & TcpFlag.rst) !== 0 ? NOTHING : this.#options(row, direction, blocks),
    );
    return build(this.#network(row, direction), segment, payload ?? NOTHING).toBytes();
  }

  #network(row: number, direction: Direction): ReturnType<typeof ipv4.header> {
    const { words } = this.#table;
    const from = row * RECORD_WORDS + (direction === 0 ? Word.client : Word.server);
    const to = row * RECORD_WORDS + (direction === 0 ? Word.server : Word.client);
    if (this.#table.version(row) === 4) {
      const source = (words[from + 3] as number) >>> 0;
      const destination = (words[to + 3] as number) >>> 0;
      return ipv4.header({ source, destination, timeToLive: HOP_LIMIT, dontFragment: true });
    }
    const source = addressOf(words, from);
    return ipv6.header({ source, destination: addressOf(words, to), hopLimit: HOP_LIMIT });
  }

  /** The window that an end has advertised last, as it stands in a header. */
  #window(row: number, direction: Direction): number {
    const { words, bytes } = this.#table;
    const window = words[directionAt(row, direction) + DirectionWord.window] as number;
    if (window === WINDOW_UNKNOWN) return WINDOW_MAX;
    const own = bytes[shiftAt(row, direction)] as number;
    const other = bytes[shiftAt(row, (1 - direction) as Direction)] as number;
    const shift = own === NO_SHIFT || other === NO_SHIFT ? 0 : own;
    return Math.min(WINDOW_MAX, window >>> shift);
  }

  #options(row: number, direction: Direction, blocks: readonly Block[]): Uint8Array {
    const hasTimestamps = this.#hasTimestamps(row);
    const start = hasTimestamps ? TIMESTAMPS_BYTES : 0;
    const options = new Uint8Array(start + (blocks.length > 0 ? 4 + blocks.length * 8 : 0));
    const view = new DataView(options.buffer);
    if (hasTimestamps) {
      const { words } = this.#table;
      const other = directionAt(row, (1 - direction) as Direction);
      view.setUint32(0, TIMESTAMPS);
      view.setUint32(4, words[directionAt(row, direction) + DirectionWord.timestamp] as number);
      view.setUint32(8, words[other + DirectionWord.timestamp] as number);
    }
    if (blocks.length > 0) view.setUint32(start, (0x0101_0500 | (2 + blocks.length * 8)) >>> 0);
    for (const [index, { left, right }] of blocks.entries()) {
      view.setUint32(start + 4 + index * 8, left >>> 0);
      view.setUint32(start + 8 + index * 8, right >>> 0);
    }
    return options;
  }

  #hasTimestamps(row: number): boolean {
    const { bytes } = this.#table;
    const both = (bytes[shiftAt(row, 0) + 1] as number) & (bytes[shiftAt(row, 1) + 1] as number);
    return (both & EndFlag.timestamps) !== 0;
  }
}

const NOTHING = new Uint8Array(0);

function directionAt(row: number, direction: Direction): number {
  return row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
}

function shiftAt(row: number, direction: Direction): number {
  return directionAt(row, direction) * 4 + DirectionWord.options * 4;
}

function addressOf(words: ArrayLike<number>, at: number): bigint {
  let address = 0n;
  for (let index = 0; index < 4; index++)
    address = (address << 32n) | BigInt((words[at + index] as number) >>> 0);
  return address;
}
