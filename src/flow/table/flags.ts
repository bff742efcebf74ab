/**
 * The bits of a flow's record.
 * @module
 */

/** `Word.flags` has the row's generation in its upper half: another flow in the same row has another one. */
export const GENERATION_SHIFT = 16;

/** The generation of a word of flags, 0 to 65535. */
export function generationOf(flags: number): number {
  return flags >>> GENERATION_SHIFT;
}

/** Bits of `Word.flags`, in its lower half. */
export const RowFlag = {
  /** Its start was not seen. */
  partial: 1,
  /** `established` has been told behind the receiver's stack. */
  established: 2,
  /** Both ends are done, or it was reset: what comes is a rest, and a SYN opens a new flow. */
  ended: 4,
  /** It was ended by a reset. */
  reset: 8,
  /** Each direction's bytes are kept in a StreamBuffer. */
  clientBuffer: 16,
  serverBuffer: 32,
  /** A monitor keeps an object for it. */
  pinned: 64,
  /** Only the second packet of a handshake was seen: who sent the first is inferred. */
  answered: 128,
  /** `established` has been told behind the sender's stack. */
  establishedSender: 256,
  /** A limit has ended the following of a direction's bytes. */
  clientStopped: 512,
  serverStopped: 1024,
  /** Bytes of a SYN wait for its answer (Fast Open). */
  clientFastOpen: 2048,
  serverFastOpen: 4096,
  /** Its bytes may be changed: packets are translated. */
  rewritten: 8192,
  /** The packet that began it was dropped: its receiver has not been told of. */
  unstarted: 16_384,
} as const;

/** Bits of an end's flags: the second byte of `DirectionWord.options`. */
export const EndFlag = {
  /** Its SYN was seen. */
  syn: 1,
  /** Its FIN was seen; it lies at `sentNext - 1`. */
  fin: 2,
  /** All up to its FIN has reached the other end. */
  finReached: 4,
  /** Its FIN was acknowledged. */
  finAcknowledged: 8,
  /** The number of its first byte is known. */
  sequence: 16,
  /** It has acknowledged something. */
  acknowledges: 32,
  /** It sends timestamps. */
  timestamps: 64,
  /** It offered selective acknowledgements. */
  selective: 128,
} as const;

/** The window shift of an end that offered none. */
export const NO_SHIFT = 255;

/** What `Word.window` holds while the window, or its scale, is not known. */
export const WINDOW_UNKNOWN = -1;

/** Timeout classes, in the order of the table's list. */
export const TimeoutClass = {
  attempt: 0,
  established: 1,
  closing: 2,
  closed: 3,
  udp: 4,
  icmp: 5,
  other: 6,
} as const;
