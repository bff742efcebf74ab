/**
 * UDP (RFC 768).
 * @module
 */
import { IpProtocol } from "./ipv4.ts";
import { defineProtocol } from "./protocol.ts";

export const udp = defineProtocol({
  name: "udp",
  fields: {
    sourcePort: { at: 0, bits: 16 },
    destinationPort: { at: 16, bits: 16 },
    /** Bytes of header and data. */
    length: { at: 32, bits: 16 },
    /** Zero when the sender made none. */
    checksum: { at: 48, bits: 16 },
  },
  carriedBy: { ipv4: IpProtocol.udp, ipv6: IpProtocol.udp },
  // Aggregates above 64 KiB and jumbograms say 0 (RFC 2675 §4).
  contentBytes: (header) => header.length || header.lengthBytes,
  announces: (header) => header.destinationPort,
  announcesToo: (header) => header.sourcePort,
  announcedIn: "destinationPort",
  sized: (_headerBytes, contentBytes) => ({ length: contentBytes }),
  isCarrier: true,
  checksum: { at: 6, covers: "all", zeroIsNone: true, twiceAt: 4, pseudoHeader: { 4: true, 6: true } },
  lengthIn: "length",
});
