/**
 * Fragments made to hide the transport's header from a filter (RFC 1858, RFC 3128; RFC 7112 for IPv6).
 * @module
 */
import { IpProtocol, type Layers } from "../layers/layers.ts";

const TCP_BYTES_MIN = 20;
const DESTINATION_OPTIONS = 60;
const ROUTING = 43;
const HOP_BY_HOP = 0;
/** Other protocols' ports, or types, are in the first 8 bytes, which every fragment with others behind it has. */
const HEADER_BYTES = 8;

/** Whether the fragment is a first one without its transport's whole header, or begins within that of TCP. */
export function isTiny(layers: Layers): boolean {
  const { bytes, fragmentOffset, hasMoreFragments } = layers;
  const end = layers.payloadOffset + layers.payloadBytes;
  let { protocol, payloadOffset: at } = layers;
  if (fragmentOffset !== 0) return protocol === IpProtocol.tcp && fragmentOffset < TCP_BYTES_MIN;
  if (!hasMoreFragments) return false;
  while (protocol === DESTINATION_OPTIONS || protocol === ROUTING || protocol === HOP_BY_HOP) {
    if (layers.version === 4 || at + 8 > end) break;
    protocol = bytes[at] as number;
    at += ((bytes[at + 1] as number) + 1) << 3;
  }
  const room = end - at;
  if (protocol !== IpProtocol.tcp) return room < HEADER_BYTES;
  return room < TCP_BYTES_MIN || room < ((bytes[at + 12] as number) >> 4) << 2;
}
