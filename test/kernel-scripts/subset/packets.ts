/**
 * The table's rows about packets.
 * @module
 */
import type { SubsetRow } from "./row.ts";

export const PACKET_ROWS: readonly SubsetRow[] = [
  {
    construct: "`payload`",
    accepted: { body: "return packet.payload(ipv4)?.payload(udp)?.destinationPort === 53 ? drop : accept;" },
    refused: {
      body: 'return packet.payload(ipv4)?.payload(udp)?.payload(dns)?.question?.name === "a.example" ? drop : accept;',
    },
    code: "kernel-member",
  },
  {
    construct: "`find`",
    accepted: { body: "return packet.find(tcp)?.destinationPort === 23 ? drop : accept;" },
    refused: {
      top: "export const options = {};",
      body: "return packet.find(tcp)?.destinationPort === 23 ? drop : accept;",
    },
    code: "kernel-find",
  },
  {
    construct: "fields",
    accepted: {
      body: "const ip = packet.payload(ipv4);\nreturn ip?.timeToLive === 1 && ip.dontFragment ? drop : accept;",
    },
    refused: { body: "return packet.payload(ipv4)?.payload(gre)?.key === 7 ? drop : accept;" },
    code: "kernel-member",
  },
  {
    construct: "protocols of a script's own",
    accepted: {
      top: 'const hello = defineProtocol({ name: "hello", fields: { version: { at: 0, bits: 4 }, size: { at: 4, bits: 12 }, group: { at: 16, bits: 32, as: ipv4Codec } }, carriedBy: { udp: 5555 } });',
      body: "return packet.find(udp)?.payload(hello)?.size === 7 ? drop : accept;",
    },
    refused: {
      top: 'const hello = defineProtocol({ name: "hello", fields: { size: { at: 0, bits: 8 }, name: { at: 8, bits: (header) => (header.uint8(0) ?? 0) * 8, as: "bytes" } }, carriedBy: { udp: 5555 } });',
      body: "return packet.find(udp)?.payload(hello)?.name?.length === 7 ? drop : accept;",
    },
    code: "kernel-member",
  },
  {
    construct: "bytes at an offset",
    accepted: { body: "return packet.find(udp)?.payload().uint16(2) === 0x0100 ? drop : accept;" },
    refused: { body: "return (packet.find(udp)?.payload().indexOf(13) ?? 0) > 3 ? drop : accept;" },
    code: "kernel-member",
  },
  {
    construct: "field writes",
    accepted: {
      body: "const ip = packet.payload(ipv4);\nif (ip !== undefined) ip.timeToLive = 64;\nreturn;",
    },
    refused: {
      body: "const ip = packet.payload(ipv4);\nif (ip !== undefined) ip.timeToLive = 64;\nreturn;",
      attach: "netfilter",
    },
    code: "kernel-no-writes",
  },
  {
    construct: "writes of bytes",
    accepted: { body: "packet.find(udp)?.payload().setUint8(0, 7);\nreturn;" },
    refused: { body: "packet.payload(ipv4)?.setUint8(8, 7);\nreturn;" },
    code: "kernel-write-bytes",
  },
  {
    construct: "`splice`",
    accepted: {
      top: "export const options = { tunnels: false };\nconst SHIM = Uint8Array.of(0xab, 0xcd, 0, 4);",
      body: "if (!packet.find(udp)?.splice(8, 0, SHIM)) return;\nconst data = packet.find(udp)?.payload();\nif (data !== undefined && data.lengthBytes > 100) data.splice(100, data.lengthBytes - 100);\nreturn;",
    },
    refused: {
      body: "const data = packet.find(udp)?.payload();\ndata?.splice(0, data.lengthBytes, new Uint8Array(4));\nreturn;",
    },
    code: "kernel-resize",
  },
  {
    construct: "views behind `splice`",
    accepted: {
      body: "packet.find(udp)?.payload().splice(0, 4);\nconst again = packet.find(udp);\nif (again !== undefined) again.sourcePort = 7;\nreturn;",
    },
    refused: {
      body: "const view = packet.find(udp);\nif (view === undefined) return;\nview.payload().splice(0, 4);\nview.sourcePort = 7;\nreturn;",
    },
    code: "kernel-old-view",
  },
  {
    construct: "the packet's mark",
    accepted: { body: "if (packet.mark === 3) packet.mark = 4;\nreturn;" },
    refused: { body: "packet.mark = 4;\nreturn;", attach: "xdp" },
    code: "kernel-no-mark",
  },
  {
    construct: "the packet's connection",
    accepted: { body: "return packet.isAggregate ? accept : drop;" },
    refused: { body: 'return packet.connection?.state === "new" ? drop : accept;' },
    code: "kernel-packet",
  },
];
