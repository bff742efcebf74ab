/**
 * Passive capture of what passes an interface: copies of packets, whole blocks at a time. Packets that nobody reads in
 * time are dropped and counted; nothing on the wire waits. `linux/` answers with a TPACKET_V3 ring of a packet
 * socket, `sim/` with packets that a test pushes.
 * @module
 */
import { ConfigurationError, LimitExceededError, type MetanetError, UnavailableError } from "#base/errors.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { CapturedBatch } from "./captured-packet.ts";

/** One instruction of classic BPF (`struct sock_filter`); `flow/filter` makes programs of them. */
export interface CaptureInstruction {
  /** 0 to 65535. */
  readonly code: number;
  /** Instructions to skip when the comparison holds, 0 to 255. */
  readonly jumpTrue: number;
  /** The same when it does not. */
  readonly jumpFalse: number;
  /** 0 to 2^32 - 1. */
  readonly constant: number;
}

/**
 * A program that answers how many bytes of a packet to keep, 0 for none of it. The kernel runs it on the packet
 * without the VLAN tag that its card took off, and on a cooked capture from the network layer on.
 */
export type CaptureFilter = readonly CaptureInstruction[];

/**
 * The name for all interfaces at once. Link-layer headers are replaced by that of LINUX_SLL2 then; of two VLAN tags the
 * kernel tells the outer one and what the frame carries, so that what lies behind the inner one cannot be read.
 */
export const ANY_INTERFACE = "any";

/** How a capture is opened. */
export interface PacketCaptureOptions {
  /** The interface's name, or {@link ANY_INTERFACE}. */
  readonly interface: string;
  /** How much of each packet is kept, in bytes: 1 to {@link SNAP_LENGTH_BYTES_MAX}, which is also the default. */
  readonly snapLengthBytes?: number;
  /**
   * Memory for packets that nobody has read yet: {@link RING_BYTES_MIN} to {@link RING_BYTES_MAX},
   * {@link RING_BYTES_DEFAULT} at first; rounded down to whole blocks. What does not fit is dropped and counted.
   */
  readonly ringBytes?: number;
  /**
   * How long packets may wait for their block to fill, 1 to 1000 ms in whole milliseconds; 20 ms at first. It is
   * latency, not loss.
   */
  readonly blockTimeout?: Duration;
  /** Whether the interface takes what is meant for others; false at first, and without effect on "any". */
  readonly promiscuous?: boolean;
  /** What to keep; everything at first. A function is asked with the link type that the program will see. */
  readonly filter?: CaptureFilter | ((linkType: number) => CaptureFilter);
  /**
   * Several captures of one interface, in any threads, with the same group (0 to 65535) share its packets: all of one
   * flow, in both directions, go to one of them. Fragments are told apart by their addresses alone. Who comes or
   * goes moves flows.
   */
  readonly fanout?: { readonly group: number; readonly mode: "hash" };
  /** What to see: "both" at first. On the loopback every packet is seen once, as incoming, also with "both". */
  readonly direction?: "both" | "incoming" | "outgoing";
  /**
   * Where the VLAN tag goes that the card took off: back into the "frame" at first, so that it is as on the wire; or only
   * into the "record", with a frame as this machine's IP stack sees it.
   */
  readonly vlanTags?: "frame" | "record";
}

/** Room for a packet of 64 KiB with its headers in front: what segmentation offload gives at most by default. */
export const SNAP_LENGTH_BYTES_MAX = 262_144;
export const RING_BYTES_MIN: number = 512 * 1024;
export const RING_BYTES_MAX: number = 512 * 1024 * 1024;
export const RING_BYTES_DEFAULT: number = 16 * 1024 * 1024;
export const BLOCK_TIMEOUT_DEFAULT: Duration = milliseconds(20);
/** What the kernel's program may have (BPF_MAXINSNS), less what is put in front of it. */
export const CAPTURE_INSTRUCTION_COUNT_MAX = 4080;

/** What happened at a capture since it was opened; counts only grow. */
export interface PacketCaptureStatistics {
  /** Packets that were handed over. */
  readonly receivedCount: number;
  /** Packets that passed the filter and found no room in the ring. */
  readonly droppedCount: number;
  /** How often the ring was full. */
  readonly freezeCount: number;
}

