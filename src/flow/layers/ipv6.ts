/**
 * The header of IPv6 (RFC 8200) and its chain of extension headers, up to the transport.
 * @module
 */
import { type Cursor, Step } from "./cursor.ts";
import { IpProtocol, type Layers } from "./layers.ts";
import { decodeFragmentData, decodeTransport } from "./transport.ts";

const HEADER_BYTES = 40;
/** More extension headers in one packet are "too-deep". */
export const EXTENSION_COUNT_MAX = 16;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION_HEADER = 51;
const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const MOBILITY = 135;
const HOST_IDENTITY = 139;
const SHIM6 = 140;

/** Types of routing headers: RFC 2460 (gone since RFC 5095), RFC 6275, RFC 8754. */
const ROUTING_SOURCE = 0;
const ROUTING_HOME = 2;
const ROUTING_SEGMENTS = 4;

const OPTION_PADDING = 0;
/** RFC 2675: four bytes of length. */
const OPTION_JUMBO = 0xc2;
/** No packet with another length field is as long. */
const ORDINARY_PAYLOAD_MAX = 65_535;

/** The packet at `at`, which by what is around it ends at `limit`. */
export function decodeIpv6(layers: Layers, cursor: Cursor, at: number, limit: number): Step {
  const { bytes, view } = layers;
  if (at + HEADER_BYTES > layers.frameEnd || (bytes[at] as number) >> 4 !== 6) {
    return failed(layers, "malformed");
  }
  const next = bytes[at + 6] as number;
  let payloadBytes = view.getUint16(at + 4);
  if (payloadBytes === 0) payloadBytes = lengthBehindZero(layers, next, at, limit);
  if (payloadBytes < 0 || at + HEADER_BYTES + payloadBytes > limit) return failed(layers, "malformed");
  layers.version = 6;
  layers.networkOffset = at;
  layers.networkBytes = HEADER_BYTES + payloadBytes;
  layers.networkHeaderBytes = HEADER_BYTES;
  layers.source0 = view.getInt32(at + 8);
  layers.source1 = view.getInt32(at + 12);
  layers.source2 = view.getInt32(at + 16);
  layers.source3 = view.getInt32(at + 20);
  layers.target0 = view.getInt32(at + 24);
  layers.target1 = view.getInt32(at + 28);
  layers.target2 = view.getInt32(at + 32);
  layers.target3 = view.getInt32(at + 36);
  layers.hopLimit = bytes[at + 7] as number;
  layers.isFragment = false;
  layers.fragmentHeaderOffset = 0;
  const end = at + HEADER_BYTES + payloadBytes;
  if (next === IpProtocol.tcp || next === IpProtocol.udp) {
    return decodeTransport(layers, cursor, next, at + HEADER_BYTES, end);
  }
  return decodeExtensions(layers, cursor, next, end);
}

/**
 * The payload's length where the header says 0: a jumbogram's option has it (RFC 2675), aggregates of offloads have what
 * there is, else there is nothing. -1 when it cannot be.
 */
function lengthBehindZero(layers: Layers, next: number, at: number, limit: number): number {
  const from = at + HEADER_BYTES;
  if (next === IpProtocol.tcp || next === IpProtocol.udp) {
    const room = limit - from;
    return layers.tunnelCount === 0 || room > ORDINARY_PAYLOAD_MAX ? room : 0;
  }
  if (next !== HOP_BY_HOP) return 0;
  const { bytes, view, frameEnd } = layers;
  if (from + 8 > frameEnd) return -1;
  const end = Math.min(from + (((bytes[from + 1] as number) + 1) << 3), frameEnd);
  for (let option = from + 2; option < end; ) {
    const kind = bytes[option] as number;
    if (kind === OPTION_PADDING) {
      option++;
      continue;
    }
    if (option + 2 > end) return -1;
    const lengthBytes = bytes[option + 1] as number;
    if (kind === OPTION_JUMBO) {
      const jumbo = lengthBytes === 4 && option + 6 <= end ? view.getUint32(option + 2) : 0;
      return jumbo > ORDINARY_PAYLOAD_MAX ? jumbo : -1;
    }
    option += 2 + lengthBytes;
  }
  return 0;
}

/** From the first extension header (`next` says which) to the transport, or to a fragment's data. */
function decodeExtensions(layers: Layers, cursor: Cursor, first: number, end: number): Step {
  const { bytes, frameEnd, networkOffset } = layers;
  let next = first;
  let at = networkOffset + HEADER_BYTES;
  let announcedAt = networkOffset + 6;
  for (let count = 0; isExtension(next); count++) {
    if (count === EXTENSION_COUNT_MAX) return failed(layers, "too-deep");
    if (at + 8 > end || at + 8 > frameEnd) return failed(layers, "malformed");
    const following = bytes[at] as number;
    const lengthBytes = extensionBytes(next, bytes[at + 1] as number);
    if (at + lengthBytes > end) return failed(layers, "malformed");
    // Of these three the message itself is the last header.
    if (following === NO_NEXT_HEADER && (next === MOBILITY || next === HOST_IDENTITY || next === SHIM6))
      break;
    if (next === ROUTING) takeFinalTarget(layers, at, at + lengthBytes);
    if (next === FRAGMENT) {
      const word = layers.view.getUint16(at + 2);
      layers.fragmentHeaderOffset = at;
      layers.fragmentAnnouncedOffset = announcedAt;
      layers.fragmentId = layers.view.getUint32(at + 4);
      layers.fragmentOffset = word & 0xfff8;
      layers.hasMoreFragments = (word & 1) !== 0;
      // RFC 2675 §3: a jumbogram is no fragment.
      if ((word & 0xfff9) !== 0 && layers.networkBytes > HEADER_BYTES + ORDINARY_PAYLOAD_MAX) {
        return failed(layers, "malformed");
      }
      if ((word & 0xfff9) !== 0) {
        layers.isFragment = true;
        layers.networkHeaderBytes = at + 8 - networkOffset;
        return decodeFragmentData(layers, following, at + 8, end);
      }
    }
    announcedAt = at;
    next = following;
    at += lengthBytes;
  }
  layers.networkHeaderBytes = at - networkOffset;
  return decodeTransport(layers, cursor, next, at, end);
}

function isExtension(protocol: number): boolean {
  switch (protocol) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case AUTHENTICATION_HEADER:
    case DESTINATION_OPTIONS:
    case MOBILITY:
    case HOST_IDENTITY:
    case SHIM6:
      return true;
    default:
      return false;
  }
}

function extensionBytes(protocol: number, lengthField: number): number {
  if (protocol === FRAGMENT) return 8;
  return protocol === AUTHENTICATION_HEADER ? (lengthField + 2) << 2 : (lengthField + 1) << 3;
}

/** The last hop of a routing header with hops to go: answers come from there, and checksums are made with it. */
function takeFinalTarget(layers: Layers, at: number, end: number): void {
  const { bytes, view } = layers;
  const type = bytes[at + 2] as number;
  if (bytes[at + 3] === 0) return;
  let address = at + 8;
  if (type === ROUTING_SOURCE) address = end - 16;
  else if (type !== ROUTING_HOME && type !== ROUTING_SEGMENTS) return;
  if (address < at + 8 || address + 16 > end || address + 16 > layers.frameEnd) return;
  layers.target0 = view.getInt32(address);
  layers.target1 = view.getInt32(address + 4);
  layers.target2 = view.getInt32(address + 8);
  layers.target3 = view.getInt32(address + 12);
}

function failed(layers: Layers, problem: "malformed" | "too-deep"): Step {
  layers.problem = problem;
  return Step.failed;
}
