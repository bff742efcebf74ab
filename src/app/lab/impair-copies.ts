/**
 * Second copies of packets: sent again by the machine's routes and out of the same link, or, for what crosses a bridge,
 * as a frame at the port.
 * @module
 */
import type { PacketBatch } from "#io/packet-queue.ts";
import type { PacketSender } from "#io/packet-sender.ts";
import type { Copy } from "./impair-direction.ts";

/** IEEE 802.1Q's EtherType. */
const VLAN = [0x81, 0x00] as const;
const ADDRESSES_BYTES = 12;

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
