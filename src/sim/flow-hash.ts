/**
 * A number that is the same for all packets of a flow in both directions, as the kernel's symmetric flow hash is; not
 * the same number as the kernel's.
 * @module
 */
import { FrameStart, findStart } from "#packet/link-type.ts";

const ETHERNET_HEADER_BYTES = 14;
const TCP = 6;
const UDP = 17;

/** 0 for what is not IP. */
export function flowHash(bytes: Uint8Array, linkType: number): number {
  const frame = { linkType, bytes, offset: 0, capturedBytes: bytes.length };
  const start = findStart(frame, new FrameStart());
  const at = start.layer === "ethernet" ? ETHERNET_HEADER_BYTES : start.offsetBytes;
  if (start.layer === "other") return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, Math.max(0, bytes.length - at));
  const version = view.byteLength > 0 ? view.getUint8(0) >> 4 : 0;
  if (version === 4 && view.byteLength >= 20) {
    const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
    return sum(view, 12, 4, view.getUint8(9), isFragment ? view.byteLength : (view.getUint8(0) & 0xf) * 4);
  }
  return version === 6 && view.byteLength >= 40 ? sum(view, 8, 16, view.getUint8(6), 40) : 0;
}

/** A sum does not care which end comes first. */
function sum(view: DataView, from: number, addressBytes: number, protocol: number, portsAt: number): number {
  let total = protocol;
  for (let at = from; at < from + 2 * addressBytes; at += 4) total += view.getUint32(at);
  const hasPorts = (protocol === TCP || protocol === UDP) && portsAt + 4 <= view.byteLength;
  if (hasPorts) total += view.getUint16(portsAt) + view.getUint16(portsAt + 2);
  // Neighbouring numbers must not be neighbouring hashes.
  return Math.imul(total % 0x1_0000_0000, 0x9e37_79b1) >>> 16;
}
