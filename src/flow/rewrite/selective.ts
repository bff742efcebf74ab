/**
 * Selective acknowledgements (RFC 2018, RFC 2883) of a stream whose bytes were changed.
 * @module
 */
import { TcpOption } from "#packet/tcp.ts";
import type { View } from "#packet/view.ts";
import type { StreamEdits } from "./stream-edits.ts";

const OPTIONS_AT = 20;
const BLOCK_BYTES = 8;
const FILL = 1;

/**
 * Brings the blocks of a TCP header to the numbers of who has sent the bytes. Blocks that stand for nothing of it, such as
 * duplicates of what was acknowledged long ago, are taken out; what is left moves to the front.
 * @param first the sequence number of offset 0
 * @param reference a new offset near to those in the blocks
 */
export function translateBlocks(tcp: View, edits: StreamEdits, first: number, reference: number): void {
  const at = optionAt(tcp);
  if (at < 0) return;
  const count = Math.floor(((tcp.uint8(at + 1) as number) - 2) / BLOCK_BYTES);
  const lastBlock = at + 2 + count * BLOCK_BYTES;
  let to = at + 2;
  for (let from = at + 2; from < lastBlock; from += BLOCK_BYTES) {
    const left = reference + (((tcp.uint32(from) as number) - first - reference) | 0);
    const right = reference + (((tcp.uint32(from + 4) as number) - first - reference) | 0);
    const block = edits.blockToOriginal({ left, right });
    if (block === undefined) continue;
    tcp.setUint32(to, (first + block.left) >>> 0);
    tcp.setUint32(to + 4, (first + block.right) >>> 0);
    to += BLOCK_BYTES;
  }
  if (to === lastBlock) return;
  const from = to === at + 2 ? at : to;
  if (from !== at) tcp.setUint8(at + 1, to - at);
  tcp.fill(FILL, from, lastBlock - from);
}

/** Where the option begins; -1 when there is none, or it is not whole. */
function optionAt(tcp: View): number {
  const end = tcp.headerBytes;
  for (let at = OPTIONS_AT; at < end; ) {
    const kind = tcp.uint8(at) as number;
    if (kind === TcpOption.end) return -1;
    if (kind === TcpOption.fill) {
      at++;
      continue;
    }
    const lengthBytes = at + 1 < end ? (tcp.uint8(at + 1) as number) : 0;
    if (lengthBytes < 2 || at + lengthBytes > end) return -1;
    if (kind === TcpOption.sack) return at;
    at += lengthBytes;
  }
  return -1;
}
