/**
 * IPv4 packets cut into fragments.
 * @module
 */
import { checksumOf, sumWords } from "#base/checksum.ts";
import { ConversationPacket } from "./conversation-packet.ts";

const ETHERNET_BYTES = 14;
const HEADER_BYTES = 20;

/** The fragments of a packet over Ethernet without IP options; `dataBytes` of data in each, a multiple of 8. */
export function cutIntoFragments(packet: ConversationPacket, dataBytes: number): ConversationPacket[] {
  const { bytes, time, linkType } = packet;
  const data = bytes.subarray(ETHERNET_BYTES + HEADER_BYTES);
  const fragments: ConversationPacket[] = [];
  for (let offset = 0; offset < data.length; offset += dataBytes) {
    const part = data.subarray(offset, offset + dataBytes);
    const made = new Uint8Array(ETHERNET_BYTES + HEADER_BYTES + part.length);
    made.set(bytes.subarray(0, ETHERNET_BYTES + HEADER_BYTES));
    made.set(part, ETHERNET_BYTES + HEADER_BYTES);
    const view = new DataView(made.buffer);
    view.setUint16(ETHERNET_BYTES + 2, HEADER_BYTES + part.length);
    const hasMore = offset + part.length < data.length;
    view.setUint16(ETHERNET_BYTES + 6, (hasMore ? 0x2000 : 0) | (offset >> 3));
    view.setUint16(ETHERNET_BYTES + 10, 0);
    view.setUint16(ETHERNET_BYTES + 10, checksumOf(sumWords(view, ETHERNET_BYTES, HEADER_BYTES)));
    fragments.push(new ConversationPacket(time, linkType, made));
  }
  return fragments;
}
