/**
 * Packets that wait for a later verdict, each in memory of its own, and the Packet objects that stand in for them.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { Packet } from "#packet/packet.ts";
import type { ReadConnection } from "./host.ts";

/** Packets one script holds at most; one more is an `overflow` and goes by the rule's `--on-error`. */
export const HELD_COUNT_MAX = 4096;
/** Bytes of all packets one script holds at most; the same happens. */
export const HELD_BYTES_MAX: number = 64 << 20;
/** Packet objects kept for use again. */
const SPARE_COUNT_MAX = 64;

export interface Held {
  readonly token: number;
  readonly packet: Packet;
  readonly lengthBytes: number;
  readonly connection: ReadConnection | undefined;
  /** Times it has gone round. */
  repeatCount: number;
  timer: Timer | undefined;
  isSettled: boolean;
}

/** How a script sees packets, and how many it may hold. */
export interface HeldOptions {
  /** Why packets must not be written to; empty when they may. */
  readonly readOnly?: string;
  /** Whether `find` looks into tunnels; it does when absent. */
  readonly tunnels?: boolean;
  readonly heldCountMax?: number;
}

export class HeldPackets {
  readonly #held = new Set<Held>();
  readonly #spare: Packet[] = [];
  readonly #readOnly: string;
  readonly #looksIntoTunnels: boolean;
  readonly #countMax: number;
  #bytes = 0;

  constructor(options: HeldOptions = {}) {
    this.#readOnly = options.readOnly ?? "";
    this.#looksIntoTunnels = options.tunnels ?? true;
    this.#countMax = options.heldCountMax ?? HELD_COUNT_MAX;
  }

  get count(): number {
    return this.#held.size;
  }

  hasRoomFor(packet: Packet): boolean {
    return this.#held.size < this.#countMax && this.#bytes + packet.lengthBytes <= HELD_BYTES_MAX;
  }

  /** A Packet object that is not in use. */
  freshPacket(): Packet {
    const spare = this.#spare.pop();
    if (spare) return spare;
    const packet = new Packet();
    packet.$readOnly = this.#readOnly;
    packet.$looksIntoTunnels = this.#looksIntoTunnels;
    return packet;
  }

  /** Takes the packet out of the memory it came in; its views go along. */
  add(token: number, packet: Packet, connection: ReadConnection | undefined, repeatCount: number): Held {
    packet.keep();
    if (connection) packet.$connection = () => connection;
    const { lengthBytes } = packet;
    const timer = undefined;
    const held: Held = { token, packet, lengthBytes, connection, repeatCount, timer, isSettled: false };
    this.#held.add(held);
    this.#bytes += lengthBytes;
    return held;
  }

  /** @param isFree whether nobody can still have the Packet object in hand: a script that is late can. */
  remove(held: Held, isFree: boolean): void {
    held.isSettled = true;
    held.timer?.cancel();
    if (!this.#held.delete(held)) return;
    this.#bytes -= held.lengthBytes;
    if (isFree && this.#spare.length < SPARE_COUNT_MAX) this.#spare.push(held.packet);
  }

  all(): Held[] {
    return [...this.#held];
  }
}
