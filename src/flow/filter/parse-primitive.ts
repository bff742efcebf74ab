/**
 * Primitives of filters: qualifiers (`tcp src port`), the ids behind them, and words that stand alone.
 * @module
 */
import type { FilterDirection, FilterExpression, FilterPrimitive, FilterProtocol } from "./expression.ts";
import { FilterError } from "./filter-error.ts";
import { PROTOCOL_WORDS } from "./names.ts";
import { primitiveOf } from "./parse-id.ts";
import type { TokenReader } from "./token-reader.ts";

/** What stands in front of an id. */
export interface Qualifiers {
  readonly protocol: FilterProtocol | undefined;
  readonly direction: FilterDirection | undefined;
  readonly type: "host" | "net" | "port" | "portrange" | "proto";
}

interface Parsed {
  readonly expression: FilterExpression;
  readonly qualifiers: Qualifiers | undefined;
}

const ID = "expected an address, a port or a number";

/**
 * An id, `not` of one, or ids in parentheses, with qualifiers that stood before.
 * @throws FilterError
 */
export function parseId(reader: TokenReader, qualifiers: Qualifiers | undefined): Parsed {
  const { token } = reader;
  if (qualifiers === undefined) {
    const seen = `${JSON.stringify(token.text)} has no word in front that says what it is`;
    const suggestion = { dotted: "host", ipv6: "host", mac: "ether host", number: "port" }[
      token.kind as "mac"
    ];
    const meant = suggestion === undefined ? undefined : `${suggestion} ${token.text}`;
    const expected = "expected host, net, port, proto or the like";
    if (token.kind === "word") throw reader.problem(expected);
    throw new FilterError({ column: token.column, seen, expected, suggestion: meant });
  }
  return { expression: parseIds(reader, qualifiers), qualifiers };
}

function parseIds(reader: TokenReader, qualifiers: Qualifiers): FilterExpression {
  if (reader.takeWord("not") || reader.takeSign("!")) {
    reader.enter();
    const term = parseIds(reader, qualifiers);
    reader.leave();
    return { kind: "not", term };
  }
  if (!reader.takeSign("(")) return primitiveOf(reader, qualifiers);
  reader.enter();
  let terms = [parseIds(reader, qualifiers)];
  let kind: "and" | "or" | undefined;
  while (!reader.takeSign(")")) {
    const isAnd = reader.isWord("and") || reader.isSign("&&");
    const isOr = reader.isWord("or") || reader.isSign("||");
    if (!isAnd && !isOr) throw reader.problem("expected and, or, or )");
    reader.advance();
    const next = isAnd ? "and" : "or";
    if (kind !== undefined && next !== kind) {
      reader.countChange();
      terms = [{ kind, terms }];
    }
    kind = next;
    terms.push(parseIds(reader, qualifiers));
  }
  reader.leave();
  return kind === undefined ? (terms[0] as FilterExpression) : { kind, terms };
}

/**
 * Qualifiers with their id, or a word that needs none.
 * @throws FilterError
 */
export function parsePrimitive(reader: TokenReader): Parsed {
  const alone = parseAlone(reader);
  if (alone !== undefined) return { expression: alone, qualifiers: undefined };
  const { column } = reader.token;
  const protocol = takeProtocol(reader);
  if (protocol !== undefined && reader.isWord("broadcast", "multicast")) {
    return { expression: parseCast(reader, protocol, column), qualifiers: undefined };
  }
  const direction = takeDirection(reader);
  const type = takeType(reader);
  if (type === undefined && direction === undefined) {
    if (protocol === undefined) throw reader.problem("expected a primitive such as host, port or tcp");
    if (protocol === "ether") throw reader.problem("expected host, src, dst, proto, broadcast or multicast");
    return { expression: { kind: "protocol", protocol, column }, qualifiers: undefined };
  }
  if (type === "proto" && direction !== undefined) {
    throw new FilterError({ column, seen: `${direction} cannot stand in front of proto` });
  }
  const { kind, text } = reader.token;
  if (kind === "end" || (kind === "sign" && text !== "(" && text !== "!")) throw reader.problem(ID);
  return parseId(reader, { protocol, direction, type: type ?? "host" });
}

