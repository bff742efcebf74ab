/**
 * The netlink descriptor of a packet queue: opening it, giving verdicts for everything that waits on it, and
 * what the kernel counts. A queue belongs to its descriptor and not to a thread, so that one thread may open
 * it, another read it, and the first still answer for what the other left behind.
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import {
  COPY_RANGE_BYTES_MAX,
  checkPacketQueueOptions,
  type PacketQueueOptions,
  PacketVerdict,
  QUEUE_LENGTH_DEFAULT,
  QueueTakenError,
  QueueUnsupportedError,
} from "#io/packet-queue.ts";
import { decodeNetlinkMessages, decodeNetlinkReply, LITTLE_ENDIAN, NetlinkType } from "#wire/netlink.ts";
import { encodePlainVerdict, encodeQueueOpen, PLAIN_VERDICT_BYTES, QueueFlag } from "#wire/nfqueue.ts";
import { NETLINK_NETFILTER } from "#wire/nftables.ts";
import { native } from "./native.ts";
import { encodeInt } from "./socket-address.ts";
import {
  AF_NETLINK,
  NETLINK_CAP_ACK,
  NETLINK_NO_ENOBUFS,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "./socket-constants.ts";
import { SystemCallError, translateErrors } from "./system-error.ts";

/** struct sockaddr_nl; all zero behind the family means the kernel. */
const ADDRESS_BYTES = 12;
const MSG_PEEK = 2;
const EPERM = 1;
const EBUSY = 16;
const EOPNOTSUPP = 95;
/** What waits for the reader at most, as the kernel counts; it is taken when it is needed. */
const RECEIVE_BUFFER_BYTES_MAX = 64 << 20;
const RECEIVE_BUFFER_BYTES_MIN = 4 << 20;
/** Room for one message with the longest packet, twice over as the kernel counts. */
const SEND_BUFFER_BYTES = 4 << 20;
/** The kernel's bookkeeping of one message. */
const MESSAGE_COST_BYTES = 1024;

/**
 * Opens a queue; needs root (CAP_NET_ADMIN). The caller owns the descriptor.
 * @throws QueueTakenError, QueueUnsupportedError, SystemCallError, and what `checkPacketQueueOptions` throws
 */
export function openQueueDescriptor(options: PacketQueueOptions): number {
  checkPacketQueueOptions(options);
  const { queueNumber, copyRangeBytes = COPY_RANGE_BYTES_MAX } = options;
  const { queueLengthMax = QUEUE_LENGTH_DEFAULT } = options;
  const { socket, setsockopt, bind, send, close } = native();
  const what = `open packet queue ${queueNumber}`;
  const fd = translateErrors(what, () => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_NETFILTER));
  try {
    translateErrors(what, () => {
      setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, encodeInt(1));
      // A full buffer loses packets, which the kernel counts; it shall not also interrupt the reader.
      setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, encodeInt(1));
      const wanted = queueLengthMax * (copyRangeBytes + MESSAGE_COST_BYTES);
      const received = Math.min(Math.max(wanted, RECEIVE_BUFFER_BYTES_MIN), RECEIVE_BUFFER_BYTES_MAX);
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, encodeInt(received));
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, encodeInt(SEND_BUFFER_BYTES));
      bind(fd, kernelAddress());
      const settings = { queueNumber, copyRangeBytes, queueLengthMax, flags: flagsOf(options) };
      send(fd, encodeQueueOpen(settings), 0, kernelAddress());
    });
    const errno = readRefusal(fd);
    if (errno !== 0) throw refusal(options, errno);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/**
 * One verdict for everything that waits on a queue, held or not yet read; `upToId` leaves what came later
 * alone. For the owner of a descriptor whose reader has died.
 * @throws SystemCallError
 */
export function releaseAll(
  fd: number,
  queueNumber: number,
  verdict: number = PacketVerdict.drop,
  upToId?: number,
): void {
  // The kernel compares ids on a circle: each of the two reaches half of it back.
  const ids = upToId === undefined ? [0x7fff_ffff, 0xffff_ffff] : [upToId];
  const bytes = new Uint8Array(ids.length * PLAIN_VERDICT_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const id of ids) {
    at = encodePlainVerdict(view, at, { queueNumber, id, verdict, mark: undefined, isBatch: true });
  }
  translateErrors(`give verdicts for packet queue ${queueNumber}`, () =>
    native().send(fd, bytes.subarray(0, at), 0, kernelAddress()),
  );
}

