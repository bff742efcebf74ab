/**
 * One datagram that is not whole yet: what it is known by, its pieces, and its place in the table's lists.
 * @module
 */
import type { Instant } from "#base/time.ts";
import type { Layers } from "../layers/layers.ts";
import type { Piece } from "./piece.ts";

/** The end of a datagram of which the last fragment has not come. */
export const END_UNKNOWN = -1;

export class Datagram {
  readonly version: number;
  readonly source0: number;
  readonly source1: number;
  readonly source2: number;
  readonly source3: number;
  readonly target0: number;
  readonly target1: number;
  readonly target2: number;
  readonly target3: number;
  readonly id: number;
  readonly protocol: number;
  readonly encapsulation: number;
  readonly vlan: number;
  readonly tunnelCount: number;
  readonly hopLimit: number;
  readonly firstSeen: Instant;
  readonly bucket: number;
  /** In its bucket. */
  next: Datagram | undefined = undefined;
  /** By age. */
  older: Datagram | undefined = undefined;
  newer: Datagram | undefined = undefined;

  pieces: Piece[] = [];
  /** Of all fragments that were kept, as long as the datagram is. */
  fragmentCount = 0;
  heldBytes = 0;
  /** Bytes of data in all, {@link END_UNKNOWN} at first. */
  end: number = END_UNKNOWN;
  isGivenUp = false;
  hadDifferences = false;
  /**
   * The header of the fragment whose bytes stand first, which becomes the datagram's; with IPv6 without the Fragment
   * header. Empty as long as it has not come.
   */
  header: Uint8Array = NO_BYTES;
  /** IPv6: what the Fragment header announced, and where in {@link header} that has to stand. */
  announced = 0;
  announcedAt = 0;

  constructor(layers: Layers, now: Instant, bucket: number) {
    this.version = layers.version;
    this.source0 = layers.source0;
    this.source1 = layers.source1;
    this.source2 = layers.source2;
    this.source3 = layers.source3;
    this.target0 = layers.target0;
    this.target1 = layers.target1;
    this.target2 = layers.target2;
    this.target3 = layers.target3;
    this.id = layers.fragmentId;
    this.protocol = layers.protocol;
    this.encapsulation = layers.encapsulation;
    this.vlan = layers.vlan;
    this.tunnelCount = layers.tunnelCount;
    this.hopLimit = layers.hopLimit;
    this.firstSeen = now;
    this.bucket = bucket;
  }

  /** Whether the fragment is of this datagram. RFC 791 §3.2 names the protocol, RFC 8200 §4.5 does not. */
  isOf(layers: Layers): boolean {
    return (
      layers.fragmentId === this.id &&
      layers.source3 === this.source3 &&
      layers.target3 === this.target3 &&
      layers.version === this.version &&
      layers.source0 === this.source0 &&
      layers.source1 === this.source1 &&
      layers.source2 === this.source2 &&
      layers.target0 === this.target0 &&
      layers.target1 === this.target1 &&
      layers.target2 === this.target2 &&
      layers.encapsulation === this.encapsulation &&
      (layers.version === 6 || layers.protocol === this.protocol)
    );
  }

  /** Takes the header of a fragment that begins with byte 0. */
  takeHeader(layers: Layers): void {
    const { bytes, networkOffset, fragmentHeaderOffset } = layers;
    const end = layers.version === 4 ? networkOffset + layers.networkHeaderBytes : fragmentHeaderOffset;
    this.header = Uint8Array.from(bytes.subarray(networkOffset, end));
    if (layers.version === 4) return;
    this.announced = bytes[fragmentHeaderOffset] as number;
    this.announcedAt = layers.fragmentAnnouncedOffset - networkOffset;
  }
}

const NO_BYTES = new Uint8Array(0);
