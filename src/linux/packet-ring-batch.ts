/**
 * Walks one block of a TPACKET_V3 ring (`linux/if_packet.h`): header after header into one record, a dozen loads for
 * a packet. Only the kernel writes these headers, so they are taken as they are.
 * @module
 */
import { type CapturedBatch, MutableCapturedPacket } from "#io/captured-packet.ts";
import { LinkType } from "#packet/link-type.ts";
import { RING_BLOCK_BYTES } from "./packet-ring-descriptor.ts";

/** Of a block: bytes from its begin on. */
const BLOCK_STATUS_AT = 8;
const BLOCK_COUNT_AT = 12;
const BLOCK_FIRST_AT = 16;
/** Of a packet, counted in words of four bytes from its header on: `struct tpacket3_hdr`. */
const SECONDS = 1;
const NANOSECONDS = 2;
const SNAP_LENGTH = 3;
const LENGTH = 4;
const STATUS = 5;
const OFFSETS = 6;
const VLAN_TAG = 8;
const VLAN_PROTOCOL = 9;
/** Behind it a `struct sockaddr_ll`. */
const INTERFACE_INDEX = 13;
const ADDRESS_AT = 48;
const PACKET_TYPE_AT = ADDRESS_AT + 10;

const TP_STATUS_USER = 1;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETHER_TYPE_VLAN = 0x8100;
const MAC_ADDRESSES_BYTES = 12;
const TAG_BYTES = 4;
/** LINKTYPE_LINUX_SLL2. In front of a packet without link layer the kernel leaves 28 bytes: this and a tag fit. */
const COOKED_BYTES = 20;

export interface RingBatchOptions {
  readonly linkType: number;
  readonly snapLengthBytes: number;
  /** Whether tags go back into the frame. */
  readonly insertsTags: boolean;
}

/** A ring's batches, one block each. */
export class RingBatch implements CapturedBatch {
  readonly packet: MutableCapturedPacket = new MutableCapturedPacket();
  count = 0;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #snapLengthBytes: number;
  readonly #insertsTags: boolean;
  readonly #isEthernet: boolean;
  readonly #isCooked: boolean;
  #next = 0;
  #left = 0;

  constructor(ring: ArrayBuffer, { linkType, snapLengthBytes, insertsTags }: RingBatchOptions) {
    this.#bytes = new Uint8Array(ring);
    this.#words = new Int32Array(ring);
    this.#halves = new Uint16Array(ring);
    this.#snapLengthBytes = snapLengthBytes;
    this.#insertsTags = insertsTags;
    this.#isEthernet = linkType === LinkType.ethernet;
    this.#isCooked = linkType === LinkType.linuxCooked2;
    this.packet.bytes = this.#bytes;
    this.packet.linkType = linkType;
  }

