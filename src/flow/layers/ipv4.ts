/**
 * The header of IPv4 (RFC 791, RFC 1122) as receivers take it: what Linux drops on its way in is malformed here.
 * @module
 */

import type { Cursor } from "./cursor.ts";
import * as cursors from "./cursor.ts";
import type { Layers } from "./layers.ts";
import * as layer from "./layers.ts";
import { decodeFragmentData, decodeTransport } from "./transport.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Step } = cursors;
const { IPV4_PREFIX, IpProtocol } = layer;

const HEADER_BYTES_MIN = 20;
/** More does not fit into the length field. */
const LENGTH_MAX = 65_535;
/** The flags and the offset of a fragment; the two upper bits say nothing about that. */
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;
const AUTHENTICATION_HEADER = 51;
const OPTION_END = 0;
const OPTION_NOTHING = 1;

/** The packet at `at`, which by what is around it ends at `limit`. */
export function decodeIpv4(layers: Layers, cursor: Cursor, at: number, limit: number): cursors.Step {
  const { bytes, view, frameEnd } = layers;
  if (at + HEADER_BYTES_MIN > frameEnd) return malformed(layers);
  const first = bytes[at] as number;
  const headerBytes = (first & 15) << 2;
  if (first >> 4 !== 4 || headerBytes < HEADER_BYTES_MIN) return malformed(layers);
  const protocol = bytes[at + 9] as number;
  let lengthBytes = view.getUint16(at + 2);
  if (lengthBytes === 0 && isAggregate(layers, protocol, limit - at)) lengthBytes = limit - at;
  if (lengthBytes < headerBytes || at + lengthBytes > limit) return malformed(layers);
  if (headerBytes > HEADER_BYTES_MIN && !hasGoodOptions(layers, at + HEADER_BYTES_MIN, at + headerBytes)) {
    return malformed(layers);
  }
  if (cursor.verifyIpChecksum && !hasGoodChecksum(view, at, headerBytes)) {
    layers.problem = "bad-ip-checksum";
    return Step.failed;
  }
  layers.version = 4;
  layers.networkOffset = at;
  layers.networkBytes = lengthBytes;
  layers.networkHeaderBytes = headerBytes;
  layers.source0 = 0;
  layers.source1 = 0;
  layers.source2 = IPV4_PREFIX;
  layers.source3 = view.getInt32(at + 12);
  layers.target0 = 0;
  layers.target1 = 0;
  layers.target2 = IPV4_PREFIX;
  layers.target3 = view.getInt32(at + 16);
  layers.hopLimit = bytes[at + 8] as number;
  const fragment = view.getUint16(at + 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET);
  if (fragment !== 0) {
    layers.isFragment = true;
    layers.fragmentId = view.getUint16(at + 4);
    layers.fragmentOffset = (fragment & FRAGMENT_OFFSET) << 3;
    layers.hasMoreFragments = (fragment & MORE_FRAGMENTS) !== 0;
    layers.fragmentHeaderOffset = 0;
    return decodeFragmentData(layers, protocol, at + headerBytes, at + lengthBytes);
  }
  layers.isFragment = false;
  layers.fragmentHeaderOffset = 0;
  if (protocol === AUTHENTICATION_HEADER) {
    return decodeAuthenticated(layers, cursor, at + headerBytes, at + lengthBytes);
  }
  return decodeTransport(layers, cursor, protocol, at + headerBytes, at + lengthBytes);
}

/**
 * Offloads leave the length of a packet of several segments 0, and beyond 64 KiB it does not fit. Of a network nobody
 * takes such a packet, so that only the transports which are aggregated may have it; in a tunnel, whose length is not
 * the frame's, only where there is no other way.
 */
function isAggregate({ tunnelCount }: Layers, protocol: number, room: number): boolean {
  if (protocol !== IpProtocol.tcp && protocol !== IpProtocol.udp) return false;
  return tunnelCount === 0 || room > LENGTH_MAX;
}

/** RFC 4302: what is behind an authentication header is to be read by everybody. */
function decodeAuthenticated(layers: Layers, cursor: Cursor, at: number, end: number): cursors.Step {
  const { bytes } = layers;
  if (at + 8 > end || at + 8 > layers.frameEnd) return malformed(layers);
  const next = bytes[at] as number;
  const transportAt = at + (((bytes[at + 1] as number) + 2) << 2);
  if (transportAt > end) return malformed(layers);
  layers.networkHeaderBytes = transportAt - layers.networkOffset;
  return decodeTransport(layers, cursor, next, transportAt, end);
}

/** Whether no option reaches beyond the header; Linux drops such a packet. */
function hasGoodOptions({ bytes, frameEnd }: Layers, from: number, end: number): boolean {
  if (end > frameEnd) return false;
  for (let at = from; at < end; ) {
    const kind = bytes[at] as number;
    if (kind === OPTION_END) return true;
    if (kind === OPTION_NOTHING) {
      at++;
      continue;
    }
    const lengthBytes = at + 1 < end ? (bytes[at + 1] as number) : 0;
    if (lengthBytes < 2 || at + lengthBytes > end) return false;
    at += lengthBytes;
  }
  return true;
}

function hasGoodChecksum(view: DataView, at: number, headerBytes: number): boolean {
  let sum = 0;
  for (let index = 0; index < headerBytes; index += 2) sum += view.getUint16(at + index);
  // At most 30 words: two folds are enough.
  sum = (sum & 0xffff) + (sum >> 16);
  return ((sum + (sum >> 16)) & 0xffff) === 0xffff;
}

function malformed(layers: Layers): cursors.Step {
  layers.problem = "malformed";
  return Step.failed;
}
