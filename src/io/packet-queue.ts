/**
 * Packets that wait in the kernel for somebody's verdict. They come in batches of columns over one slab of
 * memory, with no object for a packet; the verdicts go back through columns of the same batch. `linux/`
 * answers with netfilter's queue (nfnetlink_queue), `sim/` with packets that a test pushes.
 * @module
 */
import { ConfigurationError, LimitExceededError, type MetanetError, UnavailableError } from "#base/errors.ts";

/** The verdicts of netfilter, as numbers of the verdict column. */
export const PacketVerdict = {
  drop: 0,
  /** Goes on with the next chain of the hook. */
  accept: 1,
  /** Goes through the chain that queued it once more. */
  repeat: 4,
  /** Not now: {@link PacketQueue.decide} tells later. */
  hold: 0xffff_ffff,
} as const;

/** The verdict that hands a packet to another queue, 0 to 65535. */
export function queueVerdict(queueNumber: number): number {
  return ((queueNumber << 16) | 3) >>> 0;
}

/** Bits of the column {@link PacketBatch.changes}: what else of the packet the verdict changes. */
export const PacketChange = {
  /** Sets the packet's mark to `newMark`. */
  mark: 1,
  /** Sets the connection's mark to `newConntrackMark`. */
  conntrackMark: 2,
  /** Writes the link-layer header back, at its old length: bridge family only. */
  linkHeader: 4,
} as const;

/** Bits of the column {@link PacketBatch.packetFlags}. */
export const PacketFlag = {
  /** The transport checksum is not complete; the kernel or the hardware would complete it later. */
  checksumNotReady: 1,
  /** Several segments in one, larger than the link allows. */
  segmented: 2,
  /** Nobody has looked at the checksum yet. */
  checksumNotVerified: 4,
} as const;

/**
 * Values of the column {@link PacketBatch.hook}: netfilter's own numbers, the same for IP and for a bridge.
 */
export const PacketHook = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Values of the column {@link PacketBatch.family}: netfilter's own numbers. */
export const PacketFamily = { ipv4: 2, ipv6: 10, bridge: 7 } as const;

/** Bytes in front of every packet that belong to its slot: what a packet may grow by at its front. */
export const PACKET_HEADROOM_BYTES = 128;

/**
 * Packets 0 to `count - 1` of columns; the objects are the same for every batch of a queue, and hold good
 * until the consumer returns. Offsets are into `bytes`, in bytes. Columns up to `conntrackState` are for
 * reading, those below it for writing.
 */
export interface PacketBatch {
  readonly bytes: Uint8Array;
  /** The same memory as `bytes`, from its first byte on. */
  readonly view: DataView;
  readonly count: number;

  /** Ascending by one for each packet of a queue, modulo 2^32. */
  readonly id: Uint32Array;
  /** Where the packet starts: at its IP header, also in the bridge family. */
  readonly offset: Int32Array;
  /** What of it is here: at most the copy range. */
  readonly lengthBytes: Int32Array;
  /** Its length on the wire; more than `lengthBytes` when the copy range cut it off. */
  readonly fullLengthBytes: Int32Array;
  /**
   * The end of the packet's room: a longer packet may reach from `offset - PACKET_HEADROOM_BYTES` to here.
   */
  readonly limit: Int32Array;
  /** One of {@link PacketFamily}. */
  readonly family: Uint8Array;
  /** One of {@link PacketHook}. */
  readonly hook: Uint8Array;
  readonly etherType: Uint16Array;
  readonly mark: Uint32Array;
  /**
   * Interface indices, 0 when there is none: the bridge itself when the packet came over one of its ports.
   */
  readonly inInterface: Int32Array;
  readonly outInterface: Int32Array;
  /** The bridge's port, 0 when there is none. */
  readonly physicalInInterface: Int32Array;
  readonly physicalOutInterface: Int32Array;
  /** Bits of {@link PacketFlag}. */
  readonly packetFlags: Uint8Array;
  /** The link-layer header as it came in, bridge family only; its length is 0 when there is none. */
  readonly linkHeaderOffset: Int32Array;
  readonly linkHeaderLengthBytes: Int32Array;
  /** The sender's hardware address; -1 when there is none, as for what this machine itself sends. */
  readonly sourceLinkOffset: Int32Array;
  /** The tag the hardware took off (IEEE 802.1Q TCI), -1 when there is none; bridge family only. */
  readonly vlanTag: Int32Array;
  /** When it arrived, in microseconds since 1970, 0 when nobody stamped it. */
  readonly arrivedMicroseconds: Float64Array;
  /** The connection's attributes, for `wire/conntrack.ts`; the length is 0 when there are none. */
  readonly conntrackOffset: Int32Array;
  readonly conntrackLengthBytes: Int32Array;
  /**
   * `enum ip_conntrack_info` of the kernel, -1 when unknown; {@link PacketQueueOptions.conntrack} brings it.
   */
  readonly conntrackState: Int8Array;

  /**
   * One of {@link PacketVerdict} or {@link queueVerdict}. What the consumer leaves alone is accepted by a
   * queue that fails open and dropped by another.
   */
  readonly verdict: Uint32Array;
  /**
   * The packet's new length when its bytes were changed, else 0 as it was; the whole packet has to be here
   * then.
   */
  readonly newLengthBytes: Int32Array;
  /** Where the changed packet starts; `offset` at first. */
  readonly newOffset: Int32Array;
  /** Bits of {@link PacketChange}, 0 at first. */
  readonly changes: Uint8Array;
  readonly newMark: Uint32Array;
  readonly newConntrackMark: Uint32Array;
}

