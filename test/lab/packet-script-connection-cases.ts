/**
 * The scripts of packet-script-connection.test.ts: they count by what they see of connections.
 * @module
 */
import {
  type Connection,
  type Context,
  delayed,
  formatIpv4,
  formatIpv6,
  ipv4,
  milliseconds,
  type Packet,
  tcp,
  udp,
} from "metanet/script";

function letter(packet: Packet): string {
  return packet.find(udp)?.payload().text(0, 1) ?? "";
}

function format(address: number | bigint): string {
  return typeof address === "bigint" ? formatIpv6(address) : formatIpv4(address);
}

function say({ state, isReply, id }: Connection): string {
  return `${state} ${isReply ? "reply" : "original"} ${id === 0 ? "unknown" : "known"}`;
}

/** Which packet, and what is told about it. */
export function tells(packet: Packet, context: Context): void {
  const { connection } = packet;
  const told = connection ? `${say(connection)} ${connection.mark}` : "none";
  context.counter(`${letter(packet)} ${told}`).add();
}

/** The connection as the one who began knows it. */
export function addresses(packet: Packet, context: Context): void {
  const { connection } = packet;
  if (connection === undefined) return;
  const { original, reply } = connection;
  const way = `${format(original.source)}>${format(original.destination)} ${format(reply.source)}>${format(reply.destination)}`;
  context.counter(`${letter(packet)} ${way}`).add();
}

/** Whether the mark is what {@link marks} makes it. */
export function ports(packet: Packet, context: Context): void {
  const { connection } = packet;
  if (connection === undefined) return;
  const isMarked = connection.mark === connection.original.destinationPort;
  context.counter(`${say(connection)} ${isMarked ? "marked" : connection.mark}`).add();
}

/** By a packet's TCP flags. */
export function segments(packet: Packet, context: Context): void {
  const segment = packet.find(tcp);
  const { connection } = packet;
  if (!segment || !connection) return;
  const kind = segment.syn ? (segment.ack ? "syn-ack" : "syn") : "other";
  context.counter(`${kind} ${say(connection)}`).add();
}

/** Messages, by what stands in their connection. */
export function messages(packet: Packet, context: Context): void {
  const { connection } = packet;
  if (connection === undefined) return;
  const { protocol, identifier, destinationPort } = connection.original;
  const by = identifier === undefined ? `port ${destinationPort}` : "identifier";
  context.counter(`${say(connection)} ${protocol} ${by} ${connection.isAssured}`).add();
}

/** The mark of a connection becomes its port, by its first packet. */
export function marks({ connection }: Packet): void {
  if (connection?.state === "new" && connection.mark === 0) {
    connection.mark = connection.original.destinationPort;
  }
}

/** The same, and the first packet waits. */
export function marksLater(packet: Packet) {
  marks(packet);
  return packet.connection?.state === "new" ? delayed(milliseconds(30)) : undefined;
}

/** Reads the connection behind its own rewriting. */
export function rewrites(packet: Packet, context: Context): void {
  const header = packet.payload(ipv4);
  if (header && letter(packet) === "r") header.destination = "10.91.2.2";
  const { connection } = packet;
  if (connection) context.counter(`${letter(packet)} to ${format(connection.original.destination)}`).add();
}
