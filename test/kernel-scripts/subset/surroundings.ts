/**
 * The table's rows about what a script is given besides the packet, and about verdicts.
 * @module
 */
import type { SubsetRow } from "./row.ts";

export const SURROUNDINGS_ROWS: readonly SubsetRow[] = [
  {
    construct: "maps",
    accepted: {
      body: 'const seen = context.map("seen", { kind: "lru", countMax: 1000, timeToLive: seconds(60) });\nreturn (seen.add(packet.payload(ipv4)?.source ?? 0) ?? 0) > 10 ? drop : accept;',
    },
    refused: {
      body: 'const seen = context.map("seen", { key: "text" });\nreturn seen.has("a") ? drop : accept;',
    },
    code: "kernel-map",
  },
  {
    construct: "what maps are asked",
    accepted: {
      body: 'const m = context.map("m");\nif (!m.has(1)) m.set(1, 2);\nif (m.compareAndSet(1, 2, 3)) m.delete(7);\nreturn (m.get(1) ?? 0) > 2 ? drop : accept;',
    },
    refused: { body: 'return context.map("m").size > 3 ? drop : accept;' },
    code: "kernel-map",
  },
  {
    construct: "counters",
    accepted: { body: 'context.counter("seen").add(packet.lengthBytes);\nreturn;' },
    refused: { body: 'return context.counter("seen").value > 3 ? drop : accept;' },
    code: "kernel-context",
  },
  {
    construct: "the time",
    accepted: { body: "return context.now % 2 === 0 ? drop : accept;" },
    refused: { body: "return Date.now() % 2 === 0 ? drop : accept;" },
    code: "kernel-global",
  },
  {
    construct: "chance",
    accepted: { body: "return context.randomInteger(6) === 3 || context.random() < 0.25 ? drop : accept;" },
    refused: { body: "const chance = context.random();\nreturn chance * chance > 0.25 ? drop : accept;" },
    code: "kernel-fraction",
  },
  {
    construct: "events on the bus",
    accepted: {
      body: 'context.bus.post("watch:/seen", { length: packet.lengthBytes, isMarked: packet.mark > 0 });\nreturn;',
    },
    refused: { body: 'context.bus.call("watch:/seen", {});\nreturn;' },
    code: "kernel-context",
  },
  {
    construct: "later work, new packets, logs",
    accepted: { body: "return;" },
    refused: { body: 'context.log("seen");\nreturn;' },
    code: "kernel-context",
  },
  {
    construct: "verdicts",
    accepted: { body: "return packet.mark === 1 ? drop : packet.mark === 2 ? accept : verdict.continue;" },
    refused: { body: "return packet.mark === 1 ? queue(3) : accept;" },
    code: "kernel-verdict",
  },
  {
    construct: "`mark`",
    accepted: { body: "return mark(7);" },
    refused: { body: "return mark(7);", attach: "netfilter" },
    code: "kernel-no-mark",
  },
  {
    construct: "`redirect`",
    accepted: { body: 'return redirect(packet, context, "eth1");' },
    refused: { body: 'return redirect(packet, context, "eth1");', attach: "netfilter" },
    code: "kernel-no-redirect",
  },
  {
    construct: "`handOver`",
    accepted: {
      top: "export function inspect(packet: Packet, context: Context) {\ncontext.log(packet.payload().text());\nreturn accept;\n}",
      body: "return packet.find(tcp)?.destinationPort === 80 ? handOver(packet, context, inspect) : proceed;",
    },
    refused: {
      top: "function inspect(packet: Packet, context: Context) {\ncontext.log(packet.payload().text());\nreturn accept;\n}",
      body: "return packet.find(tcp)?.destinationPort === 80 ? handOver(packet, context, inspect) : proceed;",
    },
    code: "kernel-hand-over",
  },
];
