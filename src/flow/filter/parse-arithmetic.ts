/**
 * Arithmetic of filters: numbers, `len`, bytes of headers, operators. The precedence is that of libpcap's grammar,
 * where `^` and `%` have none: they bind their left operand tighter than any other and take all that follows as the
 * right one.
 * @module
 */
import type { FilterArithmetic, FilterOperator, FilterProtocol } from "./expression.ts";
import { FilterError } from "./filter-error.ts";
import { CONSTANTS, PROTOCOL_WORDS } from "./names.ts";
import type { TokenReader } from "./token-reader.ts";

const LEVELS: Readonly<Record<string, number>> = {
  "|": 1,
  "&": 2,
  "<<": 3,
  ">>": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
};
const UNARY_LEVEL = 6;

/** Protocols of which bytes can be read; the others have no header of their own, or none at a known place. */
const INDEXED: ReadonlySet<FilterProtocol> = new Set<FilterProtocol>([
  ...(["ether", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp"] as const),
  ...(["pim", "vrrp", "carp", "atalk", "decnet", "lat", "moprc", "mopdl", "sca"] as const),
]);

/** Whether the sign continues or compares a number. */
export function isArithmeticSign(text: string): boolean {
  return text in LEVELS || text === "^" || text === "%";
}

/** @throws FilterError */
export function parseArithmetic(reader: TokenReader, level = 0): FilterArithmetic {
  reader.enter();
  let left = parseOperand(reader);
  for (;;) {
    const { kind, text, column } = reader.token;
    if (kind !== "sign") break;
    const own = text === "^" || text === "%" ? Number.POSITIVE_INFINITY : (LEVELS[text] ?? 0);
    if (own <= level) break;
    reader.countOperator();
    reader.advance();
    const right = parseArithmetic(reader, own === Number.POSITIVE_INFINITY ? 0 : own);
    left = { kind: "binary", operator: text as FilterOperator, left, right, column };
  }
  reader.leave();
  return left;
}

function parseOperand(reader: TokenReader): FilterArithmetic {
  const { kind, text, value, column } = reader.token;
  if (kind === "number") {
    reader.advance();
    return { kind: "number", value };
  }
  if (reader.takeSign("-")) return { kind: "negate", operand: parseArithmetic(reader, UNARY_LEVEL) };
  if (reader.takeSign("(")) {
    const inner = parseArithmetic(reader);
    reader.expectSign(")");
    return inner;
  }
  if (kind === "word") {
    const constant = CONSTANTS.get(text);
    if (constant !== undefined) {
      reader.advance();
      return { kind: "number", value: constant };
    }
    if (text === "len" || text === "length") {
      reader.advance();
      return { kind: "length" };
    }
    const protocol = PROTOCOL_WORDS.get(text);
    if (protocol !== undefined) return parseField(reader, protocol, column);
  }
  throw reader.problem("expected a number, len, or bytes of a header such as tcp[13]");
}

function parseField(reader: TokenReader, protocol: FilterProtocol, column: number): FilterArithmetic {
  const { text } = reader.token;
  reader.advance();
  if (!INDEXED.has(protocol)) throw new FilterError({ column, seen: `bytes of ${text} cannot be read` });
  reader.expectSign("[");
  const index = parseArithmetic(reader);
  let sizeBytes = 1;
  if (reader.takeSign(":")) {
    if (reader.token.kind !== "number") throw reader.problem("expected how many bytes to read: 1, 2 or 4");
    sizeBytes = reader.token.value;
    if (sizeBytes !== 1 && sizeBytes !== 2 && sizeBytes !== 4)
      throw reader.problem("expected 1, 2 or 4 bytes");
    reader.advance();
  }
  reader.expectSign("]");
  return { kind: "field", protocol, index, sizeBytes: sizeBytes as 1 | 2 | 4, column };
}
