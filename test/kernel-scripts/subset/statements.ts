/**
 * The table's rows about statements and functions.
 * @module
 */
import type { SubsetRow } from "./row.ts";

export const STATEMENT_ROWS: readonly SubsetRow[] = [
  {
    construct: "variables",
    accepted: {
      body: "let sum = packet.lengthBytes;\nlet other = 3;\n[sum, other] = [other + 4, sum];\nreturn sum < other ? drop : accept;",
    },
    refused: {
      top: "const PORTS = [22];\nPORTS.push(80);",
      body: "return PORTS[0] === packet.mark ? drop : accept;",
    },
    code: "kernel-module-variable",
  },
  {
    construct: "`if` and `?:`",
    accepted: {
      body: "if (packet.mark === 7) return drop;\nelse if (packet.lengthBytes > 100) return accept;\nreturn packet.mark > 9 ? drop : accept;",
    },
    refused: { body: "if (accept) return drop;\nreturn accept;" },
    code: "kernel-verdict-truth",
  },
  {
    construct: "`switch`",
    accepted: {
      body: "switch (packet.mark) {\ncase 1:\ncase 2:\nreturn drop;\ndefault:\nreturn accept;\n}",
    },
    refused: {
      body: 'switch (packet.payload().text()) {\ncase "a":\nreturn drop;\ndefault:\nreturn accept;\n}',
    },
    code: "kernel-member",
  },
  {
    construct: "loops with a bound",
    accepted: {
      body: "let sum = 0;\nfor (let at = 0; at < 8; at++) sum += packet.uint8(at) ?? 0;\nlet end = 14;\nwhile (end < sum && packet.uint8(end) === 1) end += 2;\nlet bits = 0;\ndo {\nsum >>= 1;\nbits++;\n} while (sum > 0);\nreturn end > bits ? drop : accept;",
    },
    refused: {
      body: "let at = 0;\nwhile (packet.uint8(at) !== 0) at = (at * 5 + 1) & 0xffff;\nreturn at > 3 ? drop : accept;",
    },
    code: "kernel-loop",
  },
  {
    construct: "`for` over a constant list",
    accepted: {
      top: "const MARKS = [3, 5, 9];",
      body: "for (const one of MARKS) if (packet.mark === one) return drop;\nreturn accept;",
    },
    refused: {
      body: "for (const option of packet.payload(ipv4)?.options() ?? []) if (option.kind === 7) return drop;\nreturn accept;",
    },
    code: "kernel-member",
  },
  {
    construct: "functions of the script",
    accepted: {
      top: "function isLow(port: number): boolean {\nif (port === 0) return false;\nreturn port < 1024;\n}",
      body: "return isLow(packet.find(tcp)?.destinationPort ?? 0) ? drop : accept;",
    },
    refused: {
      top: "function depth(n: number): number {\nreturn n > 100 ? n : depth(n + 1);\n}",
      body: "return depth(packet.lengthBytes) === 100 ? drop : accept;",
    },
    code: "kernel-recursion",
  },
  {
    construct: "functions that functions answer",
    accepted: {
      top: "const onPort = (port: number) => (packet: Packet) => packet.payload(ipv4)?.payload(tcp)?.destinationPort === port;\nconst TESTS = [onPort(22), onPort(23)];",
      body: "return TESTS.some((test) => test(packet)) ? drop : accept;",
    },
    refused: {
      top: "const above = (limit: number) => (length: number) => length > limit;",
      body: "return above(packet.mark)(packet.lengthBytes) ? drop : accept;",
    },
    code: "kernel-closure",
  },
  {
    construct: "early `return`",
    accepted: { body: "if (packet.mark === 1) return;\nreturn drop;" },
    refused: { body: 'if (packet.mark === 1) throw new Error("one");\nreturn drop;' },
    code: "kernel-statement",
  },
  {
    construct: "objects and classes",
    accepted: {
      body: "const { mark: seen, lengthBytes } = packet;\nreturn seen > lengthBytes ? drop : accept;",
    },
    refused: { body: "const seen = new Map<number, number>();\nreturn seen.size > 0 ? drop : accept;" },
    code: "kernel-new",
  },
  {
    construct: "promises",
    accepted: { body: "return drop;" },
    refused: {
      top: "const wait = async (): Promise<typeof drop> => drop;",
      body: "return later(wait());",
    },
    code: "kernel-async",
  },
];
