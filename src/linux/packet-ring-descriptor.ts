/**
 * The packet socket of a capture, ready to be mapped: its ring, its filter, its interface, its fan-out group
 * (packet(7), the kernel's Documentation/networking/packet_mmap.rst). It hears of no packet before the filter is in
 * place.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import {
  ANY_INTERFACE,
  BLOCK_TIMEOUT_DEFAULT,
  type CaptureFilter,
  CaptureForbiddenError,
  CaptureUnsupportedError,
  captureProgram,
  FanoutMismatchError,
  NoSuchInterfaceError,
  type PacketCaptureOptions,
  RING_BYTES_DEFAULT,
} from "#io/packet-capture.ts";
import { LinkType } from "#packet/link-type.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";
import { isErrnoError, native } from "./native.ts";
import { encodeFilter, FILTER_NOTHING, ringFilter } from "./packet-ring-filter.ts";
import { encodeInt, encodeSockaddrLl } from "./socket-address.ts";
import {
  AF_PACKET,
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  ARPHRD_NONE,
  ARPHRD_RAWIP,
  ARPHRD_SIT,
  ARPHRD_TUNNEL,
  ARPHRD_TUNNEL6,
  ETH_P_ALL,
  PACKET_ADD_MEMBERSHIP,
  PACKET_FANOUT,
  PACKET_FANOUT_HASH,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_PROMISC,
  PACKET_RX_RING,
  PACKET_VERSION,
  SO_DETACH_FILTER,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_PACKET,
  SOL_SOCKET,
  TPACKET_V3,
} from "./socket-constants.ts";
import { SystemCallError } from "./system-error.ts";

/** One block of a ring: room for a few thousand small packets, or for the largest one there is. */
export const RING_BLOCK_BYTES: number = 256 * 1024;

/** The kernel divides a block by it, and no more. */
const FRAME_BYTES = 2048;
const INTERFACE_NAME_BYTES_MAX = 15;
const HARDWARE_TYPE_AT = 8;
const RAW_TYPES: readonly number[] = [ARPHRD_NONE, ARPHRD_RAWIP, ARPHRD_TUNNEL, ARPHRD_TUNNEL6, ARPHRD_SIT];

/** An open packet socket with a ring; the caller owns the descriptor. */
export interface RingDescriptor {
  readonly fd: number;
  readonly linkType: number;
  readonly filterLinkType: number;
  readonly blockCount: number;
}

/** The interface, as far as it matters how it is captured from. */
interface Place {
  /** 0 for all. */
  readonly index: number;
  readonly linkType: number;
  readonly isLoopback: boolean;
}