  /** Begins a block; `false` when it is the kernel's. */
  begin(block: number): boolean {
    const start = block * RING_BLOCK_BYTES;
    const status = Atomics.load(this.#words, (start + BLOCK_STATUS_AT) >> 2);
    if ((status & TP_STATUS_USER) === 0) return false;
    this.count = this.#words[(start + BLOCK_COUNT_AT) >> 2] as number;
    this.#next = start + (this.#words[(start + BLOCK_FIRST_AT) >> 2] as number);
    this.#left = this.count;
    return true;
  }

  /** Gives the block back to the kernel. */
  release(block: number): void {
    this.#left = 0;
    Atomics.store(this.#words, (block * RING_BLOCK_BYTES + BLOCK_STATUS_AT) >> 2, 0);
  }

  /** Nothing more comes, as the ring is about to go. */
  end(): void {
    this.#left = 0;
    this.packet.bytes = new Uint8Array(0);
    this.packet.capturedBytes = 0;
    this.packet.offset = 0;
  }

  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const { packet } = this;
    const words = this.#words;
    const at = this.#next;
    const word = at >> 2;
    const status = words[word + STATUS] as number;
    this.#next = at + (words[word] as number);
    packet.seconds = (words[word + SECONDS] as number) >>> 0;
    packet.nanoseconds = words[word + NANOSECONDS] as number;
    packet.capturedBytes = words[word + SNAP_LENGTH] as number;
    packet.originalBytes = words[word + LENGTH] as number;
    packet.offset = at + (this.#halves[(word + OFFSETS) << 1] as number);
    packet.interfaceId = words[word + INTERFACE_INDEX] as number;
    packet.packetType = this.#bytes[at + PACKET_TYPE_AT] as number;
    // CSUMNOTREADY is 8 and becomes 1; CSUM_VALID is 0x80, and its absence becomes 4.
    packet.checksums = ((status >> 3) & 1) | ((~status >> 5) & 4);
    packet.vlanTag = -1;
    packet.vlanProtocol = -1;
    if ((status & TP_STATUS_VLAN_VALID) !== 0) this.#takeTag(at, status);
    if (this.#isCooked) this.#writeCooked(at);
    else if (packet.vlanTag >= 0 && this.#insertsTags) this.#insertTag();
    if (packet.capturedBytes > this.#snapLengthBytes) packet.capturedBytes = this.#snapLengthBytes;
    return true;
  }

  #takeTag(at: number, status: number): void {
    const word = at >> 2;
    const hasProtocol = (status & TP_STATUS_VLAN_TPID_VALID) !== 0;
    this.packet.vlanTag = (this.#words[word + VLAN_TAG] as number) & 0xffff;
    this.packet.vlanProtocol = hasProtocol
      ? (this.#halves[(word + VLAN_PROTOCOL) << 1] as number)
      : ETHER_TYPE_VLAN;
  }

  /** Moves the addresses to the front, into room that the kernel leaves before every Ethernet header. */
  #insertTag(): void {
    const { packet } = this;
    if (!this.#isEthernet || packet.capturedBytes < MAC_ADDRESSES_BYTES) return;
    const bytes = this.#bytes;
    const start = packet.offset - TAG_BYTES;
    bytes.copyWithin(start, packet.offset, packet.offset + MAC_ADDRESSES_BYTES);
    this.#writeTwo(start + MAC_ADDRESSES_BYTES, packet.vlanProtocol);
    this.#writeTwo(start + MAC_ADDRESSES_BYTES + 2, packet.vlanTag);
    this.#grow(start, TAG_BYTES, true);
  }

  /** Protocol, two zeros, interface, hardware type, packet type, address; then, behind a tag's protocol, the tag. */
  #writeCooked(at: number): void {
    const { packet } = this;
    const bytes = this.#bytes;
    const addressAt = at + ADDRESS_AT;
    const hasTag = packet.vlanTag >= 0 && this.#insertsTags;
    const lengthBytes = COOKED_BYTES + (hasTag ? TAG_BYTES : 0);
    const start = packet.offset - lengthBytes;
    const protocol = ((bytes[addressAt + 2] as number) << 8) | (bytes[addressAt + 3] as number);
    this.#writeTwo(start, hasTag ? packet.vlanProtocol : protocol);
    this.#writeTwo(start + 2, 0);
    this.#writeTwo(start + 4, packet.interfaceId >>> 16);
    this.#writeTwo(start + 6, packet.interfaceId & 0xffff);
    this.#writeTwo(start + 8, this.#halves[(addressAt + 8) >> 1] as number);
    bytes.copyWithin(start + 10, addressAt + 10, addressAt + COOKED_BYTES);
    if (hasTag) {
      this.#writeTwo(start + COOKED_BYTES, packet.vlanTag);
      this.#writeTwo(start + COOKED_BYTES + 2, protocol);
    }
    this.#grow(start, lengthBytes, hasTag);
  }

  #grow(start: number, lengthBytes: number, hasTag: boolean): void {
    const { packet } = this;
    packet.offset = start;
    packet.capturedBytes += lengthBytes;
    packet.originalBytes += lengthBytes;
    if (!hasTag) return;
    packet.vlanTag = -1;
    packet.vlanProtocol = -1;
  }

  #writeTwo(at: number, value: number): void {
    this.#bytes[at] = value >> 8;
    this.#bytes[at + 1] = value;
  }
}
