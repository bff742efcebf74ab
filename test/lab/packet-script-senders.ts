/**
 * The scripts of packet-script-traffic.test.ts that send: a file of their own, as scripts that send are brought packets
 * one by one.
 * @module
 */
import {
  accept,
  build,
  type Context,
  drop,
  ethernet,
  ipv4,
  milliseconds,
  type Packet,
  udp,
  type Verdict,
} from "metanet/script";

function letter(packet: Packet): string {
  return packet.find(udp)?.payload().text(0, 1) ?? "";
}

/** Sends copies, answers and packets of its own. */
export function sends(packet: Packet, context: Context): Verdict | undefined {
  const header = packet.payload(ipv4);
  const datagram = header?.payload(udp);
  if (!header || !datagram) return undefined;
  const { source, destination } = header;
  const { sourcePort, destinationPort } = datagram;
  switch (letter(packet)) {
    case "b": {
      const there = { source, destination };
      const ports = { sourcePort, destinationPort };
      const built = build(ipv4.header(there), udp.header(ports), Uint8Array.from(Buffer.from("built")));
      context.send(built);
      context.send(built, { delay: milliseconds(50) });
      return drop;
    }
    case "2":
      context.send(packet);
      context.send(packet.copy());
      return accept;
    case "o":
      context.defer(
        (_, kept) => {
          if (kept) context.send(kept);
        },
        { packet, delay: milliseconds(20) },
      );
      return drop;
    default:
      return undefined;
  }
}

/** Sends a frame instead of the packet. */
export function sendsFrames(packet: Packet, context: Context): Verdict {
  if (letter(packet) !== "f") return accept;
  const [destination, source] = ["ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01"];
  const frame = build(ethernet.header({ source, destination, type: 0x0800 }), packet.copy());
  context.send(frame, { way: "frame", interface: "wan0" });
  return drop;
}
