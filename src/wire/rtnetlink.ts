/**
 * The neighbour table over rtnetlink (RFC 3549 §3, linux/neighbour.h): which MAC address answers
 * for which IP address. Reading needs no privilege.
 * @module
 */
import { IPV4_BYTES, IPV6_BYTES, type IpAddress, ip } from "#base/ip-address.ts";
import { MAC_BYTES, type MacAddress, mac } from "#base/mac-address.ts";
import {
  decodeNetlinkAttributes,
  findAttribute,
  LITTLE_ENDIAN,
  NetlinkFlag,
  NetlinkWriter,
} from "./netlink.ts";

/** The part of the machine that listens to these messages: `NETLINK_ROUTE`. */
export const NETLINK_ROUTE = 0;
/** Whether a message from the kernel describes a neighbour. */
export const RTM_NEWNEIGH = 28;

const RTM_GETNEIGH = 30;
const ADDRESS_FAMILY = { any: 0, 4: 2, 6: 10 } as const;
/** family, 3 bytes of padding, interface index, state (16 bits), flags, type. */
const NEIGHBOUR_HEADER_BYTES = 12;
const NeighbourAttribute = { address: 1, linkAddress: 2, interfaceIndex: 8 } as const;
/** Nobody answered the last question for this address. */
const STATE_FAILED = 0x20;

/** One line of the neighbour table. */
export interface Neighbour {
  readonly address: IpAddress;
  readonly interfaceIndex: number;
  /** Absent while the question is open, and when nobody answers. */
  readonly mac?: MacAddress;
}

/**
 * Asks for the neighbours of one family or of all, on one interface (Linux 4.4) or on every one; the answers are of
 * type {@link RTM_NEWNEIGH}.
 */
export function encodeListNeighbours(
  sequence: number,
  family: 4 | 6 | "any",
  interfaceIndex?: number,
): Uint8Array {
  const writer = new NetlinkWriter();
  const flags = NetlinkFlag.request | NetlinkFlag.dump;
  writer.message({ type: RTM_GETNEIGH, flags, sequence }, () => {
    writer.raw(neighbourHeader(family, 0));
    if (interfaceIndex !== undefined) writer.uint32(NeighbourAttribute.interfaceIndex, interfaceIndex);
  });
  return writer.finish();
}

/** Asks for one neighbour on one interface; ENOENT when it is not known (Linux 5.0). */
export function encodeGetNeighbour(sequence: number, address: IpAddress, interfaceIndex: number): Uint8Array {
  const writer = new NetlinkWriter();
  const flags = NetlinkFlag.request | NetlinkFlag.ack;
  writer.message({ type: RTM_GETNEIGH, flags, sequence }, () =>
    writer
      .raw(neighbourHeader(address.family, interfaceIndex))
      .attribute(NeighbourAttribute.address, address.bytes),
  );
  return writer.finish();
}

/** The body of a {@link RTM_NEWNEIGH} message, or `undefined` when it is not about an IP address. */
export function decodeNeighbour(body: Uint8Array): Neighbour | undefined {
  if (body.length < NEIGHBOUR_HEADER_BYTES) return undefined;
  const header = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = decodeNetlinkAttributes(body.subarray(NEIGHBOUR_HEADER_BYTES));
  const address = findAttribute(attributes, NeighbourAttribute.address);
  if (address?.length !== IPV4_BYTES && address?.length !== IPV6_BYTES) return undefined;
  const linkAddress = findAttribute(attributes, NeighbourAttribute.linkAddress);
  const failed = (header.getUint16(8, LITTLE_ENDIAN) & STATE_FAILED) !== 0;
  return {
    address: ip(address),
    interfaceIndex: header.getInt32(4, LITTLE_ENDIAN),
    ...(linkAddress?.length === MAC_BYTES && !failed ? { mac: mac(linkAddress) } : {}),
  };
}

function neighbourHeader(family: 4 | 6 | "any", interfaceIndex: number): Uint8Array {
  const header = new Uint8Array(NEIGHBOUR_HEADER_BYTES);
  header[0] = ADDRESS_FAMILY[family];
  new DataView(header.buffer).setInt32(4, interfaceIndex, LITTLE_ENDIAN);
  return header;
}
