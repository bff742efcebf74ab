/**
 * From a frame to the innermost IP packet and its transport. Nothing is read outside of the frame, nothing throws, and
 * no memory is taken; every length is checked before what it says is believed.
 *
 * A tunnel without an IP packet that can be read is left closed: the packet around it is the frame's packet then.
 * @module
 */
import { LinkType } from "#packet/link-type.ts";
import * as cursors from "./cursor.ts";
import { Cursor, type LayerOptions } from "./cursor.ts";
import { addTunnel, ENCAPSULATION_DEPTH_MAX, TunnelKind } from "./encapsulation.ts";
import * as etherTypes from "./ether-type.ts";
import { decodeEthernet, decodeEtherType, decodePpp } from "./ether-type.ts";
import { decodeIpv4 } from "./ipv4.ts";
import { decodeIpv6 } from "./ipv6.ts";
import type { Layers } from "./layers.ts";
import { startLink } from "./link.ts";
import { decodeGre, decodeUdpTunnel, enterTunnel, leaveTunnel } from "./tunnel.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Step } = cursors;
const { EtherType } = etherTypes;

const ETHERNET_BYTES = 14;

/** A datagram that was put together of fragments, as it is decoded again. */
export interface WholeDatagram {
  /** The memory that it lies in from 0 on. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly lengthBytes: number;
  /** As the fragments had them. */
  readonly encapsulation: number;
  readonly vlan: number;
  readonly tunnelCount: number;
}

export class LayerDecoder {
  readonly #cursor: Cursor;
  readonly #tunnelCountMax: number;

  constructor(options: LayerOptions) {
    this.#cursor = new Cursor(options);
    this.#tunnelCountMax = options.tunnels ? ENCAPSULATION_DEPTH_MAX : 0;
  }

  /**
   * Decodes the frame at `offset` of `bytes`, which `view` shows from the same byte on. `capturedBytes` of it are there,
   * `originalBytes` it had; `linkType` is a capture's LINKTYPE_ number.
   * @returns whether `layers.problem` is ""
   */
  decode(
    layers: Layers,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    capturedBytes: number,
    originalBytes: number,
    linkType: number,
  ): boolean {
    const limit = this.#begin(layers, bytes, view, offset, capturedBytes, originalBytes);
    const cursor = this.#cursor;
    const at = offset + ETHERNET_BYTES;
    // What nearly all frames are goes straight on.
    if (
      linkType === LinkType.ethernet &&
      at <= layers.frameEnd &&
      view.getUint16(at - 2) === EtherType.ipv4
    ) {
      const step = decodeIpv4(layers, cursor, at, limit);
      return step === Step.done || this.#walk(layers, step);
    }
    cursor.at = offset;
    cursor.limit = limit;
    return this.#walk(layers, startLink(layers, cursor, linkType));
  }

  /**
   * The same for a packet that begins with its IP header, such as a netfilter queue's: `lengthBytes` of it are there,
   * `fullLengthBytes` it had.
   */
  decodeNetwork(
    layers: Layers,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    lengthBytes: number,
    fullLengthBytes: number,
  ): boolean {
    this.#cursor.limit = this.#begin(layers, bytes, view, offset, lengthBytes, fullLengthBytes);
    this.#cursor.at = offset;
    return this.#walk(layers, Step.ip);
  }

  /** The same for a datagram whose fragments were in a frame of `datagram`'s tags and tunnels. */
  decodeWhole(layers: Layers, datagram: WholeDatagram): boolean {
    const { bytes, view, lengthBytes } = datagram;
    this.#cursor.limit = this.#begin(layers, bytes, view, 0, lengthBytes, lengthBytes);
    this.#cursor.at = 0;
    layers.encapsulation = datagram.encapsulation;
    layers.vlan = datagram.vlan;
    layers.tunnelCount = datagram.tunnelCount;
    return this.#walk(layers, Step.ip);
  }

  /** @returns where the frame ended before the capture cut it */
  #begin(
    layers: Layers,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    capturedBytes: number,
    originalBytes: number,
  ): number {
    const cursor = this.#cursor;
    const end = offset + capturedBytes;
    // Storing a reference costs the collector's notice; most frames lie in the memory of the one before.
    if (layers.view !== view) {
      layers.bytes = bytes;
      layers.view = view;
    }
    layers.frameOffset = offset;
    layers.frameEnd = Math.min(end, bytes.length);
    layers.problem = "";
    layers.version = 0;
    layers.encapsulation = 0;
    layers.tunnelCount = 0;
    layers.vlan = -1;
    cursor.tunnelCountMax = this.#tunnelCountMax;
    cursor.outerAt = -1;
    return originalBytes > capturedBytes ? offset + originalBytes : end;
  }

  #walk(layers: Layers, first: cursors.Step): boolean {
    const cursor = this.#cursor;
    for (let step = first; ; ) {
      switch (step) {
        case Step.done:
          return true;
        case Step.ipv4:
          step = decodeIpv4(layers, cursor, cursor.at, cursor.limit);
          break;
        case Step.ipv6:
          step = decodeIpv6(layers, cursor, cursor.at, cursor.limit);
          break;
        case Step.ipv4InIp:
        case Step.ipv6InIp:
          enterTunnel(layers, cursor);
          if (cursor.keyTunnel) addTunnel(layers, TunnelKind.ipInIp, 0);
          step = step === Step.ipv4InIp ? Step.ipv4 : Step.ipv6;
          break;
        case Step.linkInIp:
          enterTunnel(layers, cursor);
          if (cursor.keyTunnel) addTunnel(layers, TunnelKind.linkInIp, 0);
          step = Step.etherType;
          break;
        case Step.ip:
          step = stepByVersion(layers, cursor);
          break;
        case Step.ethernet:
          step = decodeEthernet(layers, cursor);
          break;
        case Step.etherType:
          step = decodeEtherType(layers, cursor);
          break;
        case Step.ppp:
          step = decodePpp(layers, cursor);
          break;
        case Step.gre:
          enterTunnel(layers, cursor);
          step = decodeGre(layers, cursor);
          break;
        case Step.udpTunnel:
          enterTunnel(layers, cursor);
          step = decodeUdpTunnel(layers, cursor);
          break;
        default:
          if (cursor.outerAt < 0) {
            layers.version = 0;
            return false;
          }
          step = leaveTunnel(layers, cursor);
      }
    }
  }
}

function stepByVersion(layers: Layers, { at }: Cursor): cursors.Step {
  const version = at < layers.frameEnd ? (layers.bytes[at] as number) >> 4 : 0;
  if (version === 4) return Step.ipv4;
  if (version === 6) return Step.ipv6;
  layers.problem = "not-ip";
  return Step.failed;
}