/** What the kernel counts about one queue. */
export interface QueueCounts {
  readonly waitingCount: number;
  readonly queueDroppedCount: number;
  readonly userDroppedCount: number;
}

const NOTHING: QueueCounts = { waitingCount: 0, queueDroppedCount: 0, userDroppedCount: 0 };

/** The kernel's table of queues, of the network namespace in which it was opened. */
export class QueueTable {
  readonly #fd: number | undefined;
  readonly #buffer = new Uint8Array(65_536);
  #isOpen = true;

  constructor() {
    this.#fd = openTable();
  }

  /** All zero where there is no queue of this number, and where the table cannot be read. */
  read(queueNumber: number): QueueCounts {
    if (this.#fd === undefined || !this.#isOpen) return NOTHING;
    // The kernel gives about a page at a time.
    let lengthBytes = 0;
    for (let count = 1; count > 0 && lengthBytes < this.#buffer.length; lengthBytes += count) {
      const rest = this.#buffer.length - lengthBytes;
      count = readSync(this.#fd, this.#buffer, lengthBytes, rest, lengthBytes);
    }
    const text = Buffer.from(this.#buffer.buffer, 0, lengthBytes).toString("latin1");
    for (const line of text.split("\n")) {
      // Number, reader, waiting, mode, range, lost in the queue, lost on the way to the reader, last id.
      const words = line.trim().split(/\s+/).map(Number);
      if (words[0] !== queueNumber || words.length < 8) continue;
      const [, , waitingCount = 0, , , queueDroppedCount = 0, userDroppedCount = 0] = words;
      return { waitingCount, queueDroppedCount, userDroppedCount };
    }
    return NOTHING;
  }

  close(): void {
    if (this.#fd !== undefined && this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

function openTable(): number | undefined {
  try {
    return openSync("/proc/thread-self/net/netfilter/nfnetlink_queue", "r");
  } catch {
    // Without /proc there are no counts, and packets pass all the same.
    return undefined;
  }
}

function flagsOf({ failOpen, segmented, conntrack }: PacketQueueOptions): number {
  return (
    (failOpen ? QueueFlag.failOpen : 0) |
    (segmented ? QueueFlag.segmented : 0) |
    (conntrack ? QueueFlag.conntrack : 0)
  );
}

/** The errno of a refused opening, else 0. A packet may already wait, which stays. */
function readRefusal(fd: number): number {
  const buffer = new Uint8Array(64);
  const lengthBytes = native().receive(fd, buffer, MSG_PEEK);
  const type = lengthBytes < 16 ? 0 : new DataView(buffer.buffer).getUint16(4, LITTLE_ENDIAN);
  if (type !== NetlinkType.error) return 0;
  const [message] = decodeNetlinkMessages(buffer.subarray(0, lengthBytes)) ?? [];
  return (message && decodeNetlinkReply(message.body)?.errno) ?? 0;
}

function refusal({ queueNumber, conntrack }: PacketQueueOptions, errno: number): Error {
  const what = `Cannot open packet queue ${queueNumber}:`;
  if (errno === EBUSY || (errno === EPERM && process.geteuid?.() === 0)) {
    return new QueueTakenError(`${what} another process reads it; stop that one, or take another number`);
  }
  if (errno === EOPNOTSUPP && conntrack) {
    const missing = "this kernel does not give a packet's connection with it";
    return new QueueUnsupportedError(`${what} ${missing}. It needs CONFIG_NETFILTER_NETLINK_GLUE_CT`);
  }
  if (errno === EOPNOTSUPP) return new QueueUnsupportedError(`${what} this kernel is too old (before 3.14)`);
  return new SystemCallError(`open packet queue ${queueNumber}`, getSystemErrorName(-errno));
}

export function kernelAddress(): Uint8Array {
  const address = new Uint8Array(ADDRESS_BYTES);
  new DataView(address.buffer).setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
  return address;
}
