/**
 * Reads the libpcap filter language of pcap-filter(7): how primitives combine. `and` and `or` have the same
 * precedence and go from left to right; an id without qualifiers takes those of the primitive before it.
 * @module
 */
import type { FilterExpression, RelationPrimitive } from "./expression.ts";
import { CONSTANTS, PROTOCOL_WORDS } from "./names.ts";
import { isArithmeticSign, parseArithmetic } from "./parse-arithmetic.ts";
import { parseId, parsePrimitive, type Qualifiers } from "./parse-primitive.ts";
import { TokenReader } from "./token-reader.ts";

/**
 * The filter's text as a tree; an empty one matches all packets.
 * @throws FilterError with the column, what was expected and, of a misspelled word, a suggestion
 */
export function parseFilter(text: string): FilterExpression {
  const reader = new TokenReader(text);
  if (reader.isAtEnd()) return { kind: "all" };
  const { expression } = parseTerms(reader, undefined);
  if (!reader.isAtEnd()) throw reader.problem("expected and, or, or the end");
  return expression;
}

/** An expression, and the qualifiers that an id behind it would take. */
interface Parsed {
  readonly expression: FilterExpression;
  readonly qualifiers: Qualifiers | undefined;
}

function parseTerms(reader: TokenReader, inherited: Qualifiers | undefined): Parsed {
  reader.enter();
  let { expression, qualifiers } = parseTerm(reader, inherited);
  let kind: "and" | "or" | undefined;
  let terms = [expression];
  for (;;) {
    const next = takeJunction(reader);
    if (next === undefined) break;
    if (kind !== undefined && next !== kind) {
      reader.countChange();
      terms = [{ kind, terms }];
    }
    kind = next;
    ({ expression, qualifiers } = parseTerm(reader, qualifiers));
    terms.push(expression);
  }
  reader.leave();
  return { expression: kind === undefined ? expression : { kind, terms }, qualifiers };
}

function takeJunction(reader: TokenReader): "and" | "or" | undefined {
  if (reader.takeWord("and") || reader.takeSign("&&")) return "and";
  if (reader.takeWord("or") || reader.takeSign("||")) return "or";
  return undefined;
}

function parseTerm(reader: TokenReader, inherited: Qualifiers | undefined): Parsed {
  if (reader.takeWord("not") || reader.takeSign("!")) {
    reader.enter();
    const { expression, qualifiers } = parseTerm(reader, inherited);
    reader.leave();
    return { expression: { kind: "not", term: expression }, qualifiers };
  }
  if (startsRelation(reader)) return { expression: parseRelation(reader), qualifiers: undefined };
  if (reader.takeSign("(")) {
    const group = parseTerms(reader, inherited);
    reader.expectSign(")");
    return group;
  }
  return startsId(reader) ? parseId(reader, inherited) : parsePrimitive(reader);
}

function startsId(reader: TokenReader): boolean {
  const { kind } = reader.token;
  return kind !== "word" && kind !== "sign" && kind !== "end" ? true : kind === "word" && reader.isBareName();
}

/** Whether what stands here is compared; that of a group shows behind it. */
function startsRelation(reader: TokenReader): boolean {
  const { kind, text } = reader.token;
  if (kind === "word") {
    if (text === "len" || text === "length" || CONSTANTS.has(text)) return true;
    const next = reader.peek(1);
    return PROTOCOL_WORDS.has(text) && next.kind === "sign" && next.text === "[";
  }
  if (kind === "sign" && text === "-") return true;
  const next =
    kind === "number"
      ? reader.peek(1)
      : text === "(" && kind === "sign"
        ? reader.peekBehindGroup()
        : undefined;
  return next?.kind === "sign" && (isArithmeticSign(next.text) || isComparison(next.text));
}

function isComparison(text: string): boolean {
  return text in COMPARISONS;
}

const COMPARISONS: Readonly<Record<string, RelationPrimitive["operator"]>> = {
  "=": "=",
  "==": "=",
  "!=": "!=",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
};

function parseRelation(reader: TokenReader): RelationPrimitive {
  const { column } = reader.token;
  const left = parseArithmetic(reader);
  const operator = reader.token.kind === "sign" ? COMPARISONS[reader.token.text] : undefined;
  if (operator === undefined) throw reader.problem("expected a comparison such as = or >");
  reader.advance();
  return { kind: "relation", operator, left, right: parseArithmetic(reader), column };
}
