/**
 * The columns a batch of queued packets is read into, over one slab: typed arrays made once for a queue, so
 * that a packet costs no object. Their meaning stands at `PacketBatch` in `io/packet-queue.ts`.
 * @module
 */

export class QueueColumns {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Rows that are filled. */
  count = 0;

  readonly id: Uint32Array;
  readonly offset: Int32Array;
  readonly lengthBytes: Int32Array;
  readonly fullLengthBytes: Int32Array;
  readonly limit: Int32Array;
  readonly family: Uint8Array;
  readonly hook: Uint8Array;
  readonly etherType: Uint16Array;
  readonly mark: Uint32Array;
  readonly inInterface: Int32Array;
  readonly outInterface: Int32Array;
  readonly physicalInInterface: Int32Array;
  readonly physicalOutInterface: Int32Array;
  readonly packetFlags: Uint8Array;
  readonly linkHeaderOffset: Int32Array;
  readonly linkHeaderLengthBytes: Int32Array;
  readonly sourceLinkOffset: Int32Array;
  readonly vlanTag: Int32Array;
  readonly arrivedMicroseconds: Float64Array;
  readonly conntrackOffset: Int32Array;
  readonly conntrackLengthBytes: Int32Array;
  readonly conntrackState: Int8Array;

  readonly verdict: Uint32Array;
  readonly newLengthBytes: Int32Array;
  readonly newOffset: Int32Array;
  readonly changes: Uint8Array;
  readonly newMark: Uint32Array;
  readonly newConntrackMark: Uint32Array;

  /** @param countMax rows at most. */
  constructor(bytes: Uint8Array, countMax: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.id = new Uint32Array(countMax);
    this.offset = new Int32Array(countMax);
    this.lengthBytes = new Int32Array(countMax);
    this.fullLengthBytes = new Int32Array(countMax);
    this.limit = new Int32Array(countMax);
    this.family = new Uint8Array(countMax);
    this.hook = new Uint8Array(countMax);
    this.etherType = new Uint16Array(countMax);
    this.mark = new Uint32Array(countMax);
    this.inInterface = new Int32Array(countMax);
    this.outInterface = new Int32Array(countMax);
    this.physicalInInterface = new Int32Array(countMax);
    this.physicalOutInterface = new Int32Array(countMax);
    this.packetFlags = new Uint8Array(countMax);
    this.linkHeaderOffset = new Int32Array(countMax);
    this.linkHeaderLengthBytes = new Int32Array(countMax);
    this.sourceLinkOffset = new Int32Array(countMax);
    this.vlanTag = new Int32Array(countMax);
    this.arrivedMicroseconds = new Float64Array(countMax);
    this.conntrackOffset = new Int32Array(countMax);
    this.conntrackLengthBytes = new Int32Array(countMax);
    this.conntrackState = new Int8Array(countMax);
    this.verdict = new Uint32Array(countMax);
    this.newLengthBytes = new Int32Array(countMax);
    this.newOffset = new Int32Array(countMax);
    this.changes = new Uint8Array(countMax);
    this.newMark = new Uint32Array(countMax);
    this.newConntrackMark = new Uint32Array(countMax);
  }

  /** A row before it is read: a packet without anything, and nothing changed. */
  clear(row: number, verdict: number): void {
    this.id[row] = 0;
    this.offset[row] = 0;
    this.lengthBytes[row] = 0;
    this.fullLengthBytes[row] = 0;
    this.limit[row] = 0;
    this.family[row] = 0;
    this.hook[row] = 0;
    this.etherType[row] = 0;
    this.mark[row] = 0;
    this.inInterface[row] = 0;
    this.outInterface[row] = 0;
    this.physicalInInterface[row] = 0;
    this.physicalOutInterface[row] = 0;
    this.packetFlags[row] = 0;
    this.linkHeaderOffset[row] = 0;
    this.linkHeaderLengthBytes[row] = 0;
    this.sourceLinkOffset[row] = -1;
    this.vlanTag[row] = -1;
    this.arrivedMicroseconds[row] = 0;
    this.conntrackOffset[row] = 0;
    this.conntrackLengthBytes[row] = 0;
    this.conntrackState[row] = -1;
    this.verdict[row] = verdict;
    this.newLengthBytes[row] = 0;
    this.newOffset[row] = 0;
    this.changes[row] = 0;
    this.newMark[row] = 0;
    this.newConntrackMark[row] = 0;
  }
}
