/**
 * A datagram that is whole again, as its sender made it: one IP packet in memory of its own.
 * @module
 */
import { checksumOf, sumWords } from "#base/checksum.ts";
import type { Datagram } from "./datagram.ts";

/** What `LayerDecoder.decodeWhole` takes. */
export class Reassembled {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly lengthBytes: number;
  readonly encapsulation: number;
  readonly vlan: number;
  readonly tunnelCount: number;
  /** Fragments it was made of. */
  readonly fragmentCount: number;
  /** Whether fragments overlapped with different bytes: another receiver may have seen another datagram. */
  readonly hadDifferences: boolean;

  /** `datagram` is whole, and with its header no longer than 65 535 bytes. */
  constructor(datagram: Datagram) {
    const { header, pieces } = datagram;
    const lengthBytes = header.length + datagram.end;
    const bytes = new Uint8Array(lengthBytes);
    const view = new DataView(bytes.buffer);
    bytes.set(header);
    for (const piece of pieces) bytes.set(piece.bytes, header.length + piece.offset);
    if (datagram.version === 4) mend4(view, lengthBytes, header.length);
    else mend6(view, lengthBytes, datagram);
    this.bytes = bytes;
    this.view = view;
    this.lengthBytes = lengthBytes;
    this.encapsulation = datagram.encapsulation;
    this.vlan = datagram.vlan;
    this.tunnelCount = datagram.tunnelCount;
    this.fragmentCount = datagram.fragmentCount;
    this.hadDifferences = datagram.hadDifferences;
  }
}

/** Length, fragment field (only "don't fragment" stays) and checksum. */
function mend4(view: DataView, lengthBytes: number, headerBytes: number): void {
  view.setUint16(2, lengthBytes);
  view.setUint16(6, view.getUint16(6) & 0x4000);
  view.setUint16(10, 0);
  view.setUint16(10, checksumOf(sumWords(view, 0, headerBytes)));
}

/** Length, and the header that announced the Fragment header announces what is behind it. */
function mend6(view: DataView, lengthBytes: number, { announced, announcedAt }: Datagram): void {
  view.setUint16(4, lengthBytes - 40);
  view.setUint8(announcedAt, announced);
}
