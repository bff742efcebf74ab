/**
 * A packet sender that keeps what it sends, for tests to look at.
 * @module
 */
import { type MetanetError, UnavailableError } from "#base/errors.ts";
import {
  PACKET_PART_COUNT_MAX,
  type PacketParts,
  type PacketSender,
  type PacketSenderCounters,
  type SendOptions,
} from "#io/packet-sender.ts";

/** A packet that has left. */
export interface SentPacket {
  readonly bytes: Uint8Array;
  readonly mark: number;
  /** Where a frame left, or where a routed packet was told to; absent: the routes say. */
  readonly interfaceIndex?: number;
  readonly isFrame: boolean;
}

export class SimPacketSender implements PacketSender {
  readonly sent: SentPacket[] = [];
  readonly #mark: number;
  readonly #routeBytesMax: number;
  readonly #counts = { sentCount: 0, unsentCount: 0 };
  #onTrouble: ((error: MetanetError) => void) | undefined;
  #isClosed = false;

  /** @param options `routeBytesMax`: the longest packet that the routes take, 1500 bytes at first. */
  constructor(options: { readonly mark?: number; readonly routeBytesMax?: number } = {}) {
    this.#mark = options.mark ?? 0;
    this.#routeBytesMax = options.routeBytesMax ?? 1500;
  }

  get counters(): PacketSenderCounters {
    return { ...this.#counts };
  }

  sendRouted(packets: readonly PacketParts[], options: SendOptions = {}): number {
    const { mark = this.#mark, outInterface } = options;
    return this.#sendAll(packets, (bytes) => {
      const version = (bytes[0] ?? 0) >> 4;
      const isFine = (version === 4 && bytes.length >= 20) || (version === 6 && bytes.length >= 40);
      if (!isFine || bytes.length > this.#routeBytesMax) return undefined;
      const place = outInterface === undefined ? {} : { interfaceIndex: outInterface };
      return { bytes, mark, isFrame: false, ...place };
    });
  }

  sendFrames(
    interfaceIndex: number,
    frames: readonly PacketParts[],
    options: { mark?: number } = {},
  ): number {
    const { mark = this.#mark } = options;
    return this.#sendAll(frames, (bytes) =>
      bytes.length < 14 ? undefined : { bytes, mark, interfaceIndex, isFrame: true },
    );
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    this.#isClosed = true;
  }

  #sendAll(packets: readonly PacketParts[], make: (bytes: Uint8Array) => SentPacket | undefined): number {
    let count = 0;
    for (const parts of packets) {
      const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
      const isTooMany = parts.length > PACKET_PART_COUNT_MAX;
      const packet = this.#isClosed || isTooMany ? undefined : make(bytes);
      if (packet === undefined) continue;
      this.sent.push(packet);
      count++;
    }
    this.#counts.sentCount += count;
    this.#counts.unsentCount += packets.length - count;
    if (count < packets.length) this.#onTrouble?.(new UnavailableError("Cannot send a packet: refused"));
    return count;
  }
}
