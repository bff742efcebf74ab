/**
 * {@link BroadcastSocket} on a {@link SimSegment}.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { LimitExceededError, type MetanetError } from "#base/errors.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { milliseconds } from "#base/time.ts";
import {
  BATCH_COUNT_MAX,
  type BroadcastSocket,
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramCounters,
  type LinkEndpoint,
  type UdpEndpoint,
} from "#io/datagram.ts";

/** Datagrams that wait for a handler; more are lost, as in the kernel's buffer. */
export const INBOX_COUNT_MAX = 1024;

export interface SimBroadcastSocketOptions {
  readonly host: { readonly name: string; readonly link: MacAddress };
  readonly port: number;
  readonly clock: Clock;
  readonly transmit: (payload: Uint8Array, target: UdpEndpoint | LinkEndpoint) => void;
  readonly onClose: () => void;
}

export class SimBroadcastSocket implements BroadcastSocket {
  readonly interfaceName: string;
  readonly link: MacAddress;
  readonly port: number;
  readonly #options: SimBroadcastSocketOptions;
  readonly #inbox: Datagram[] = [];
  readonly #counts = { receivedCount: 0, sentCount: 0, oversizeCount: 0, unsentCount: 0 };
  #isDeliveryPlanned = false;
  #isClosed = false;
  #handler: ((batch: readonly Datagram[]) => void) | undefined;
  #troubleHandler: ((error: MetanetError) => void) | undefined;

  constructor(options: SimBroadcastSocketOptions) {
    this.#options = options;
    this.interfaceName = options.host.name;
    this.link = options.host.link;
    this.port = options.port;
  }

  get counters(): DatagramCounters {
    return { ...this.#counts };
  }

  onDatagrams(handler: (batch: readonly Datagram[]) => void): void {
    this.#handler = handler;
    this.#planDelivery();
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#troubleHandler = handler;
  }

  send(payload: Uint8Array, target: UdpEndpoint): void {
    this.#transmit(payload, { address: target.address, port: target.port });
  }

  sendToLink(payload: Uint8Array, target: LinkEndpoint): void {
    this.#transmit(payload, target);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.onClose();
  }

  /** Takes what the segment delivers. */
  receive(datagram: Datagram): void {
    if (this.#isClosed || this.#inbox.length >= INBOX_COUNT_MAX) return;
    this.#inbox.push(datagram);
    this.#planDelivery();
  }

  #transmit(payload: Uint8Array, target: UdpEndpoint | LinkEndpoint): void {
    if (!this.#isClosed && payload.length <= DATAGRAM_BYTES_MAX) {
      this.#counts.sentCount++;
      this.#options.transmit(payload, target);
      return;
    }
    this.#counts.unsentCount++;
    if (this.#isClosed) return;
    const seen = `payload of ${payload.length} bytes, over ${DATAGRAM_BYTES_MAX}`;
    this.#troubleHandler?.(new LimitExceededError(`Cannot send on ${this.interfaceName}: ${seen}`));
  }

  /** What arrives at one instant is one batch, as with the kernel. */
  #planDelivery(): void {
    if (this.#isDeliveryPlanned || this.#inbox.length === 0) return;
    this.#isDeliveryPlanned = true;
    this.#options.clock.after(milliseconds(0), () => this.#deliver());
  }

  #deliver(): void {
    this.#isDeliveryPlanned = false;
    if (this.#isClosed || !this.#handler) return;
    const batch = this.#inbox.splice(0, BATCH_COUNT_MAX);
    this.#counts.receivedCount += batch.length;
    this.#planDelivery();
    if (batch.length > 0) this.#handler(batch);
  }
}
