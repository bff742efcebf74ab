/**
 * A UDP datagram with its IPv4 header (RFC 791, RFC 768), checksums included: what is put on a link by hand when
 * the kernel's own UDP cannot, because nobody answers ARP for the address yet.
 * @module
 */
import { checksumOf, sumWords } from "#base/checksum.ts";
import { LimitExceededError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";

export const IPV4_HEADER_BYTES = 20;
export const UDP_HEADER_BYTES = 8;

/** The longest payload an IPv4 packet has room for, in bytes. */
export const UDP4_PAYLOAD_BYTES_MAX: number = 0xffff - IPV4_HEADER_BYTES - UDP_HEADER_BYTES;

const PROTOCOL_UDP = 17;

/** RFC 1700; enough for any link. */
const TIME_TO_LIVE = 64;

/** RFC 791 section 3.1: the packet may not be cut into fragments. */
const DO_NOT_FRAGMENT = 0x40;

/** What the two headers say; addresses are IPv4, ports 0 to 65535. */
export interface Udp4Packet {
  readonly source: { readonly address: IpAddress; readonly port: number };
  readonly target: { readonly address: IpAddress; readonly port: number };
  readonly payload: Uint8Array;
}

/**
 * The packet, from the first byte of its IPv4 header.
 * @throws LimitExceededError when the payload is longer than {@link UDP4_PAYLOAD_BYTES_MAX}.
 */
export function encodeUdp4Packet(packet: Udp4Packet): Uint8Array {
  const { source, target, payload } = packet;
  if (payload.length > UDP4_PAYLOAD_BYTES_MAX) {
    throw new LimitExceededError(
      `Cannot encode udp4: payload of ${payload.length} bytes, over ${UDP4_PAYLOAD_BYTES_MAX}`,
    );
  }
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + UDP_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x45); // version 4, five words of header
  view.setUint16(2, bytes.length);
  view.setUint8(6, DO_NOT_FRAGMENT); // so the identification may stay 0 (RFC 6864 section 4.1)
  view.setUint8(8, TIME_TO_LIVE);
  view.setUint8(9, PROTOCOL_UDP);
  bytes.set(source.address.bytes, 12);
  bytes.set(target.address.bytes, 16);
  view.setUint16(10, checksumOf(sumWords(view, 0, IPV4_HEADER_BYTES)));

  const udpLength = UDP_HEADER_BYTES + payload.length;
  view.setUint16(20, source.port);
  view.setUint16(22, target.port);
  view.setUint16(24, udpLength);
  bytes.set(payload, IPV4_HEADER_BYTES + UDP_HEADER_BYTES);
  // RFC 768: the sum covers a pseudo header too; a result of 0 is sent as all ones, since 0 means "no checksum".
  const pseudo = sumWords(view, 12, 8) + PROTOCOL_UDP + udpLength;
  const checksum = checksumOf(pseudo + sumWords(view, IPV4_HEADER_BYTES, udpLength));
  view.setUint16(26, checksum === 0 ? 0xffff : checksum);
  return bytes;
}
