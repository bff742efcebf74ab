/**
 * Cuts a filter's text into words, numbers, addresses and signs, by the rules of pcap-filter(7).
 * @module
 */
import { FilterError } from "./filter-error.ts";

/** Characters a filter has at most: one of 65 536 is refused before it is read. */
export const FILTER_TEXT_MAX = 65_535;

/**
 * - `word`: a keyword, a protocol or a name; an escaped one (`\tcp`) is a name only
 * - `number`: `text` as it was written, `value` what it says
 * - `dotted`: parts of an IPv4 address, two to four
 */
export interface Token {
  readonly kind: "word" | "escaped" | "number" | "dotted" | "ipv6" | "mac" | "sign" | "end";
  readonly text: string;
  readonly value: number;
  /** The first character is 1. */
  readonly column: number;
}

const SPACE = /[ \t\r\n]+/y;
const SIGN = /&&|\|\||!=|==|<=|>=|<<|>>|[!=<>&|^+\-*/%()[\]:]/y;
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[A-Za-z0-9_])?/y;
const ESCAPED = /\\([^ !()\n\t]+)/y;
const IPV6 = /(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]+(?:\d+\.\d+\.\d+\.\d+)?/y;
const MAC =
  /(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}(?![0-9A-Fa-f:])|(?:[0-9A-Fa-f]{1,2}-){5}[0-9A-Fa-f]{1,2}(?![-.\w])|(?:[0-9A-Fa-f]{1,2}\.){5}[0-9A-Fa-f]{1,2}(?![-.\w])|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![-.\w])|[0-9A-Fa-f]{12}(?![-.\w])/y;
const NUMBER = /^(?:0[xX][0-9A-Fa-f]+|\d+)$/;
const DOTTED = /^\d+(?:\.\d+){1,3}$/;

/**
 * The last token is the end.
 * @throws FilterError
 */
export function readTokens(text: string): readonly Token[] {
  if (text.length > FILTER_TEXT_MAX) {
    const seen = `it has ${text.length} characters, at most ${FILTER_TEXT_MAX}`;
    throw new FilterError({ column: 0, seen });
  }
  const tokens: Token[] = [];
  let at = skip(SPACE, text, 0);
  let brackets = 0;
  while (at < text.length) {
    const token = readToken(text, at, brackets > 0);
    if (token.text === "[") brackets++;
    if (token.text === "]") brackets--;
    tokens.push(token);
    at = skip(SPACE, text, at + token.text.length + (token.kind === "escaped" ? 1 : 0));
  }
  tokens.push({ kind: "end", text: "", value: 0, column: text.length + 1 });
  return tokens;
}

/** Inside of brackets a colon stands between an offset and a size, never in an address. */
function readToken(text: string, at: number, isIndex: boolean): Token {
  const column = at + 1;
  const token = (kind: Token["kind"], found: string, value = 0): Token => ({
    kind,
    text: found,
    value,
    column,
  });
  const mac = isIndex ? undefined : find(MAC, text, at);
  if (mac !== undefined) return token("mac", mac);
  const ipv6 = isIndex ? undefined : find(IPV6, text, at);
  if (ipv6 !== undefined) return token("ipv6", ipv6);
  const word = find(WORD, text, at);
  if (word !== undefined) {
    if (NUMBER.test(word)) return token("number", word, numberOf(word, column));
    return token(DOTTED.test(word) ? "dotted" : "word", word);
  }
  const sign = find(SIGN, text, at);
  if (sign !== undefined) return token("sign", sign);
  const escaped = find(ESCAPED, text, at);
  if (escaped !== undefined) return token("escaped", escaped.slice(1));
  const seen = `${JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))} means nothing here`;
  throw new FilterError({ column, seen });
}

/** As in C: 0x for hexadecimal, 0 for octal. */
function numberOf(text: string, column: number): number {
  const isOctal = /^0\d/.test(text);
  if (isOctal && /[89]/.test(text)) {
    throw new FilterError({
      column,
      seen: `${text} is octal, as it begins with 0, but has an 8 or a 9`,
      expected: `write ${text.replace(/^0+/, "")}`,
    });
  }
  const value = isOctal ? Number.parseInt(text, 8) : Number(text);
  if (value > 0xffffffff) throw new FilterError({ column, seen: `${text} has more than 32 bits` });
  return value;
}

function find(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (find(pattern, text, at)?.length ?? 0);
}
