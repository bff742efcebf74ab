/**
 * What scripts send leaves after the packets that are here have their verdicts, in the order it was sent in.
 * @module
 */
import type { Duration } from "#base/time.ts";
import { BuiltPacket } from "#packet/build.ts";
import { Packet } from "#packet/packet.ts";
import type { SendOptions } from "./context.ts";
import type { ScriptHost } from "./host.ts";

/** Packets of one script that wait to be sent at most; `send` answers `false` to one more. */
export const OUTBOX_COUNT_MAX = 4096;
/** Bytes of them at most. */
export const OUTBOX_BYTES_MAX: number = 64 << 20;

export class Outbox {
  readonly #host: ScriptHost;
  readonly #onSent: (count: number) => void;
  #ready: Ready[] = [];
  #count = 0;
  #bytes = 0;
  #isPlanned = false;

  constructor(host: ScriptHost, onSent: (count: number) => void) {
    this.#host = host;
    this.#onSent = onSent;
  }

  /** Whether it was taken. */
  add(packet: BuiltPacket | Packet | Uint8Array, options: SendOptions = {}): boolean {
    // A built packet's parts are its own; everything else may be other bytes when its turn comes.
    const parts = packet instanceof BuiltPacket ? packet.parts : [bytesOf(packet)];
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    if (this.#count >= OUTBOX_COUNT_MAX || this.#bytes + bytes > OUTBOX_BYTES_MAX) return false;
    this.#count++;
    this.#bytes += bytes;
    const one = { parts, options };
    const wait: Duration | undefined = options.delay;
    if (wait !== undefined && wait > 0) {
      this.#host.clock.after(wait, () => {
        this.#ready.push(one);
        this.#flush();
      });
    } else {
      this.#ready.push(one);
      this.#plan();
    }
    return true;
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#host.soon(() => {
      this.#isPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    const ready = this.#ready;
    this.#ready = [];
    let start = 0;
    while (start < ready.length) {
      const { options } = ready[start] as Ready;
      const packets: (readonly Uint8Array[])[] = [];
      for (let at = start; at < ready.length; at++) {
        const one = ready[at] as Ready;
        if (!leavesAlike(one.options, options)) break;
        packets.push(one.parts);
        for (const { length } of one.parts) this.#bytes -= length;
      }
      start += packets.length;
      this.#count -= packets.length;
      this.#onSent(this.#host.send(packets, options));
    }
  }
}

/** A packet whose time has come. */
interface Ready {
  readonly parts: readonly Uint8Array[];
  readonly options: SendOptions;
}

/** Whether two packets can be handed over together. */
function leavesAlike(one: SendOptions, other: SendOptions): boolean {
  return (
    one === other || (one.way === other.way && one.mark === other.mark && one.interface === other.interface)
  );
}

function bytesOf(packet: Packet | Uint8Array): Uint8Array {
  return packet instanceof Packet ? packet.copy() : Uint8Array.from(packet);
}
