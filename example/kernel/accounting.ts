/**
 * Bytes and packets of each client, counted inside of the kernel, one count for each processor so that none waits for
 * another. The captive portal counts its sessions' volume with these two functions (`accounting: packet-script`).
 *
 * Read them with `metanet call packetd:/packetd/map/read name=client-bytes-up`.
 * @module
 */
import {
  type Context,
  ipv4,
  ipv6,
  type MapOptions,
  type Packet,
  type ScriptOptions,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

/** By the client's address. */
const CLIENTS: MapOptions = { kind: "lru", countMax: 65_536, perProcessor: true };
const CLIENTS6: MapOptions = { ...CLIENTS, key: "bigint" };

/** What clients send: load it at forward, `--in` the clients' interface. */
export function upward(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (ip) {
    context.map("client-bytes-up", CLIENTS).add(ip.source, packet.lengthBytes);
    context.map("client-packets-up", CLIENTS).add(ip.source);
  }
  const ip6 = packet.payload(ipv6);
  if (ip6) {
    context.map("client-bytes-up6", CLIENTS6).add(ip6.source, packet.lengthBytes);
    context.map("client-packets-up6", CLIENTS6).add(ip6.source);
  }
  return verdict.continue;
}

/** What clients get: load it at forward, `--out` the clients' interface. */
export function downward(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (ip) {
    context.map("client-bytes-down", CLIENTS).add(ip.destination, packet.lengthBytes);
    context.map("client-packets-down", CLIENTS).add(ip.destination);
  }
  const ip6 = packet.payload(ipv6);
  if (ip6) {
    context.map("client-bytes-down6", CLIENTS6).add(ip6.destination, packet.lengthBytes);
    context.map("client-packets-down6", CLIENTS6).add(ip6.destination);
  }
  return verdict.continue;
}
