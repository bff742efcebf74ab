/**
 * Frames of captures: where in them a script's packet begins, and what has to stand in front of one that a script
 * sends for it to be a frame of the same capture.
 * @module
 */
import { type Frame, FrameStart, findStart, LinkType } from "#packet/link-type.ts";
import { ETHERNET_FIRST } from "#packet/protocol.ts";

const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_IPV6 = 0x86dd;
const VLAN_TYPES: readonly number[] = [0x8100, 0x88a8, 0x9100];
const ETHERNET_BYTES = 14;

/** Where a packet begins, one object for all. */
export class PacketStart {
  /** From the frame's begin. */
  offsetBytes = 0;
  /** As `Packet.aim` takes it. */
  etherType = 0;
}

const found = new FrameStart();

/**
 * Says where the packet begins.
 * @param isAtHook from the IP header, as netfilter gives it; else from the first header that is understood
 * @returns false when there is none: no script would be asked
 */
export function findPacket(frame: Frame, isAtHook: boolean, start: PacketStart): boolean {
  findStart(frame, found);
  start.offsetBytes = found.offsetBytes;
  switch (found.layer) {
    case "ipv4":
      start.etherType = ETHER_TYPE_IPV4;
      return true;
    case "ipv6":
      start.etherType = ETHER_TYPE_IPV6;
      return true;
    case "ethernet":
      start.etherType = ETHERNET_FIRST;
      return isAtHook ? skipEthernet(frame, start) : frame.capturedBytes >= ETHERNET_BYTES;
    default:
      return false;
  }
}

/** Past the Ethernet header and the tags of VLANs behind it. */
function skipEthernet({ bytes, offset, capturedBytes }: Frame, start: PacketStart): boolean {
  const end = Math.min(offset + capturedBytes, bytes.length);
  let at = offset + ETHERNET_BYTES;
  while (at <= end) {
    const type = ((bytes[at - 2] ?? 0) << 8) | (bytes[at - 1] ?? 0);
    if (!VLAN_TYPES.includes(type)) {
      start.offsetBytes = at - offset;
      start.etherType = type;
      return (type === ETHER_TYPE_IPV4 || type === ETHER_TYPE_IPV6) && at < end;
    }
    at += 4;
  }
  return false;
}

/** A packet that begins with an IP header as a frame of a link type; `undefined` when that cannot carry it. */
export function frameOf(packet: Uint8Array, linkType: number): Uint8Array | undefined {
  const isIpv6 = (packet[0] ?? 0) >> 4 === 6;
  const type = isIpv6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4;
  const [high, low] = [type >> 8, type & 0xff];
  switch (linkType) {
    case LinkType.ethernet:
      return join([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low], packet);
    case LinkType.raw:
    case LinkType.rawHere:
    case LinkType.rawOpenBsd:
      return packet;
    case LinkType.ipv4:
      return isIpv6 ? undefined : packet;
    case LinkType.ipv6:
      return isIpv6 ? packet : undefined;
    case LinkType.null:
      return join([isIpv6 ? 10 : 2, 0, 0, 0], packet);
    case LinkType.loop:
      return join([0, 0, 0, isIpv6 ? 10 : 2], packet);
    case LinkType.linuxCooked:
      // Sent by us, over Ethernet, from an address of no bytes.
      return join([0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low], packet);
    case LinkType.linuxCooked2:
      return join([high, low, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], packet);
    case LinkType.ppp:
    case LinkType.pppSerial:
      return join([0xff, 0x03, 0x00, isIpv6 ? 0x57 : 0x21], packet);
    case LinkType.ciscoHdlc:
      return join([0x0f, 0x00, high, low], packet);
    default:
      return undefined;
  }
}

function join(header: readonly number[], packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(header.length + packet.length);
  frame.set(header);
  frame.set(packet, header.length);
  return frame;
}
