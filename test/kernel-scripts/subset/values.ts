/**
 * The table's rows about values and what is reckoned with them.
 * @module
 */
import type { SubsetRow } from "./row.ts";

export const VALUE_ROWS: readonly SubsetRow[] = [
  {
    construct: "whole numbers",
    accepted: { body: "return packet.lengthBytes * 3 - 1 > 100 ? drop : accept;" },
    refused: { body: "return packet.mark * packet.mark > 100 ? drop : accept;" },
    code: "kernel-number-range",
  },
  {
    construct: "division and remainder",
    accepted: { body: "return Math.floor(packet.lengthBytes / 3) % 7 === 2 ? drop : accept;" },
    refused: { body: "return Math.floor(1000 / (packet.lengthBytes & 3)) === 2 ? drop : accept;" },
    code: "kernel-division",
  },
  {
    construct: "fractions",
    accepted: {
      body: "return Math.round(packet.lengthBytes / 3) === 2 || packet.lengthBytes / 7 > 2 ? drop : accept;",
    },
    refused: { body: "return packet.lengthBytes / 3 === 2 ? drop : accept;" },
    code: "kernel-fraction",
  },
  {
    construct: "bit operations",
    accepted: { body: "return ((packet.mark >> 3) ^ ~packet.lengthBytes) >>> 0 > 7 ? drop : accept;" },
    refused: { body: "return 2 ** packet.lengthBytes === 8 ? drop : accept;" },
    code: "kernel-power",
  },
  {
    construct: "bigints of 64 bits",
    accepted: {
      body: "const a = BigInt(packet.mark);\nreturn BigInt.asUintN(64, a * a * 3n) > 7n ? drop : accept;",
    },
    refused: {
      body: "const a = BigInt(packet.mark);\nconst b = a * a;\nreturn b * b > 7n ? drop : accept;",
    },
    code: "kernel-number-range",
  },
  {
    construct: "IPv6 addresses",
    accepted: {
      body: "const ip = packet.payload(ipv6);\nreturn ip !== undefined && ip.source >> 64n === 0x20010db800000000n ? drop : accept;",
    },
    refused: {
      body: "const ip = packet.payload(ipv6);\nreturn ip !== undefined && ip.source + 1n === ip.destination ? drop : accept;",
    },
    code: "kernel-wide",
  },
  {
    construct: "booleans and conditions",
    accepted: {
      body: "const isLong = packet.lengthBytes > 100;\nreturn isLong && !(packet.mark === 7 || packet.mark === 9) ? drop : accept;",
    },
    refused: { body: "return packet.find(tcp)?.payload().text() ? drop : accept;" },
    code: "kernel-member",
  },
  {
    construct: "values that may be undefined",
    accepted: {
      body: "const port = packet.find(tcp)?.destinationPort ?? packet.find(udp)?.destinationPort;\nif (port === undefined) return;\nreturn port < 1024 ? drop : accept;",
    },
    refused: {
      body: "const port = packet.find(tcp)?.destinationPort;\nreturn port == null ? drop : accept;",
    },
    code: "kernel-null",
  },
  {
    construct: "texts",
    accepted: { body: 'return packet.payload(ipv4)?.source === ipv4Address("10.0.0.1") ? drop : accept;' },
    refused: { body: 'const name = "c" + packet.mark;\ncontext.counter(name).add();\nreturn accept;' },
    code: "kernel-text",
  },
  {
    construct: "records",
    accepted: {
      top: "const CLASSES: Record<number, number> = { 1: 10, 46: 20 };\nconst LIMITS = { low: 5, high: 9 };",
      body: 'const seen = { length: packet.lengthBytes, isMarked: packet.mark !== 0 };\nlet sum = CLASSES[packet.mark] ?? 0;\nfor (const name in LIMITS) if (name !== "low") sum += 1;\nreturn seen.isMarked && seen.length > LIMITS[sum > 5 ? "low" : "high"] ? drop : accept;',
    },
    refused: {
      body: "const seen = { [packet.mark]: 1 };\nreturn seen[1] === 1 ? drop : accept;",
    },
    code: "kernel-field",
  },
  {
    construct: "typed arrays",
    accepted: {
      body: "const counts = new Uint32Array(4);\ncounts[packet.mark & 3] = 7;\nlet sum = 0;\nfor (const [index, count] of counts.entries()) sum += index * count;\nreturn counts.includes(7) && sum === 7 ? drop : accept;",
    },
    refused: {
      body: "const counts = new Uint32Array(packet.lengthBytes & 7);\nreturn counts[0] === 7 ? drop : accept;",
    },
    code: "kernel-array",
  },
  {
    construct: "constant lists",
    accepted: {
      top: "const PORTS = [22, 23, 80];\nconst LENGTHS = new Map([[53, 512], [123, 48]]);",
      body: "const port = packet.find(tcp)?.destinationPort ?? 0;\nreturn PORTS.includes(port) || (LENGTHS.get(port) ?? 0) > packet.lengthBytes ? drop : accept;",
    },
    refused: {
      body: "const seen: number[] = [];\nseen.push(packet.lengthBytes);\nreturn seen.length === 1 ? drop : accept;",
    },
    code: "kernel-method",
  },
];
