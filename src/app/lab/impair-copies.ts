/**
 * Copies of packets: sent again by the machine's routes and out of the same link, or, for what crosses a bridge, as a
 * frame at the port.
 * @module
 */
import { type PacketBatch, PacketFamily } from "#io/packet-queue.ts";
import type { PacketSender } from "#io/packet-sender.ts";
import type { Copy } from "./impair-direction.ts";

/** IEEE 802.1Q's EtherType. */
const VLAN = [0x81, 0x00] as const;
const ADDRESSES_BYTES = 12;
const TCP = 6;
const UDP = 17;
/** The first byte of an IPv4 address of class D or above: multicast, broadcast to all. */
const FOUR_MULTICAST = 224;
const SIX_MULTICAST = 0xff;

/** Where copies go. */
export interface CopyTarget {
  readonly sender: PacketSender;
  /** Added to the packet's own mark, so that the copy is not impaired again. */
  readonly sentMark: number;
  /** The interface it leaves by; absent where only the routes decide. */
  readonly outInterface?: number;
}

/** Makes copies that are routed once more, past the rule that brought the packet here. */
export function routedCopies({ sender, sentMark, outInterface }: CopyTarget) {
  return (batch: PacketBatch, row: number, packet: Uint8Array): Copy => {
    const mark = ((batch.mark[row] ?? 0) | sentMark) >>> 0;
    const options = outInterface === undefined ? { mark } : { mark, outInterface };
    return () => sender.sendRouted([[packet]], options) === 1;
  };
}

/** Makes copies that leave by a bridge's port; no hook of the bridge sees them. */
export function frameCopies(sender: PacketSender, port: number) {
  return (batch: PacketBatch, row: number, packet: Uint8Array): Copy => {
    const start = batch.linkHeaderOffset[row] ?? 0;
    const header = batch.bytes.slice(start, start + (batch.linkHeaderLengthBytes[row] ?? 0));
    const tag = batch.vlanTag[row] ?? -1;
    const parts =
      tag < 0
        ? [header, packet]
        : [
            header.subarray(0, ADDRESSES_BYTES),
            Uint8Array.of(...VLAN, tag >> 8, tag & 0xff),
            header.subarray(ADDRESSES_BYTES),
            packet,
          ];
    return () => header.length > 0 && sender.sendFrames(port, [parts]) === 1;
  };
}

/**
 * Whether a packet comes from a socket of this machine that would wait for it. TCP keeps only few packets on the
 * machine (its "small queues"), and a UDP socket fills its buffer: held in the kernel, they would make a long link a
 * narrow one. netem cuts the packet loose from its socket; here a copy waits instead. Not for
 * what a copy cannot be sent of: longer than the link's MTU, or to many.
 */
export function comesFromSocket(mtuBytes: number): (batch: PacketBatch, row: number) => boolean {
  return (batch, row) => {
    if (batch.inInterface[row] !== 0 || batch.physicalInInterface[row] !== 0) return false;
    const lengthBytes = batch.fullLengthBytes[row] ?? 0;
    if (lengthBytes > mtuBytes || lengthBytes > (batch.lengthBytes[row] ?? 0)) return false;
    const { bytes } = batch;
    const start = batch.offset[row] ?? 0;
    const isBridge = batch.family[row] === PacketFamily.bridge;
    if (isBridge && (batch.linkHeaderLengthBytes[row] ?? 0) === 0) return false;
    const [protocol, target, many] =
      (bytes[start] ?? 0) >> 4 === 6
        ? [start + 6, start + 24, SIX_MULTICAST]
        : [start + 9, start + 16, FOUR_MULTICAST];
    const isConnected = bytes[protocol] === TCP || bytes[protocol] === UDP;
    return isConnected && (bytes[target] ?? 0) < many;
  };
}
