/**
 * Edits of the packet at hand, as monitors ask for them.
 * @module
 */
import type { FlowCore } from "../core.ts";
import { EditRefusedError } from "../errors.ts";
import { IpProtocol } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import { DIRECTION_WORDS, RECORD_WORDS, Word } from "../table/record.ts";
import { TcpFlag } from "../tcp/segment.ts";
import type { Rewriter } from "./rewriter.ts";
import { EDIT_BYTES_MAX, EDIT_COUNT_MAX } from "./stream-edits.ts";

/** What is to be changed. */
export interface WantedEdit {
  readonly row: number;
  readonly direction: Direction;
  /** Bytes from the start of the stream, as the sender counts. */
  readonly offset: number;
  readonly removedBytes: number;
  readonly inserted: Uint8Array;
}

export class Editor {
  readonly #core: FlowCore;
  readonly #rewriter: Rewriter;

  constructor(core: FlowCore, rewriter: Rewriter) {
    this.#core = core;
    this.#rewriter = rewriter;
  }

  /**
   * Changes bytes of the packet at hand that have not been forwarded before; they leave so, also when they come again.
   * @throws EditRefusedError that says why not.
   */
  edit({ row, direction, offset, removedBytes, inserted }: WantedEdit): void {
    const { layers } = this.#core;
    const protocol = this.#core.table.bytes[row * RECORD_WORDS * 4 + Word.bytes * 4] as number;
    if (protocol !== IpProtocol.tcp) throw refused("it is no TCP flow; change flow.packet instead");
    const whole = [offset, removedBytes].every((number) => Number.isSafeInteger(number) && number >= 0);
    if (!whole) throw refused(`offset ${offset} and length ${removedBytes} are no counts of bytes`);
    const { packet } = this.#rewriter;
    if (packet === undefined || !this.#rewriter.isAtHand(row, direction)) {
      throw refused("no packet of this end is at hand that can be changed; edit in its events, inline");
    }
    if (packet.isAggregate) {
      throw refused(
        "the packet is several segments in one; load the script as one that writes, then there are none",
      );
    }
    if (packet.$readOnly !== "") throw refused(packet.$readOnly);
    if ((layers.flags & (TcpFlag.syn | TcpFlag.rst)) !== 0) throw refused("a SYN or RST is at hand");
    const rewrite = this.#rewriter.open(row, direction);
    const at = row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
    const start = this.#core.delivery.offsetOf(at, layers.sequence);
    const end = start + layers.payloadBytes;
    if (offset < rewrite.mark || offset < start) {
      throw refused(
        `byte ${offset} has been forwarded; bytes from ${Math.max(rewrite.mark, start)} on can be changed`,
      );
    }
    if (offset + removedBytes > end || layers.payloadBytes === 0) {
      throw refused(
        `bytes ${offset} to ${offset + removedBytes} are not all in the packet, which ends at ${end}`,
      );
    }
    if (removedBytes === 0 && inserted.length === 0) return;
    this.#checkSize(row, direction, layers.payloadBytes + inserted.length, packet.lengthBytes);
    const carrier = offset === end ? "front" : "behind";
    const problem = rewrite.edits.add({ offset, removedBytes, inserted: Uint8Array.from(inserted), carrier });
    if (problem === "overlap") throw refused(`bytes there are changed already, at ${offset}`);
    if (problem === "count") throw refused(`${EDIT_COUNT_MAX} edits are not acknowledged yet`);
    if (problem === "bytes") throw refused(`${EDIT_BYTES_MAX} inserted bytes are not acknowledged yet`);
  }

  /** Without an output a segment cannot become two. */
  #checkSize(row: number, direction: Direction, payloadBytes: number, packetBytes: number): void {
    if (this.#rewriter.hasOutput) return;
    const limit = this.#rewriter.maker.payloadMax(row, direction, this.#rewriter.maker.optionBytes(row));
    if (payloadBytes <= limit) return;
    throw refused(
      `the segment of ${packetBytes} bytes would carry ${payloadBytes}, its receiver takes ${limit}; give the engine an output`,
    );
  }
}

function refused(seen: string): EditRefusedError {
  return new EditRefusedError(`Cannot edit the stream: ${seen}`);
}
