/**
 * Packets as a live source hands them over: many at once, one after the other through one record, with no object for a
 * packet. A capture and a TUN device give the same, so that one consumer reads both; and the record is what a
 * reader of capture files gives (`wire/capture-record.ts`), with what only a live source knows.
 * @module
 */

/** Values of {@link CapturedPacket.packetType}: the kernel's own numbers (packet(7)). */
export const PacketType = {
  /** To this machine. */
  host: 0,
  broadcast: 1,
  multicast: 2,
  /** To somebody else: seen by a promiscuous interface. */
  otherHost: 3,
  /** From this machine, or forwarded by it. */
  outgoing: 4,
} as const;

/** Bits of {@link CapturedPacket.checksums}; the values of `PacketFlag` in `packet-queue.ts`. */
export const ChecksumState = {
  /** The transport checksum is not complete: the card would complete it later. Its bytes mean nothing. */
  notReady: 1,
  /** Nobody has looked at the checksum yet; without this bit the card or the kernel found it right. */
  notVerified: 4,
} as const;

/**
 * One packet; the same object for every packet of a source. It and what lies in `bytes` hold until the batch's next
 * packet is asked for, the bytes until the consumer returns.
 */
export interface CapturedPacket {
  /** Seconds since 1970-01-01T00:00Z, by the kernel's clock. */
  readonly seconds: number;
  /** 0 to 999,999,999, to be added to the seconds. */
  readonly nanoseconds: number;
  /** Always true: every live source stamps its packets. */
  readonly isTimed: boolean;
  readonly capturedBytes: number;
  /** What it had on the wire; more than `capturedBytes` when the snap length cut it off. */
  readonly originalBytes: number;
  /** The number of a LINKTYPE_ value; see `packet/link-type.ts`. */
  readonly linkType: number;
  /** The kernel's index of the interface. */
  readonly interfaceId: number;
  /** The packet is `capturedBytes` of these from `offset` on. */
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** The VLAN tag that the frame itself does not show: IEEE 802.1Q's TCI, 0 to 65535, or -1 when there is none. */
  readonly vlanTag: number;
  /** The EtherType of that tag, such as 0x8100; -1 when there is none. */
  readonly vlanProtocol: number;
  /** One of {@link PacketType}. */
  readonly packetType: number;
  /** Bits of {@link ChecksumState}. */
  readonly checksums: number;
}

/** Some packets. The object is the same for every batch of a source, and holds good until the consumer returns. */
export interface CapturedBatch {
  /** How many packets it had at first; at least one. */
  readonly count: number;
  /** The packet that {@link next} moved to. */
  readonly packet: CapturedPacket;
  /** Moves {@link packet} to the next one; `false`, and nothing moves, when there is none. */
  next(): boolean;
}

/** The record as a source fills it: a class, so that every field has its place from the start. */
export class MutableCapturedPacket implements CapturedPacket {
  seconds = 0;
  nanoseconds = 0;
  readonly isTimed: boolean = true;
  capturedBytes = 0;
  originalBytes = 0;
  linkType = 0;
  interfaceId = 0;
  bytes: Uint8Array = new Uint8Array(0);
  offset = 0;
  vlanTag = -1;
  vlanProtocol = -1;
  packetType: number = PacketType.host;
  checksums: number = ChecksumState.notVerified;
}