export interface PacketCapture {
  /** Of its packets: the LINKTYPE_ value of the interface, LINUX_SLL2 (276) for {@link ANY_INTERFACE}. */
  readonly linkType: number;
  /** The link type that filters see: as {@link linkType}, but raw IP (101) where that is LINUX_SLL2. */
  readonly filterLinkType: number;

  /**
   * Hands every batch to `onBatch` from now on; the last one given is the only one. What it throws is thrown again
   * after the batch's memory was given back.
   */
  start(onBatch: (batch: CapturedBatch) => void): void;
  /** Leaves packets in the ring, and those that find no room there uncaught, until {@link resume}. */
  pause(): void;
  resume(): void;

  statistics(): PacketCaptureStatistics;
  /** Reports that the interface went down or away; without a handler nobody hears of it. */
  onTrouble(handler: (error: MetanetError) => void): void;

  /** Ends the capture; a batch that is being read ends too. Harmless twice, and inside the consumer. */
  close(): void;
}

/** There is no interface of this name here. */
export class NoSuchInterfaceError extends ConfigurationError {
  override readonly code: string = "no-such-interface";
}

/** The kernel keeps packets from users without a capability. */
export class CaptureForbiddenError extends ConfigurationError {
  override readonly code: string = "capture-forbidden";
}

/** The kernel lacks packet sockets or their rings; `metanet doctor` says which. */
export class CaptureUnsupportedError extends UnavailableError {
  override readonly code: string = "capture-unsupported";
}

/** The fan-out group exists with other members: on another interface, or of another kind. */
export class FanoutMismatchError extends ConfigurationError {
  override readonly code: string = "fanout-mismatch";
}

/** What implementations refuse in the same words. @throws ConfigurationError, LimitExceededError */
export function checkPacketCaptureOptions(options: PacketCaptureOptions): void {
  const what = `Cannot capture on ${options.interface}`;
  const { snapLengthBytes = SNAP_LENGTH_BYTES_MAX, ringBytes = RING_BYTES_DEFAULT } = options;
  const { blockTimeout = BLOCK_TIMEOUT_DEFAULT, fanout, direction = "both" } = options;
  if (options.interface === "") throw new ConfigurationError("Cannot capture: no interface is named");
  if (!isIn(snapLengthBytes, 1, SNAP_LENGTH_BYTES_MAX)) {
    const limits = `not an integer from 1 to ${SNAP_LENGTH_BYTES_MAX}`;
    throw new LimitExceededError(`${what}: a snap length of ${snapLengthBytes} bytes, ${limits}`);
  }
  if (!isIn(ringBytes, RING_BYTES_MIN, RING_BYTES_MAX)) {
    const limits = `not an integer from ${RING_BYTES_MIN} to ${RING_BYTES_MAX}`;
    throw new LimitExceededError(`${what}: a ring of ${ringBytes} bytes, ${limits}`);
  }
  if (!isIn(blockTimeout, 1, 1000)) {
    throw new LimitExceededError(
      `${what}: a block timeout of ${blockTimeout} ms, not an integer from 1 to 1000`,
    );
  }
  if (fanout && !isIn(fanout.group, 0, 65_535)) {
    throw new ConfigurationError(`${what}: fan-out group ${fanout.group}, not an integer from 0 to 65535`);
  }
  if (!["both", "incoming", "outgoing"].includes(direction)) {
    throw new ConfigurationError(`${what}: direction "${direction}", not "both", "incoming" or "outgoing"`);
  }
}

/** The program for packets of a link type. @throws LimitExceededError when it is empty or too long */
export function captureProgram(options: PacketCaptureOptions, linkType: number): CaptureFilter | undefined {
  const { filter } = options;
  const program = typeof filter === "function" ? filter(linkType) : filter;
  if (program && !isIn(program.length, 1, CAPTURE_INSTRUCTION_COUNT_MAX)) {
    const limits = `not 1 to ${CAPTURE_INSTRUCTION_COUNT_MAX}`;
    throw new LimitExceededError(
      `Cannot capture on ${options.interface}: a filter of ${program.length} instructions, ${limits}`,
    );
  }
  return program;
}

function isIn(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
