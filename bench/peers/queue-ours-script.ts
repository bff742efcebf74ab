/**
 * What `queue-script.h` does to a packet, as packet scripts; which of them, and on what, the rig tells by the
 * environment.
 * @module
 */
import {
  accept as accepted,
  type Context,
  ipv4,
  ipv4Address,
  ipv6,
  type Packet,
  type ScriptCounter,
  type ScriptOptions,
  tcp,
  udp,
  type Verdict,
} from "metanet/script";

const { BENCH_MODE, BENCH_SEGMENTS, BENCH_COPY_RANGE, BENCH_INSIDE, BENCH_OUTSIDE } = process.env;

export const options: ScriptOptions = {
  writes: BENCH_MODE === "nat",
  readBytes: Number(BENCH_COPY_RANGE ?? 65_535),
  aggregates: BENCH_SEGMENTS === "whole",
  connection: false,
};

const counts = new Uint32Array(65_536);
let done: ScriptCounter | undefined;
const inside = BENCH_INSIDE ? ipv4Address(BENCH_INSIDE) : 0;
const outside = BENCH_OUTSIDE ? ipv4Address(BENCH_OUTSIDE) : 0;

export function accept(): Verdict {
  return accepted;
}

export function read(packet: Packet, context: Context): Verdict {
  const four = packet.payload(ipv4);
  if (four) {
    const transport = four.payload(udp) ?? four.payload(tcp);
    if (transport) {
      const { sourcePort, destinationPort } = transport;
      const index = four.source ^ four.destination ^ four.protocol ^ sourcePort ^ destinationPort;
      count(index, context);
    }
    return accepted;
  }
  const six = packet.payload(ipv6);
  const transport = six?.payload(udp) ?? six?.payload(tcp);
  if (six && transport) {
    const { sourcePort, destinationPort } = transport;
    const addresses = (six.uint32(20) ?? 0) ^ (six.uint32(36) ?? 0);
    const index = addresses ^ six.nextHeader ^ sourcePort ^ destinationPort;
    count(index, context);
  }
  return accepted;
}

function count(index: number, context: Context): void {
  counts[index & 0xffff] = (counts[index & 0xffff] ?? 0) + 1;
  done ??= context.counter("counted");
  done.add();
}

export function nat(packet: Packet, context: Context): Verdict {
  const header = packet.payload(ipv4);
  if (header === undefined) return accepted;
  if (header.source === inside) header.source = outside;
  else if (header.destination === outside) header.destination = inside;
  else return accepted;
  done ??= context.counter("modified");
  done.add();
  return accepted;
}
