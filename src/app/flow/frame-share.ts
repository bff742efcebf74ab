/**
 * Which of several workers a frame belongs to, when each reads the whole capture. It goes by the addresses of the outermost
 * IP header alone: fragments have no ports, and so all parts of a datagram meet the flow that it is of, as does what a
 * tunnel carries. Who shares flows between two addresses only gets no help from workers.
 * @module
 */
import { LayerDecoder } from "#flow/layers/decode.ts";
import { Layers } from "#flow/layers/layers.ts";
import { type HashKey, symmetricHash } from "#flow/table/flow-hash.ts";
import type { FlowFrame } from "../flow.ts";

/** One worker of several. */
export interface Share {
  /** 0 to `count - 1`. */
  readonly index: number;
  readonly count: number;
  /** The same for all of them, and another than that of any flow table. */
  readonly key: HashKey;
}

export class FrameShare {
  readonly #share: Share;
  readonly #layers = new Layers();
  readonly #decoder = new LayerDecoder({
    tunnels: false,
    key: { vlan: false, tunnel: false },
    verifyIpChecksum: false,
  });
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);

  constructor(share: Share) {
    this.#share = share;
  }

  /** Whether the frame is this worker's; what is not IP is the first one's. */
  owns({ bytes, offset, capturedBytes, originalBytes, linkType }: FlowFrame): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const layers = this.#layers;
    const { index, count, key } = this.#share;
    const isIp = this.#decoder.decode(
      layers,
      bytes,
      this.#view,
      offset,
      capturedBytes,
      originalBytes,
      linkType,
    );
    if (!isIp) return index === 0;
    layers.sourcePort = 0;
    layers.targetPort = 0;
    layers.protocol = 0;
    layers.encapsulation = 0;
    return (symmetricHash(layers, key) >>> 0) % count === index;
  }
}
