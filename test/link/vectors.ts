/**
 * The test vectors of the link protocol, made from the implementation: `node test/link/vectors.ts` writes them to
 * `test/vectors/`, and `vectors.test.ts` fails when the files and the implementation differ.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { instant, Timestamp } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import { decodeTuples, encodeTuples } from "#wire/cbor.ts";
import { MalformedTuplesError } from "#wire/cbor-profile.ts";
import { FLAG, type FrameParts, FrameSplitter, KIND, NO_MAILBOX, writeFrame } from "#wire/link.ts";
import { Output } from "#wire/output.ts";
import { playConversation } from "./conversation.ts";
import { toVector } from "./vector-value.ts";

export const VECTOR_FOLDER: string = join(import.meta.dirname, "../vectors");

/** Messages in the one form that an encoder makes. */
const MESSAGES: readonly [name: string, tuples: Tuples][] = [
  ["empty", []],
  ["one text", ["host-name", "laptop"]],
  ["empty text and bytes", ["a", "", "b", new Uint8Array(0)]],
  ["text beyond ASCII", ["a", "grün 水 😀"]],
  ["text of 24 bytes", ["a", "x".repeat(24)]],
  ["repeated tag, order kept", ["option", 3, "option", 6, "option", 3]],
  [
    "integers of every length",
    ["a", 0, "b", 23, "c", 24, "d", 255, "e", 256, "f", 65_535, "g", 65_536, "h", 2 ** 32 - 1, "i", 2 ** 32],
  ],
  ["negative integers", ["a", -1, "b", -24, "c", -25, "d", -256, "e", -257, "f", -(2 ** 32)]],
  [
    "integers at 2^53",
    ["a", Number.MAX_SAFE_INTEGER, "b", 1n << 53n, "c", Number.MIN_SAFE_INTEGER, "d", -(1n << 53n)],
  ],
  ["integers at 2^64", ["a", (1n << 64n) - 1n, "b", -(1n << 64n)]],
  ["floats", ["a", 1.5, "b", -4.1, "c", 1e300, "d", 5e-324, "e", -0]],
  [
    "floats that are no numbers",
    ["a", Number.NaN, "b", Number.POSITIVE_INFINITY, "c", Number.NEGATIVE_INFINITY],
  ],
  ["true, false, null", ["a", true, "b", false, "c", null]],
  ["bytes", ["a", Uint8Array.of(0, 127, 128, 255)]],
  ["MAC address", ["chaddr", mac("02:00:00:00:00:01")]],
  [
    "IPv4 address and prefixes",
    [
      "a",
      ip("192.0.2.1"),
      "b",
      prefix("192.0.2.0/24"),
      "c",
      prefix("0.0.0.0/0"),
      "d",
      prefix("192.0.2.1/32"),
    ],
  ],
  [
    "IPv6 address and prefix",
    ["a", ip("2001:db8::1"), "b", prefix("2001:db8::/32"), "c", prefix("fe80::/10")],
  ],
  [
    "times",
    [
      "a",
      new Timestamp(instant(0)),
      "b",
      new Timestamp(instant(1_700_000_000_000)),
      "c",
      new Timestamp(instant(1_700_000_000_250)),
      "d",
      new Timestamp(instant(-1000)),
    ],
  ],
  ["lists", ["a", [], "b", [1, "two", null, true], "c", [ip("192.0.2.1"), mac("02:00:00:00:00:01")]]],
  ["tag of 64 bytes", ["x".repeat(64), 1]],
  ["tags of every allowed kind", ["a b", 1, "A-Z_0.9", 2, "!\"#$%&'()+,-.;<=>?@[\\]^_`{|}~", 3]],
];

/** Forms that an encoder does not make, and a decoder takes. */
const LENIENT: readonly [name: string, hex: string][] = [
  ["integer longer than needed", "8261611800"],
  ["integer in eight bytes", "8261611b0000000000000001"],
  ["count longer than needed", "980261 6101"],
  ["text length longer than needed", "826161 780161".replace(" ", "")],
  ["single-precision float", "826161fa3fc00000"],
  ["prefix with its zero bytes", "826161d83482181844c0000200"],
  ["float of a whole number", "826161fb4008000000000000"],
];

const INVALID: readonly [name: string, hex: string][] = [
  ["nothing", ""],
  ["map", "a0"],
  ["tag without value", "816161"],
  ["indefinite array", "9f616101ff"],
  ["reserved length", "9c"],
  ["trailing byte", "8000"],
  ["cut off", "826161"],
  ["tag that is a number", "820101"],
  ["empty tag", "826001"],
  ["tag with slash", "82612f01"],
  ["tag with colon", "82613a01"],
  ["tag with asterisk", "82612a01"],
  ["tag beyond ASCII", "8262c3bc01"],
  ["tag with control character", "82610901"],
  ["tag of 65 bytes", `827841${"61".repeat(65)}01`],
  ["text that is not UTF-8", "82616161ff"],
  ["overlong UTF-8", "82616162c080"],
  ["surrogate in UTF-8", "82616163eda080"],
  ["text longer than the message", "8261617a00ffffff61"],
  ["indefinite text", "8261617f6161ff"],
  ["list in a list", "8261618180"],
  ["map as value", "826161a0"],
  ["half-precision float", "826161f93c00"],
  ["undefined", "826161f7"],
  ["simple value", "826161f8ff"],
  ["break", "826161ff"],
  ["CBOR tag outside the profile", "826161d82540"],
  ["bignum", "826161c240"],
  ["MAC address of five bytes", "826161d830450200000000"],
  ["IPv4 address of sixteen bytes", `826161d83450${"00".repeat(16)}`],
  ["prefix of 33 bits", "826161d83482182140"],
  ["prefix with bits behind its length", "826161d834820 8420a01".replace(" ", "")],
  ["interface address", "826161d8348244c000020118 18".replace(" ", "")],
  ["time in text", "826161c16161"],
  ["time that is not a number", "826161c1fb7ff8000000000000"],
  ["time after the year 9999", "826161c11b0000003afff44180"],
  ["1025 tuples", "990802"],
  ["list of 65537", "8261619a00010001"],
];