/** What is told about a packet that was held. */
export interface HeldDecision {
  /** Any but {@link PacketVerdict.hold}. */
  readonly verdict: number;
  readonly mark?: number;
  readonly conntrackMark?: number;
  /** The whole packet, when it was changed. */
  readonly bytes?: Uint8Array;
}

/** How a queue is opened. */
export interface PacketQueueOptions {
  /** 0 to 65535; one reader in a network namespace. */
  readonly queueNumber: number;
  /**
   * How much of each packet is copied, in bytes: all that can be had at first, which a consumer that changes
   * packets needs.
   */
  readonly copyRangeBytes?: number;
  /**
   * How many packets wait at most, held ones included; 4096 at first. One more is lost, or goes on unseen.
   */
  readonly queueLengthMax?: number;
  /** Whether packets that find the queue full go on unseen instead of being dropped; false at first. */
  readonly failOpen?: boolean;
  /**
   * Whether segments that belong together come as one packet of up to 64 KiB; false at first. Never together
   * with changes of bytes: their checksums are not complete, and would stay so.
   */
  readonly segmented?: boolean;
  /** Whether the connection's attributes come along; false at first. */
  readonly conntrack?: boolean;
}

/** The most of a packet that can be had, in bytes: one netlink attribute (65,535 with its header of four). */
export const COPY_RANGE_BYTES_MAX = 65_531;
export const QUEUE_LENGTH_DEFAULT = 4096;
/** Packets of one batch at most. */
export const PACKET_BATCH_COUNT_MAX = 64;

/**
 * What happened at a queue since it was opened; counts only grow, `waitingCount` and `heldCount` stand for
 * now.
 */
export interface PacketQueueStatistics {
  /** In the kernel without a verdict, held ones included. */
  readonly waitingCount: number;
  readonly heldCount: number;
  readonly receivedCount: number;
  /** Lost because {@link PacketQueueOptions.queueLengthMax} packets were waiting. */
  readonly queueDroppedCount: number;
  /** Lost because the reader's buffer was full. */
  readonly userDroppedCount: number;
  /** Messages from the kernel that could not be read. */
  readonly malformedCount: number;
  /** Verdicts that the kernel refused: the packet was not there, or the change could not be made. */
  readonly refusedCount: number;
  /** Packets that were to be held when as many were held as may be, and changes without room for them. */
  readonly excessCount: number;
}

export interface PacketQueue {
  readonly queueNumber: number;

  /**
   * Hands every batch to `onBatch` from now on; the last one given is the only one. What it throws is thrown
   * again after the batch's verdicts were given, with what the columns say.
   */
  start(onBatch: (batch: PacketBatch) => void): void;
  /** Leaves packets waiting in the kernel until {@link resume}. */
  pause(): void;
  resume(): void;

  /**
   * The verdict for a packet that was held; `false` when it was not. Verdicts of one turn leave together.
   * @throws RangeError when the verdict is none, or the bytes are longer than {@link COPY_RANGE_BYTES_MAX}.
   */
  decide(id: number, decision: HeldDecision): boolean;
  /** Gives the decisions made so far to the kernel at once, and not at the end of the turn. */
  flush(): void;

  statistics(): PacketQueueStatistics;
  /** Reports what the kernel refused; without a handler it is only counted. */
  onTrouble(handler: (error: MetanetError) => void): void;

  /** Lets go of the queue; what waits or is held gets `verdict`, drop at first. Harmless twice. */
  close(verdict?: number): void;
}

/** Another process reads this queue in this network namespace. */
export class QueueTakenError extends ConfigurationError {
  override readonly code: string = "queue-taken";
}

/** The kernel lacks the packet queue, or the part of it that was asked for; `metanet doctor` says which. */
export class QueueUnsupportedError extends UnavailableError {
  override readonly code: string = "queue-unsupported";
}

/** What implementations refuse in the same words. @throws ConfigurationError, LimitExceededError */
export function checkPacketQueueOptions(options: PacketQueueOptions): void {
  const {
    queueNumber,
    copyRangeBytes = COPY_RANGE_BYTES_MAX,
    queueLengthMax = QUEUE_LENGTH_DEFAULT,
  } = options;
  if (!isIn(queueNumber, 0, 65_535)) {
    throw new ConfigurationError(`Cannot open packet queue ${queueNumber}: not an integer from 0 to 65535`);
  }
  if (!isIn(copyRangeBytes, 1, COPY_RANGE_BYTES_MAX)) {
    const limits = `not an integer from 1 to ${COPY_RANGE_BYTES_MAX}`;
    throw new LimitExceededError(
      `Cannot open packet queue ${queueNumber}: a copy range of ${copyRangeBytes} bytes, ${limits}`,
    );
  }
  if (!isIn(queueLengthMax, 1, 0x7fff_ffff)) {
    throw new LimitExceededError(
      `Cannot open packet queue ${queueNumber}: a length of ${queueLengthMax} packets, not 1 to 2147483647`,
    );
  }
}

/** @throws RangeError when this is nothing to tell about a held packet. */
export function checkHeldDecision({ verdict, bytes }: HeldDecision): void {
  const low = verdict & 0xffff;
  const isVerdict = verdict === PacketVerdict.drop || verdict === PacketVerdict.accept || low === 3;
  if (verdict === PacketVerdict.hold || !(isVerdict || verdict === PacketVerdict.repeat)) {
    throw new RangeError(`Cannot decide about a packet: ${verdict} is not a verdict`);
  }
  if (bytes !== undefined && (bytes.length === 0 || bytes.length > COPY_RANGE_BYTES_MAX)) {
    throw new RangeError(
      `Cannot decide about a packet: ${bytes.length} bytes, not 1 to ${COPY_RANGE_BYTES_MAX}`,
    );
  }
}

function isIn(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
