/**
 * {@link PacketSender} on Linux: raw sockets with the header included (raw(7), ipv6(7)) for what is routed, a
 * packet socket (packet(7)) for frames. Parts are gathered by the kernel; up to 64 packets leave with one
 * system call.
 * @module
 */
import { getSystemErrorName } from "node:util";
import type { MetanetError } from "#base/errors.ts";
import {
  PACKET_PART_COUNT_MAX,
  type PacketParts,
  type PacketSender,
  type PacketSenderCounters,
  SEND_COUNT_MAX,
  type SendOptions,
} from "#io/packet-sender.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";
import { native, PART_WORDS } from "./native.ts";
import { encodeInt, SOCKADDR_IN_BYTES, SOCKADDR_LL_BYTES } from "./socket-address.ts";
import {
  AF_INET,
  AF_INET6,
  AF_PACKET,
  EAGAIN,
  ENOBUFS,
  SO_MARK,
  SO_SNDBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from "./socket-constants.ts";
import { SystemCallError, translateErrors } from "./system-error.ts";

/** The socket sends IP packets as they are, and receives none. */
const IPPROTO_RAW = 255;
const SOCKADDR_IN6_BYTES = 28;
/** What one system call takes, each packet's address and control data included. */
const CALL_PART_COUNT_MAX = 1024;
const PARTS_BESIDE = 2;
const SEND_BUFFER_BYTES = 4 << 20;
/** Of IPv4's header the target's place, and of IPv6's. */
const TARGET4 = { start: 16, lengthBytes: 4 } as const;
const TARGET6 = { start: 24, lengthBytes: 16 } as const;

export interface PacketSenderOptions {
  /** The mark of packets sent without one; 0 at first. */
  readonly mark?: number;
}

/** Sends from the network namespace the thread is in when it is made. */
export class LinuxPacketSender implements PacketSender {
  readonly #sockets: { readonly ipv4: number; readonly ipv6: number; readonly link: number };
  readonly #mark: number;
  readonly #counts = { sentCount: 0, unsentCount: 0 };
  readonly #parts: Uint8Array[] = [];
  readonly #table = new Int32Array(SEND_COUNT_MAX * PART_WORDS);
  readonly #addresses: readonly Uint8Array[] = Array.from(
    { length: SEND_COUNT_MAX },
    () => new Uint8Array(SOCKADDR_IN6_BYTES),
  );
  #control: { readonly key: string; readonly bytes: Uint8Array } = { key: "", bytes: new Uint8Array() };
  #rowCount = 0;
  #errno = 0;
  #onTrouble: ((error: MetanetError) => void) | undefined;
  #isClosed = false;

  /** Needs root (CAP_NET_RAW, and CAP_NET_ADMIN for marks). @throws SystemCallError */
  constructor(options: PacketSenderOptions = {}) {
    this.#mark = options.mark ?? 0;
    const open: number[] = [];
    const openOne = (domain: number, protocol: number): number => {
      const fd = native().socket(domain, SOCK_RAW | SOCK_NONBLOCK, protocol);
      open.push(fd);
      native().setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, encodeInt(SEND_BUFFER_BYTES));
      return fd;
    };
    try {
      this.#sockets = translateErrors("open sockets for sending packets", () => ({
        ipv4: openOne(AF_INET, IPPROTO_RAW),
        ipv6: openOne(AF_INET6, IPPROTO_RAW),
        link: openOne(AF_PACKET, 0),
      }));
    } catch (error) {
      for (const fd of open) native().close(fd);
      throw error;
    }
  }

  get counters(): PacketSenderCounters {
    return { ...this.#counts };
  }

  sendRouted(packets: readonly PacketParts[], options: SendOptions = {}): number {
    const before = this.#counts.sentCount;
    let version = 0;
    for (const packet of packets) {
      const own = (packet[0]?.[0] ?? 0) >> 4;
      if (own !== version || this.#isFull(packet)) this.#flush(version);
      version = own;
      const address = this.#addresses[this.#rowCount] ?? new Uint8Array();
      const isFine =
        version === 4 ? writeAddress4(packet, address) : version === 6 && writeAddress6(packet, address);
      if (!isFine || packet.length > PACKET_PART_COUNT_MAX) {
        this.#fail(-EINVAL);
        continue;
      }
      const lengthBytes = version === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
      this.#add(packet, address.subarray(0, lengthBytes), this.#controlFor(version, options));
    }
    this.#flush(version);
    return this.#finish(before);
  }

  sendFrames(
    interfaceIndex: number,
    frames: readonly PacketParts[],
    options: { mark?: number } = {},
  ): number {
    const before = this.#counts.sentCount;
    for (const frame of frames) {
      if (this.#isFull(frame)) this.#flush(0);
      if (frame.length === 0 || frame.length > PACKET_PART_COUNT_MAX) {
        this.#fail(-EINVAL);
        continue;
      }
      const address = (this.#addresses[this.#rowCount] ?? new Uint8Array()).fill(0);
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_PACKET, LITTLE_ENDIAN);
      view.setInt32(4, interfaceIndex, LITTLE_ENDIAN);
      this.#add(frame, address.subarray(0, SOCKADDR_LL_BYTES), this.#controlFor(0, options));
    }
    this.#flush(0);
    return this.#finish(before);
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of Object.values(this.#sockets)) native().close(fd);
  }

  /** Whether one call cannot take another packet. */
  #isFull(packet: PacketParts): boolean {
    if (this.#rowCount === SEND_COUNT_MAX) return true;
    return this.#parts.length + packet.length + PARTS_BESIDE > CALL_PART_COUNT_MAX;
  }

  /** @param control absent when empty */
  #add(packet: PacketParts, address: Uint8Array, control: Uint8Array): void {
    const row = this.#rowCount++ * PART_WORDS;
    this.#table[row] = this.#parts.length;
    this.#table[row + 1] = packet.length;
    for (const part of packet) this.#parts.push(part);
    this.#table[row + 2] = this.#parts.push(address) - 1;
    this.#table[row + 3] = control.length === 0 ? -1 : this.#parts.push(control) - 1;
  }

  /** Sends what was added, to the socket for IP packets of a version, or for frames. */
  #flush(version: number): void {
    const count = this.#rowCount;
    this.#rowCount = 0;
    if (count === 0) return;
    const { ipv4, ipv6, link } = this.#sockets;
    const fd = version === 4 ? ipv4 : version === 6 ? ipv6 : link;
    for (let start = 0; start < count; ) {
      const sent = this.#isClosed
        ? -EBADF
        : native().sendParts(fd, this.#parts, this.#table, start, count - start);
      if (sent > 0) {
        this.#counts.sentCount += sent;
        start += sent;
        continue;
      }
      // Without room the rest has none either.
      const lost = sent === -EAGAIN || sent === -ENOBUFS ? count - start : 1;
      for (let packet = 0; packet < lost; packet++) this.#fail(sent);
      start += lost;
    }
    this.#parts.length = 0;
  }

  #fail(errno: number): void {
    this.#counts.unsentCount++;
    this.#errno = errno;
  }

  #finish(sentBefore: number): number {
    if (this.#errno !== 0) {
      this.#onTrouble?.(new SystemCallError("send a packet", getSystemErrorName(this.#errno)));
      this.#errno = 0;
    }
    return this.#counts.sentCount - sentBefore;
  }

  /** Control data (cmsg(3)) with the mark and the interface; the last one is kept, as they seldom change. */
  #controlFor(version: number, { mark = this.#mark, outInterface = 0 }: SendOptions): Uint8Array {
    const key = `${version} ${mark} ${outInterface}`;
    if (this.#control.key !== key) {
      this.#control = { key, bytes: encodeControl(version, mark, outInterface) };
    }
    return this.#control.bytes;
  }
}