const FRAMES: readonly [name: string, frame: FrameParts][] = [
  ["PING", { kind: KIND.ping, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref: 0, body: [] }],
  [
    "CREDIT of 65536 bytes",
    { kind: KIND.credit, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref: 0, body: ["bytes", 65_536] },
  ],
  [
    "NAME 1 is /dhcpd/lookup",
    { kind: KIND.name, flags: 0, mailbox: 1, seq: 0, ref: 0, body: ["path", "/dhcpd/lookup"] },
  ],
  [
    "SEND with a spelled path",
    { kind: KIND.send, flags: 0, mailbox: 0, seq: 7, ref: 0, path: "/x", body: ["n", 1] },
  ],
  [
    "SEND, quiet, to an interned path",
    { kind: KIND.send, flags: FLAG.quiet, mailbox: 1, seq: 8, ref: 0, body: [] },
  ],
  [
    "CALL with control tuples",
    {
      kind: KIND.call,
      flags: 0,
      mailbox: 1,
      seq: 9,
      ref: 0,
      meta: ["budget", 500, "hops", 2, "waiting", ["glue/ldap@/dhcpd/lookup"], "trace", "portald.1"],
      body: ["n", 1],
    },
  ],
  ["REPLY", { kind: KIND.reply, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref: 9, body: ["n", 2] }],
  [
    "ERROR",
    {
      kind: KIND.error,
      flags: 0,
      mailbox: NO_MAILBOX,
      seq: 0,
      ref: 9,
      body: ["code", "denied", "text", "Cannot send: no"],
    },
  ],
  [
    "a kind of the future that may be passed over",
    { kind: 200, flags: FLAG.skippable, mailbox: NO_MAILBOX, seq: 1, ref: 0, body: [] },
  ],
];

/** What no reader can go on after. */
const INVALID_FRAMES: readonly [name: string, hex: string][] = [
  ["shorter than its head", "0b000000 0d00ffff 00000000 000000"],
  ["longer than 1 MiB", "fdff1000 0d00ffff 00000000 00000000"],
  ["unknown flag", "0d000000 0d08ffff 00000000 00000000 80"],
];

function frameHex(frame: FrameParts): string {
  const output = new Output();
  writeFrame(output, frame);
  return formatHex(output.bytes.subarray(0, output.length));
}

function reasonOf(action: () => void): { offset?: number; reason: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof MalformedTuplesError) return { offset: error.offset, reason: error.reason };
    return { reason: (error as Error).message };
  }
  throw new Error("it was accepted");
}

/** The content of every file, by name. */
export async function makeVectors(): Promise<Record<string, unknown>> {
  const compact = (hex: string): string => hex.replaceAll(" ", "");
  return {
    "messages.json": MESSAGES.map(([name, tuples]) => ({
      name,
      hex: formatHex(encodeTuples(tuples)),
      tuples: toVector(tuples),
    })),
    "messages-lenient.json": LENIENT.map(([name, hex]) => ({
      name,
      hex: compact(hex),
      tuples: toVector(decodeTuples(parseHex(hex))),
    })),
    "messages-invalid.json": INVALID.map(([name, hex]) => ({
      name,
      hex: compact(hex),
      ...reasonOf(() => decodeTuples(parseHex(hex))),
    })),
    "frames.json": FRAMES.map(([name, frame]) => ({
      name,
      hex: frameHex(frame),
      kind: frame.kind,
      flags: frame.meta ? frame.flags | FLAG.meta : frame.flags,
      mailbox: frame.mailbox,
      seq: frame.seq,
      ref: frame.ref,
      ...(frame.path === undefined ? {} : { path: frame.path }),
      meta: toVector(frame.meta ?? []),
      body: toVector(frame.body),
    })),
    "frames-invalid.json": INVALID_FRAMES.map(([name, hex]) => ({
      name,
      hex: compact(hex),
      reason: reasonOf(() => new FrameSplitter().push(parseHex(hex), () => undefined)).reason,
    })),
    "conversation.json": await playConversation(),
  };
}

export function renderVectors(content: unknown): string {
  return `${JSON.stringify(content, undefined, 1)}\n`;
}

if (import.meta.main) {
  for (const [file, content] of Object.entries(await makeVectors())) {
    writeFileSync(join(VECTOR_FOLDER, file), renderVectors(content));
  }
}
