/**
 * {@link BroadcastSocket} on Linux: one UDP socket bound to the interface (SO_BINDTODEVICE, udp(7)) for receiving
 * and for addresses the kernel can reach, one packet socket (packet(7)) for clients it cannot. Opening the two
 * descriptors needs root and happens apart from using them, so that a broker can open and hand them over.
 * @module
 */
import { getSystemErrorName } from "node:util";
import { ConfigurationError, LimitExceededError, type MetanetError } from "#base/errors.ts";
import { type IpAddress, ip } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import {
  BATCH_COUNT_MAX,
  type BroadcastSocket,
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramCounters,
  type LinkEndpoint,
  type UdpEndpoint,
} from "#io/datagram.ts";
import { encodeUdp4Packet, IPV4_HEADER_BYTES, UDP_HEADER_BYTES } from "#wire/udp4-packet.ts";
import { type Native, native, READABLE, RECEIVE_WORDS, type Watch } from "./native.ts";
import { SendBatch } from "./send-batch.ts";
import {
  decodeSockaddrIn,
  decodeSockaddrLl,
  encodeInt,
  encodeSockaddrIn,
  encodeSockaddrLl,
  SOCKADDR_IN_BYTES,
  SOCKADDR_LL_BYTES,
} from "./socket-address.ts";
import {
  AF_INET,
  AF_PACKET,
  ETH_P_IP,
  MSG_TRUNC,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./socket-constants.ts";
import { SystemCallError, translateErrors } from "./system-error.ts";

/** What waits in the kernel at most, in bytes, as far as net.core.rmem_max allows; more is lost there. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

const ANY_ADDRESS: IpAddress = ip("0.0.0.0");

export interface BroadcastPlace {
  readonly interfaceName: string;
  /** The UDP port, 1 to 65535. */
  readonly port: number;
}

/** The two open descriptors of a broadcast socket, by name. */
export interface BroadcastDescriptors {
  readonly udp: number;
  readonly packet: number;
}

export interface BroadcastSocketOptions extends BroadcastPlace {
  /** This machine's own address on the interface: the source of frames sent to a link. */
  readonly address: IpAddress;
  /** Whose ownership passes to the socket. */
  readonly descriptors: BroadcastDescriptors;
}

/**
 * Opens the descriptors; needs root (CAP_NET_RAW, and CAP_NET_BIND_SERVICE for ports below 1024). There is no
 * SO_REUSEADDR on purpose: two servers on one interface would each get part of the requests, and this way the second
 * one is told. Servers on different interfaces do not disturb each other.
 * @throws SystemCallError when the interface is not there or the port is taken.
 */
