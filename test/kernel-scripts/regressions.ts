/**
 * What once failed, made small, each with a name that says what it was.
 * @module
 */

export interface Regression {
  /** What was wrong, as a sentence about scripts. */
  readonly name: string;
  /** What stands at the module's top before the function. */
  readonly top?: string;
  /** Statements of the function `(packet, context)`. */
  readonly body: string;
  readonly writes?: boolean;
  readonly marks?: boolean;
  /** Whole Ethernet frames, in hexadecimal. */
  readonly frames: readonly string[];
}

/** An Ethernet header and nothing behind it; then a datagram to port 5002 over IPv4. */
const FRAMES = [
  "0200000000010000000000020800",
  "0200000000010000000000010800450000202a5f00004011d1420a00000216ffffff01bb138a000c00000102030400000000",
] as const;

export const REGRESSIONS: readonly Regression[] = [
  {
    name: "functions with a return type inside of functions are known in loops that stay loops",
    top: "function outer(): number {\n  const inner = (a: number): number => a + 1;\n  return inner(1);\n}",
    body: [
      "let count = outer();",
      "for (let i = 0; i < 100; i++) count = (count + outer() + packet.lengthBytes) & 255;",
      'context.counter("c").add(count);',
    ].join("\n"),
    frames: FRAMES,
  },
  {
    name: "a header that is never there ends a chain of `?.`, and not the script",
    body: 'const h = packet.payload(tcp)?.payload(udp);\ncontext.counter("c").add(h === undefined ? 3 : 5);',
    frames: FRAMES,
  },
  {
    name: "a condition that is turned round inside of a branch is known behind it as well",
    body: [
      "const one = packet.payload(ipv4)?.payload(udp);",
      "const other = packet.payload(ipv4)?.payload(icmp);",
      'if (one !== undefined) context.counter("c").add(other === undefined ? 3 : 5);',
      'context.counter("c").add(other === undefined ? 3 : 5);',
    ].join("\n"),
    frames: FRAMES,
  },
  {
    name: "offsets far outside of the packet are outside",
    body: 'context.counter("c").add((packet.uint8(9007199254740991) ?? 7) + (packet.uint16(-3) ?? 9));',
    frames: FRAMES,
  },
  {
    name: "bytes that only a loop writes are told to the checksum round by round",
    body: [
      "const data = packet.payload(ipv4)?.payload(udp)?.payload();",
      "if (data === undefined) return verdict.continue;",
      "for (let i = 0; i < 64; i++) {",
      "  const byte = data.uint8(i);",
      "  if (byte === undefined) break;",
      "  data.setUint8(i, byte ^ 0x20);",
      "}",
    ].join("\n"),
    writes: true,
    frames: FRAMES,
  },
  {
    name: "a checksum that a loop was expected to change may be another one behind it",
    body: [
      "const ip = packet.payload(ipv4);",
      "const data = ip?.payload(udp)?.payload();",
      "if (ip === undefined || data === undefined) return verdict.continue;",
      "for (let i = 0; i < 64; i++) {",
      "  const byte = data.uint8(i);",
      "  if (byte === undefined) break;",
      "  data.setUint8(i, byte ^ 0x21);",
      "}",
      "ip.source = 0x0a010203;",
    ].join("\n"),
    writes: true,
    frames: FRAMES,
  },
  {
    name: "negative numbers are two's complement in fields of 48 bits",
    body: "const frame = packet.payload(ethernet);\nif (frame !== undefined) frame.source -= 2;",
    writes: true,
    frames: ["0200000000010000000000000800", "0200000000010000000000020800"],
  },
  {
    name: "what Ethernet carries is looked at again when a script has written to it",
    body: [
      "const frame = packet.payload(ethernet);",
      'const seen = context.counter("c");',
      "seen.add(packet.payload(ipv4) === undefined ? 1 : 2);",
      "for (let i = 0; i < 40; i++) {",
      "  seen.add(packet.payload(ipv4) === undefined ? 100 : 10000);",
      "  if (frame !== undefined && i === 20) frame.type = 0x88b5;",
      "}",
      "seen.add(packet.payload(ipv4) === undefined ? 1000000 : 2000000);",
    ].join("\n"),
    writes: true,
    frames: FRAMES,
  },
  {
    name: "a function that a loop leaves behind sees the round that it was made in",
    body: [
      "let kept = () => 9;",
      "for (let i = 0; i < 3; i++) {",
      "  const round = i * 10;",
      "  if (i === 0) kept = () => round;",
      '  context.counter("c").add(kept() + 1);',
      "}",
    ].join("\n"),
    frames: FRAMES,
  },
  {
    name: "a function in an object that a loop leaves behind sees the round that it was made in",
    body: [
      "const held = { kept: () => 9 };",
      "for (const round of [10, 20, 30]) {",
      "  if (round === 10) held.kept = () => round;",
      '  context.counter("c").add(held.kept());',
      "}",
    ].join("\n"),
    frames: FRAMES,
  },
  {
    name: "a question that is its own answer is asked again of what it was",
    top: "const PORTS = [23, 53, 80, 443];",
    body: [
      "const port = PORTS[packet.lengthBytes & 3] as number;",
      "const at = Math.min(Math.max(Math.trunc(port / 17), 0), 127);",
      'context.bus.post("test:/two", { f0: packet.bytes(at, 3) });',
    ].join("\n"),
    frames: FRAMES,
  },
];
