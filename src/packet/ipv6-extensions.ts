/**
 * The chain of IPv6's extension headers (RFC 8200 §4): where it ends, which protocol is behind it, and whose address
 * the pseudo header means.
 * @module
 */
import type { View } from "./view.ts";

/** Extension headers that are followed; what is behind more of them is not known. */
export const EXTENSION_COUNT_MAX = 16;

/** Numbers of extension headers, as IANA lists them. */
export const Ipv6Extension = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destinationOptions: 60,
  mobility: 135,
  hostIdentity: 139,
  shim: 140,
} as const;

const BASE_BYTES = 40;
/** Where the destination's address is. */
const DESTINATION_AT = 24;

/** Bytes of the extension header at an offset; 0 when it is none, -1 when it is not all there. */
function extensionBytes(view: View, number: number, at: number): number {
  let bytes = 8;
  switch (number) {
    case Ipv6Extension.hopByHop:
    case Ipv6Extension.routing:
    case Ipv6Extension.destinationOptions:
    case Ipv6Extension.mobility:
    case Ipv6Extension.hostIdentity:
    case Ipv6Extension.shim:
      if (!view.$has(at, 2)) return -1;
      bytes = (view.$data.getUint8(view.$start + at + 1) + 1) * 8;
      break;
    case Ipv6Extension.authentication:
      // In units of 4, less 2 (RFC 4302 §2.2).
      if (!view.$has(at, 2)) return -1;
      bytes = (view.$data.getUint8(view.$start + at + 1) + 2) * 4;
      break;
    case Ipv6Extension.fragment:
      break;
    default:
      return 0;
  }
  return view.$has(at, bytes) ? bytes : -1;
}

/** Bytes of the header with its extensions; the protocol behind them becomes the view's note, -1 when unknown. */
export function findUpper(view: View): number {
  let number = view.$data.getUint8(view.$start + 6);
  let at = BASE_BYTES;
  for (let count = 0; count < EXTENSION_COUNT_MAX; count++) {
    const bytes = extensionBytes(view, number, at);
    if (bytes <= 0) {
      view.$note = bytes === 0 ? number : -1;
      return at;
    }
    const isLater = number === Ipv6Extension.fragment && view.$data.getUint16(view.$start + at + 2) >= 8;
    number = view.$data.getUint8(view.$start + at);
    at += bytes;
    if (isLater) break;
  }
  // A later fragment begins in the middle of something; and a chain without end has no payload.
  view.$note = -1;
  return at;
}

/** Where the first extension header of this number begins, which is all there; -1 without one. */
export function findExtension(view: View, wanted: number): number {
  let number = view.$data.getUint8(view.$start + 6);
  let at = BASE_BYTES;
  while (at < view.$header) {
    const bytes = extensionBytes(view, number, at);
    if (bytes <= 0) return -1;
    if (number === wanted) return at;
    number = view.$data.getUint8(view.$start + at);
    at += bytes;
  }
  return -1;
}

/** The first extension header of this number; `undefined` without one. */
export function extensionOf(view: View, wanted: number): View | undefined {
  const at = findExtension(view, wanted);
  return at < 0 ? undefined : view.slice(at, extensionBytes(view, wanted, at));
}

/** The word of the fragment header with offset and flag; 0 without one. */
export function fragmentWord(view: View): number {
  const at = view.$header === BASE_BYTES ? -1 : findExtension(view, Ipv6Extension.fragment);
  return at < 0 ? 0 : view.$data.getUint16(view.$start + at + 2);
}

/**
 * Where the address is that the pseudo header has as destination: the last one of a routing header on whose way the
 * packet is (RFC 8200 §8.1); -1 when it is compressed (RFC 6554).
 */
export function finalDestinationAt(view: View): number {
  const at = view.$header === BASE_BYTES ? -1 : findExtension(view, Ipv6Extension.routing);
  if (at < 0) return DESTINATION_AT;
  const start = view.$start + at;
  const lengthUnits = view.$data.getUint8(start + 1);
  const type = view.$data.getUint8(start + 2);
  if (view.$data.getUint8(start + 3) === 0 || lengthUnits < 2) return DESTINATION_AT;
  switch (type) {
    case 0: // as they are passed (RFC 2460 §4.4)
      return at + 8 + ((lengthUnits >> 1) - 1) * 16;
    case 2: // mobility: one home address (RFC 6275 §6.4)
    case 4: // segment routing: the last one first (RFC 8754 §2)
      return at + 8;
    default:
      return -1;
  }
}
