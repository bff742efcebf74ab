/**
 * An Ethernet segment in memory with several hosts on it: what one sends, the others receive after a delay of the
 * given clock, unless the segment is told to lose or repeat it. Answers {@link BroadcastSocket} for tests.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { ConfigurationError } from "#base/errors.ts";
import { IpAddress, type IpPrefix, ip } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { BroadcastSocket, LinkEndpoint, UdpEndpoint } from "#io/datagram.ts";
import { SimBroadcastSocket } from "./broadcast-socket.ts";

/** Hosts on one segment; one more is refused with ConfigurationError. */
export const HOST_COUNT_MAX = 4096;

export interface SegmentOptions {
  readonly clock: Clock;
  /** From sending to receiving; 0 unless told otherwise. */
  readonly delay?: Duration;
  /** How many copies of a datagram arrive at each receiver: 1 unless told otherwise, 0 loses it. */
  readonly copies?: (payload: Uint8Array) => number;
}

export interface HostOptions {
  /** The interface's name, for messages. */
  readonly name: string;
  readonly link: MacAddress;
}

/** A datagram on its way, as the segment sees it. */
export interface SimFrame {
  readonly from: SimHost;
  readonly sourcePort: number;
  readonly payload: Uint8Array;
  readonly target: UdpEndpoint | LinkEndpoint;
}

export class SimSegment {
  readonly clock: Clock;
  readonly #delay: Duration;
  readonly #copies: (payload: Uint8Array) => number;
  readonly #hosts: SimHost[] = [];

  constructor(options: SegmentOptions) {
    this.clock = options.clock;
    this.#delay = options.delay ?? milliseconds(0);
    this.#copies = options.copies ?? (() => 1);
  }

  /** @throws ConfigurationError at {@link HOST_COUNT_MAX} hosts. */
  attach(options: HostOptions): SimHost {
    if (this.#hosts.length >= HOST_COUNT_MAX) {
      throw new ConfigurationError(`Cannot attach ${options.name}: the segment has ${HOST_COUNT_MAX} hosts`);
    }
    const host = new SimHost(this, options);
    this.#hosts.push(host);
    return host;
  }

  /** Puts a frame on the wire; whoever it is for receives its own copy. */
  transmit(frame: SimFrame): void {
    for (const host of this.#hosts) {
      if (host === frame.from || !host.isMeant(frame.target)) continue;
      for (let copy = this.#copies(frame.payload); copy > 0; copy--) {
        const payload = frame.payload.slice();
        this.clock.after(this.#delay, () => host.receive({ ...frame, payload }));
      }
    }
  }
}

/** A machine with one interface on a segment. */
export class SimHost {
  readonly name: string;
  readonly link: MacAddress;
  readonly #segment: SimSegment;
  readonly #sockets: Map<number, SimBroadcastSocket> = new Map();
  #address: IpAddress | undefined;
  #subnet: IpPrefix | undefined;

  constructor(segment: SimSegment, options: HostOptions) {
    this.#segment = segment;
    this.name = options.name;
    this.link = options.link;
  }

  get address(): IpAddress | undefined {
    return this.#address;
  }

  /**
   * Gives the interface its address, or takes it away. A host without one receives whatever is broadcast or sent
   * to its link, as DHCP clients do through their packet socket.
   */
  setAddress(address: IpAddress | undefined, subnet?: IpPrefix): void {
    this.#address = address;
    this.#subnet = subnet;
  }

  /** @throws ConfigurationError when the port is taken on this host. */
  openBroadcastSocket(port: number): BroadcastSocket {
    if (this.#sockets.has(port)) {
      throw new ConfigurationError(`Cannot open UDP port ${port} on ${this.name}: it is taken`);
    }
    const socket = new SimBroadcastSocket({
      host: this,
      port,
      clock: this.#segment.clock,
      transmit: (payload, target) =>
        this.#segment.transmit({ from: this, sourcePort: port, payload: payload.slice(), target }),
      onClose: () => this.#sockets.delete(port),
    });
    this.#sockets.set(port, socket);
    return socket;
  }

  /** Whether a frame to `target` is for this host: by its link, else by its address, else as a broadcast. */
  isMeant(target: UdpEndpoint | LinkEndpoint): boolean {
    const accepts = this.#address === undefined || this.#address.equals(target.address);
    if ("link" in target)
      return this.link.equals(target.link) && (accepts || this.#isBroadcast(target.address));
    return this.#isBroadcast(target.address) || (this.#address !== undefined && accepts);
  }

  receive(frame: SimFrame): void {
    const address = frame.from.address ?? NO_ADDRESS;
    this.#sockets.get(frame.target.port)?.receive({
      payload: frame.payload,
      source: { address, port: frame.sourcePort },
    });
  }

  #isBroadcast(address: IpAddress): boolean {
    return (
      address.equals(LIMITED_BROADCAST) ||
      (this.#subnet && lastAddress(this.#subnet).equals(address)) === true
    );
  }
}

const LIMITED_BROADCAST: IpAddress = ip("255.255.255.255");
const NO_ADDRESS: IpAddress = ip("0.0.0.0");

function lastAddress(subnet: IpPrefix): IpAddress {
  const hostBits = 32 - subnet.lengthBits;
  return IpAddress.fromUint32(subnet.address.toUint32() + 2 ** hostBits - 1);
}