export function openBroadcastDescriptors(place: BroadcastPlace): BroadcastDescriptors {
  const { interfaceName, port } = place;
  const system = native();
  const open: number[] = [];
  try {
    return translateErrors(`open UDP port ${port} on ${interfaceName}`, () => {
      const index = system.interfaceIndex(interfaceName);
      const udp = system.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      open.push(udp);
      system.setsockopt(udp, SOL_SOCKET, SO_BROADCAST, encodeInt(1));
      system.setsockopt(udp, SOL_SOCKET, SO_RCVBUF, encodeInt(RECEIVE_BUFFER_BYTES));
      system.setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${interfaceName}\0`));
      system.bind(udp, encodeSockaddrIn(ANY_ADDRESS, port));
      // Protocol 0 receives nothing: this one only sends.
      const packet = system.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      open.push(packet);
      system.bind(packet, encodeSockaddrLl(index, 0));
      return { udp, packet };
    });
  } catch (error) {
    for (const fd of open) system.close(fd);
    throw error;
  }
}

export class LinuxBroadcastSocket implements BroadcastSocket {
  readonly interfaceName: string;
  readonly port: number;
  readonly link: MacAddress;
  readonly #native: Native = native();
  readonly #descriptors: BroadcastDescriptors;
  readonly #address: IpAddress;
  readonly #interfaceIndex: number;
  readonly #slotBytes: number = DATAGRAM_BYTES_MAX + SOCKADDR_IN_BYTES;
  readonly #slab: Uint8Array = new Uint8Array(BATCH_COUNT_MAX * this.#slotBytes);
  readonly #table: Int32Array = new Int32Array(BATCH_COUNT_MAX * RECEIVE_WORDS);
  readonly #toAddresses: SendBatch;
  readonly #toLinks: SendBatch;
  readonly #counts = { receivedCount: 0, sentCount: 0, oversizeCount: 0, unsentCount: 0 };
  #watch: Watch | undefined;
  #isFlushPlanned = false;
  #isClosed = false;
  #handler: ((batch: readonly Datagram[]) => void) | undefined;
  #troubleHandler: ((error: MetanetError) => void) | undefined;

  /** @throws ConfigurationError when the interface has no Ethernet address. */
  constructor(options: BroadcastSocketOptions) {
    this.interfaceName = options.interfaceName;
    this.port = options.port;
    this.#address = options.address;
    this.#descriptors = options.descriptors;
    const own = decodeSockaddrLl(this.#native.getsockname(options.descriptors.packet));
    if (!own.link) throw new ConfigurationError(`Cannot use ${options.interfaceName}: it has no MAC address`);
    this.link = own.link;
    this.#interfaceIndex = own.interfaceIndex;
    this.#toAddresses = new SendBatch(options.descriptors.udp, SOCKADDR_IN_BYTES + DATAGRAM_BYTES_MAX);
    const frameBytes = SOCKADDR_LL_BYTES + IPV4_HEADER_BYTES + UDP_HEADER_BYTES + DATAGRAM_BYTES_MAX;
    this.#toLinks = new SendBatch(options.descriptors.packet, frameBytes);
  }

  get counters(): DatagramCounters {
    return { ...this.#counts };
  }

  onDatagrams(handler: (batch: readonly Datagram[]) => void): void {
    this.#handler = handler;
    if (this.#isClosed) return;
    this.#watch ??= this.#native.watch(this.#descriptors.udp, READABLE, (events) => this.#onReadable(events));
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#troubleHandler = handler;
  }

  send(payload: Uint8Array, target: UdpEndpoint): void {
    if (!this.#accepts(payload)) return;
    this.#add(this.#toAddresses, payload, encodeSockaddrIn(target.address, target.port));
  }

  sendToLink(payload: Uint8Array, target: LinkEndpoint): void {
    if (!this.#accepts(payload)) return;
    const packet = encodeUdp4Packet({ source: { address: this.#address, port: this.port }, target, payload });
    this.#add(this.#toLinks, packet, encodeSockaddrLl(this.#interfaceIndex, ETH_P_IP, target.link));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    if (this.#watch) this.#native.unwatch(this.#watch);
    this.#native.close(this.#descriptors.udp);
    this.#native.close(this.#descriptors.packet);
  }

  #accepts(payload: Uint8Array): boolean {
    if (!this.#isClosed && payload.length <= DATAGRAM_BYTES_MAX) return true;
    this.#counts.unsentCount++;
    if (!this.#isClosed) {
      const seen = `payload of ${payload.length} bytes, over ${DATAGRAM_BYTES_MAX}`;
      this.#troubleHandler?.(new LimitExceededError(`Cannot send on ${this.interfaceName}: ${seen}`));
    }
    return false;
  }

  #add(batch: SendBatch, payload: Uint8Array, address: Uint8Array): void {
    if (batch.isFull) this.#flush();
    batch.add(payload, address);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushPlanned = false;
    if (this.#isClosed) return;
    for (const batch of [this.#toAddresses, this.#toLinks]) {
      const { sentCount, unsentCount, errno } = batch.flush();
      this.#counts.sentCount += sentCount;
      this.#counts.unsentCount += unsentCount;
      if (errno < 0) this.#report("send", errno);
    }
  }

  #onReadable(events: number): void {
    const { udp } = this.#descriptors;
    const count =
      events < 0
        ? events
        : this.#native.receiveBatch(udp, this.#slab, this.#table, DATAGRAM_BYTES_MAX, SOCKADDR_IN_BYTES, 0);
    if (count < 0) {
      this.#report("receive", count);
      return;
    }
    const batch = this.#decodeBatch(count);
    this.#counts.receivedCount += batch.length;
    if (batch.length > 0) this.#handler?.(batch);
  }

  #decodeBatch(count: number): Datagram[] {
    const batch: Datagram[] = [];
    for (let index = 0; index < count; index++) {
      const row = index * RECEIVE_WORDS;
      if (((this.#table[row + 3] ?? 0) & MSG_TRUNC) !== 0) {
        this.#counts.oversizeCount++;
        continue;
      }
      const start = index * this.#slotBytes;
      const payload = this.#slab.slice(start, start + (this.#table[row] ?? 0));
      batch.push({ payload, source: decodeSockaddrIn(this.#slab, start + DATAGRAM_BYTES_MAX) });
    }
    return batch;
  }

  #report(what: string, errno: number): void {
    this.#troubleHandler?.(
      new SystemCallError(`${what} on ${this.interfaceName}`, getSystemErrorName(errno)),
    );
  }
}