const EBADF = 9;
const EINVAL = 22;
const CMSG_HEADER_BYTES = 16;
const IP_PKTINFO = 8;
const SOL_IPV6 = 41;
const IPV6_PKTINFO = 50;

function encodeControl(version: number, mark: number, outInterface: number): Uint8Array {
  const bytes = new Uint8Array(96);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const message = (level: number, type: number, valueBytes: number): number => {
    const start = at;
    view.setUint32(start, CMSG_HEADER_BYTES + valueBytes, LITTLE_ENDIAN);
    view.setInt32(start + 8, level, LITTLE_ENDIAN);
    view.setInt32(start + 12, type, LITTLE_ENDIAN);
    at += CMSG_HEADER_BYTES + ((valueBytes + 7) & ~7);
    return start + CMSG_HEADER_BYTES;
  };
  if (mark !== 0) view.setUint32(message(SOL_SOCKET, SO_MARK, 4), mark, LITTLE_ENDIAN);
  // struct in_pktinfo: interface, source, target; struct in6_pktinfo: source, interface.
  if (outInterface !== 0 && version === 4) {
    view.setInt32(message(0, IP_PKTINFO, 12), outInterface, LITTLE_ENDIAN);
  }
  if (outInterface !== 0 && version === 6) {
    view.setInt32(message(SOL_IPV6, IPV6_PKTINFO, 20) + 16, outInterface, LITTLE_ENDIAN);
  }
  return bytes.subarray(0, at);
}

/** Writes the target of a packet as `sockaddr_in`; false when the packet is too short for a header. */
function writeAddress4(packet: PacketParts, address: Uint8Array): boolean {
  address.fill(0);
  new DataView(address.buffer).setUint16(0, AF_INET, LITTLE_ENDIAN);
  return copyRange(packet, TARGET4, address, 4);
}

/** The same as `sockaddr_in6`. */
function writeAddress6(packet: PacketParts, address: Uint8Array): boolean {
  address.fill(0);
  new DataView(address.buffer).setUint16(0, AF_INET6, LITTLE_ENDIAN);
  return copyRange(packet, TARGET6, address, 8);
}

/** Copies a range of a packet to `target`, over the borders of its parts; false when it ends before. */
function copyRange(
  packet: PacketParts,
  range: { readonly start: number; readonly lengthBytes: number },
  target: Uint8Array,
  offset: number,
): boolean {
  let skip = range.start;
  let copied = 0;
  for (const part of packet) {
    for (let at = skip; at < part.length && copied < range.lengthBytes; at++) {
      target[offset + copied++] = part[at] ?? 0;
    }
    skip = Math.max(0, skip - part.length);
    if (copied === range.lengthBytes) return true;
  }
  return false;
}
