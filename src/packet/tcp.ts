/**
 * TCP (RFC 9293).
 * @module
 */
import { IpProtocol } from "./ipv4.ts";
import { defineProtocol } from "./protocol.ts";

export const tcp = defineProtocol({
  name: "tcp",
  fields: {
    sourcePort: { at: 0, bits: 16 },
    destinationPort: { at: 16, bits: 16 },
    sequence: { at: 32, bits: 32 },
    acknowledgment: { at: 64, bits: 32 },
    /** The header's length in 32-bit words, 5 to 15. */
    dataOffset: { at: 96, bits: 4 },
    /** The eight flags as one number. */
    flags: { at: 104, bits: 8 },
    cwr: { at: 104, bits: 1, as: "boolean" },
    ece: { at: 105, bits: 1, as: "boolean" },
    urg: { at: 106, bits: 1, as: "boolean" },
    ack: { at: 107, bits: 1, as: "boolean" },
    psh: { at: 108, bits: 1, as: "boolean" },
    rst: { at: 109, bits: 1, as: "boolean" },
    syn: { at: 110, bits: 1, as: "boolean" },
    fin: { at: 111, bits: 1, as: "boolean" },
    window: { at: 112, bits: 16 },
    checksum: { at: 128, bits: 16 },
    urgentPointer: { at: 144, bits: 16 },
  },
  carriedBy: { ipv4: IpProtocol.tcp, ipv6: IpProtocol.tcp },
  headerBytes: (header) => header.dataOffset * 4,
  announces: (header) => header.destinationPort,
  announcesToo: (header) => header.sourcePort,
  announcedIn: "destinationPort",
  initial: { window: 65_535 },
  sized: (headerBytes) => ({ dataOffset: headerBytes / 4 }),
  isCarrier: true,
  checksum: { at: 16, covers: "all", pseudoHeader: { 4: true, 6: true } },
});
