/**
 * Socket addresses as the kernel's bytes: ip(7), packet(7), unix(7). What the kernel keeps in the machine's own
 * byte order is written little-endian or big-endian as the machine is.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";
import { AF_INET, AF_PACKET, AF_UNIX } from "./socket-constants.ts";
import { checkUnixPath } from "./unix-socket-file.ts";

export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_LL_BYTES = 20;

/** One `int` as setsockopt(2) wants it. */
export function encodeInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return bytes;
}

/** An IPv4 `sockaddr_in`. */
export function encodeSockaddrIn(address: IpAddress, port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, LITTLE_ENDIAN);
  view.setUint16(2, port);
  bytes.set(address.bytes, 4);
  return bytes;
}

/** Address and port of a `sockaddr_in` that begins at `offset`. */
export function decodeSockaddrIn(bytes: Uint8Array, offset = 0): { address: IpAddress; port: number } {
  const port = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  return { address: ip(bytes.subarray(offset + 4, offset + 8)), port };
}

/** A `sockaddr_ll`: the interface, the Ethernet protocol, and whom to reach there. */
export function encodeSockaddrLl(interfaceIndex: number, protocol: number, link?: MacAddress): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, LITTLE_ENDIAN);
  view.setUint16(2, protocol);
  view.setInt32(4, interfaceIndex, LITTLE_ENDIAN);
  if (link) {
    bytes[11] = link.bytes.length;
    bytes.set(link.bytes, 12);
  }
  return bytes;
}

/** Interface and hardware address of a `sockaddr_ll`; the latter only where it has six bytes, as on Ethernet. */
export function decodeSockaddrLl(bytes: Uint8Array): {
  interfaceIndex: number;
  link: MacAddress | undefined;
} {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const isEthernet = bytes[11] === 6;
  return {
    interfaceIndex: view.getInt32(4, LITTLE_ENDIAN),
    link: isEthernet ? mac(bytes.subarray(12, 18)) : undefined,
  };
}

/**
 * A `sockaddr_un` for a path.
 * @throws PathTooLongError when the path is longer than UNIX_PATH_BYTES_MAX.
 */
export function encodeSockaddrUn(path: string): Uint8Array {
  checkUnixPath(path);
  const text = Buffer.from(path);
  const bytes = new Uint8Array(2 + text.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, LITTLE_ENDIAN);
  bytes.set(text, 2);
  return bytes;
}
