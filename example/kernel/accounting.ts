/**
 * Bytes and packets of each client, counted inside of the kernel, one count for each processor so that none waits for
 * another. Read them with `metanet call packetd:/packetd/map/read name=client-bytes-up`.
 * @module
 */
import {
  type Context,
  ipv4,
  type MapOptions,
  type Packet,
  type ScriptOptions,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

const CLIENTS: MapOptions = { kind: "lru", countMax: 65_536, perProcessor: true };

/** What clients send: load it at forward, `--in` the clients' interface. */
export function upward(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (ip) {
    context.map("client-bytes-up", CLIENTS).add(ip.source, packet.lengthBytes);
    context.map("client-packets-up", CLIENTS).add(ip.source);
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
  return verdict.continue;
}
