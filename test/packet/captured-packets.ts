/**
 * Every packet of every capture at hand that begins with Ethernet, IPv4 or IPv6, whatever was around it.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EtherType } from "#packet/ethernet.ts";
import { FrameStart, findStart } from "#packet/link-type.ts";
import { ETHERNET_FIRST } from "#packet/packet.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { CAPTURES } from "../support/captures.ts";

/** Longer ones are broken files, not packets. */
const PACKET_BYTES_MAX = 65_549;

export interface CapturedPacket {
  /** `tcpdump/arp.pcap 3` */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fullLengthBytes: number;
  /** As `Packet.aim` takes it. */
  readonly etherType: number;
}

/** @param countMax packets taken of each file, from its start */
export function* capturedPackets(countMax = 1_000_000): Iterable<CapturedPacket> {
  const paths = readdirSync(CAPTURES, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(pcap|pcapng|cap)$/.test(path))
    .sort();
  for (const path of paths) yield* packetsOf(path, countMax);
}

function* packetsOf(path: string, countMax: number): Iterable<CapturedPacket> {
  const reader = new CaptureReader({ name: path });
  const start = new FrameStart();
  reader.push(readFileSync(join(CAPTURES, path)));
  for (let count = 1; count <= countMax && hasNext(reader); count++) {
    const { record } = reader;
    const { layer, offsetBytes } = findStart(record, start);
    const etherType = ETHER_TYPES[layer];
    if (etherType === undefined || record.capturedBytes > PACKET_BYTES_MAX) continue;
    const end = record.offset + record.capturedBytes;
    yield {
      name: `${path} ${count}`,
      bytes: record.bytes.slice(record.offset + offsetBytes, end),
      fullLengthBytes: Math.max(record.originalBytes, record.capturedBytes) - offsetBytes,
      etherType,
    };
  }
}

const ETHER_TYPES: Readonly<Record<string, number | undefined>> = {
  ethernet: ETHERNET_FIRST,
  ipv4: EtherType.ipv4,
  ipv6: EtherType.ipv6,
};

/** A file that is broken has the packets before the place where it is. */
function hasNext(reader: CaptureReader): boolean {
  try {
    return reader.next();
  } catch (error) {
    if (error instanceof MalformedCaptureError) return false;
    throw error;
  }
}