/** `struct tpacket_req3` for blocks of {@link RING_BLOCK_BYTES}. */
export function ringRequest(ringBytes: number, blockTimeoutMilliseconds: number): Uint8Array {
  const blockCount = Math.floor(ringBytes / RING_BLOCK_BYTES);
  const frameCount = (RING_BLOCK_BYTES / FRAME_BYTES) * blockCount;
  const words = [RING_BLOCK_BYTES, blockCount, FRAME_BYTES, frameCount, blockTimeoutMilliseconds, 0, 0];
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/**
 * Opens the socket in the thread's network namespace; needs root (CAP_NET_RAW).
 * @throws NoSuchInterfaceError, CaptureForbiddenError, CaptureUnsupportedError, FanoutMismatchError, SystemCallError,
 *   and what `captureProgram` throws
 */
export function openRingDescriptor(options: PacketCaptureOptions): RingDescriptor {
  const name = options.interface;
  const doing = `capture on ${name}`;
  const place = attempt(doing, () => findPlace(name));
  const isCooked = place.linkType === LinkType.linuxCooked2;
  const filterLinkType = isCooked ? LinkType.raw : place.linkType;
  const loopback = (options.direction ?? "both") === "both" ? echoingIndex(options, place) : undefined;
  const filter = ringFilter(options, captureProgram(options, filterLinkType), loopback);
  const { ringBytes = RING_BYTES_DEFAULT } = options;
  const fd = attempt(doing, () =>
    native().socket(AF_PACKET, (isCooked ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK, 0),
  );
  try {
    attempt(doing, () => prepare(fd, options, place));
    attachFilter(fd, name, options.fanout ? FILTER_NOTHING : filter);
    attempt(doing, () => native().bind(fd, encodeSockaddrLl(place.index, ETH_P_ALL)));
    if (options.fanout) joinGroup(fd, name, options.fanout.group, filter);
    const blockCount = Math.floor(ringBytes / RING_BLOCK_BYTES);
    return { fd, linkType: place.linkType, filterLinkType, blockCount };
  } catch (error) {
    native().close(fd);
    throw error;
  }
}

/** Bound without a protocol a socket hears nothing, but tells of its interface. */
function findPlace(name: string): Place {
  if (name === ANY_INTERFACE) return { index: 0, linkType: LinkType.linuxCooked2, isLoopback: false };
  if (Buffer.byteLength(name) > INTERFACE_NAME_BYTES_MAX) throw noInterface(name);
  const fd = native().socket(AF_PACKET, SOCK_RAW, 0);
  try {
    const index = native().interfaceIndex(name);
    native().bind(fd, encodeSockaddrLl(index, 0));
    const address = native().getsockname(fd);
    const type = new DataView(address.buffer).getUint16(HARDWARE_TYPE_AT, LITTLE_ENDIAN);
    return { index, linkType: linkTypeOf(type), isLoopback: type === ARPHRD_LOOPBACK };
  } catch (error) {
    if (isErrnoError(error) && (error.code === "ENODEV" || error.code === "ENXIO")) throw noInterface(name);
    throw error;
  } finally {
    native().close(fd);
  }
}

/** Of what is no Ethernet and has more than IP packets, the kernel takes the link header off for us. */
function linkTypeOf(hardwareType: number): number {
  if (hardwareType === ARPHRD_ETHER || hardwareType === ARPHRD_LOOPBACK) return LinkType.ethernet;
  return RAW_TYPES.includes(hardwareType) ? LinkType.raw : LinkType.linuxCooked2;
}

/** The loopback, where the socket itself cannot be told to see its packets once. */
function echoingIndex({ interface: name, fanout }: PacketCaptureOptions, place: Place): number | undefined {
  if (name === ANY_INTERFACE) return loopbackIndex();
  return fanout && place.isLoopback ? place.index : undefined;
}

function loopbackIndex(): number | undefined {
  try {
    return native().interfaceIndex("lo");
  } catch {
    return undefined;
  }
}

function prepare(fd: number, options: PacketCaptureOptions, { index, isLoopback }: Place): void {
  const { direction = "both", promiscuous = false, blockTimeout = BLOCK_TIMEOUT_DEFAULT } = options;
  const { setsockopt } = native();
  setsockopt(fd, SOL_PACKET, PACKET_VERSION, encodeInt(TPACKET_V3));
  if (direction === "incoming" || (direction === "both" && isLoopback)) {
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, encodeInt(1));
  }
  if (promiscuous && index !== 0) {
    // struct packet_mreq: index, type, and an address that this type has none of.
    const request = new Uint8Array(16);
    request.set(encodeInt(index));
    new DataView(request.buffer).setUint16(4, PACKET_MR_PROMISC, LITTLE_ENDIAN);
    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
  }
  setsockopt(
    fd,
    SOL_PACKET,
    PACKET_RX_RING,
    ringRequest(options.ringBytes ?? RING_BYTES_DEFAULT, blockTimeout),
  );
}

/** @throws ConfigurationError when the kernel finds fault with the program */
function attachFilter(fd: number, name: string, filter: CaptureFilter | undefined): void {
  if (!filter) return;
  try {
    native().attachFilter(fd, encodeFilter(filter));
  } catch (error) {
    if (!isErrnoError(error) || error.code !== "EINVAL") throw asProjectError(`capture on ${name}`, error);
    const seen = `the kernel refuses the filter's ${filter.length} instructions`;
    throw new ConfigurationError(`Cannot capture on ${name}: ${seen}; does each path end in a return?`);
  }
}

/**
 * A bound socket hears everything until it is in its group, so nothing passes meanwhile: what a member that came
 * earlier sees must not be seen twice.
 */
function joinGroup(fd: number, name: string, group: number, filter: CaptureFilter | undefined): void {
  try {
    native().setsockopt(fd, SOL_PACKET, PACKET_FANOUT, encodeInt(group | (PACKET_FANOUT_HASH << 16)));
  } catch (error) {
    if (!isErrnoError(error) || error.code !== "EINVAL") throw asProjectError(`capture on ${name}`, error);
    const seen = `fan-out group ${group} is there, but on another interface or of another kind`;
    throw new FanoutMismatchError(`Cannot capture on ${name}: ${seen}; choose another number`);
  }
  if (filter) attachFilter(fd, name, filter);
  else native().setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, encodeInt(0));
}

function noInterface(name: string): NoSuchInterfaceError {
  return new NoSuchInterfaceError(
    `Cannot capture on ${name}: there is no such interface here; see \`ip link\``,
  );
}

function attempt<R>(doing: string, action: () => R): R {
  try {
    return action();
  } catch (error) {
    throw asProjectError(doing, error);
  }
}

function asProjectError(doing: string, error: unknown): unknown {
  if (!isErrnoError(error)) return error;
  switch (error.code) {
    case "EPERM":
    case "EACCES": {
      const fix = "run it as root, or give it the capability CAP_NET_RAW";
      return new CaptureForbiddenError(`Cannot ${doing}: the kernel does not permit it; ${fix}`, {
        cause: error,
      });
    }
    case "EAFNOSUPPORT":
    case "ENOPROTOOPT": {
      const fix = "it needs CONFIG_PACKET, see `metanet doctor`";
      return new CaptureUnsupportedError(
        `Cannot ${doing}: this kernel has no ${error.code === "EAFNOSUPPORT" ? "packet sockets" : "ring of version 3"}; ${fix}`,
        { cause: error },
      );
    }
    default:
      return new SystemCallError(doing, error.code, error);
  }
}