/** Words that take a number or nothing. */
function parseAlone(reader: TokenReader): FilterPrimitive | undefined {
  const { column } = reader.token;
  if (reader.isWord("broadcast", "multicast")) return parseCast(reader, "ether", column);
  if (reader.isWord("inbound", "outbound")) {
    const kind = reader.token.text as "inbound" | "outbound";
    reader.advance();
    return { kind, column };
  }
  if (reader.takeWord("pppoed")) {
    return { kind: "protocol-number", within: "ether", number: 0x8863, column };
  }
  if (reader.isWord("less", "greater")) {
    const operator = reader.token.text === "less" ? "<=" : ">=";
    reader.advance();
    const value = takeNumber(reader);
    if (value === undefined) throw reader.problem("expected a number of bytes");
    return { kind: "relation", operator, left: { kind: "length" }, right: { kind: "number", value }, column };
  }
  for (const [kind, limit, what] of LAYERS) {
    if (!reader.takeWord(kind)) continue;
    const place = reader.token.column;
    const id = takeNumber(reader);
    if (id !== undefined && id > limit) {
      throw new FilterError({ column: place, seen: `${what} ${id} is above ${limit}` });
    }
    return { kind, id, column };
  }
  return undefined;
}

const LAYERS = [
  ["vlan", 0xfff, "VLAN id"],
  ["mpls", 0xfffff, "MPLS label"],
  ["pppoes", 0xffff, "PPPoE session"],
] as const;

/** In parentheses too, as the grammar has it. */
function takeNumber(reader: TokenReader): number | undefined {
  let depth = 0;
  while (reader.peek(depth).kind === "sign" && reader.peek(depth).text === "(") depth++;
  const { kind, value } = reader.peek(depth);
  if (kind !== "number") return undefined;
  for (let at = 0; at <= depth; at++) reader.advance();
  for (let at = 0; at < depth; at++) reader.expectSign(")");
  return value;
}

function parseCast(reader: TokenReader, protocol: FilterProtocol, column: number): FilterPrimitive {
  const kind = reader.token.text as "broadcast" | "multicast";
  if (protocol !== "ether" && protocol !== "ip" && (protocol !== "ip6" || kind === "broadcast")) {
    throw new FilterError({ column, seen: `${protocol} has no ${kind}`, expected: "expected ether or ip" });
  }
  reader.advance();
  return { kind, within: protocol, column };
}

function takeProtocol(reader: TokenReader): FilterProtocol | undefined {
  const protocol = reader.token.kind === "word" ? PROTOCOL_WORDS.get(reader.token.text) : undefined;
  if (protocol !== undefined) reader.advance();
  return protocol;
}

function takeDirection(reader: TokenReader): FilterDirection | undefined {
  if (!reader.isWord("src", "dst")) return undefined;
  const first = reader.token.text as "src" | "dst";
  const other = first === "src" ? "dst" : "src";
  const junction = reader.peek(1);
  const second = reader.peek(2);
  reader.advance();
  if (second.kind !== "word" || second.text !== other) return first;
  const isAnd = junction.text === "and" || junction.text === "&&";
  const isOr = junction.text === "or" || junction.text === "||";
  if (!isAnd && !isOr) return first;
  reader.advance();
  reader.advance();
  return isAnd ? "src and dst" : "src or dst";
}

function takeType(reader: TokenReader): Qualifiers["type"] | undefined {
  if (!reader.isWord("host", "net", "port", "portrange", "proto")) return undefined;
  const type = reader.token.text as Qualifiers["type"];
  reader.advance();
  return type;
}
