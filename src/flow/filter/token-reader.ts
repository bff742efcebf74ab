/**
 * A place in a filter's tokens, with what every part of the grammar asks of it.
 * @module
 */
import { FilterError, suggest } from "./filter-error.ts";
import { CONSTANTS, GRAMMAR_WORDS, PROTOCOL_WORDS, REFUSED_WORDS } from "./names.ts";
import { readTokens, type Token } from "./token.ts";

/** How deep parentheses, brackets, negations and operators may stand in each other. */
export const FILTER_NESTING_MAX = 200;

/** Arithmetic operators that one filter has at most. */
export const FILTER_OPERATORS_MAX = 2000;

/** How often a filter may change between `and` and `or` without parentheses. */
export const FILTER_CHANGES_MAX = 1000;

export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  /** For every opening parenthesis, the token behind the closing one. */
  readonly #behind: ReadonlyMap<number, number>;
  #at = 0;
  #depth = 0;
  #operators = 0;
  #changes = 0;

  /** @throws FilterError */
  constructor(text: string) {
    this.#tokens = readTokens(text);
    this.#end = this.#tokens[this.#tokens.length - 1] as Token;
    this.#behind = pairs(this.#tokens);
  }

  get token(): Token {
    return this.peek(0);
  }

  isAtEnd(): boolean {
    return this.token.kind === "end";
  }

  /** The token so many further on; the end where there are no more. */
  peek(distance: number): Token {
    return this.#tokens[this.#at + distance] ?? this.#end;
  }

  /** The token behind the parenthesis that closes the one here. */
  peekBehindGroup(): Token {
    const behind = this.#behind.get(this.#at);
    return behind === undefined ? this.#end : (this.#tokens[behind] ?? this.#end);
  }

  advance(): void {
    this.#at++;
  }

  isWord(...words: readonly string[]): boolean {
    return this.token.kind === "word" && words.includes(this.token.text);
  }

  isSign(...signs: readonly string[]): boolean {
    return this.token.kind === "sign" && signs.includes(this.token.text);
  }

  /** Whether a word here means something by itself, so that as a name it wants a backslash. */
  isKeyword(): boolean {
    const { text } = this.token;
    return (
      GRAMMAR_WORDS.includes(text) ||
      PROTOCOL_WORDS.has(text) ||
      CONSTANTS.has(text) ||
      REFUSED_WORDS.has(text)
    );
  }

  /** Whether a word here is a name, which takes the qualifiers of what stood before. */
  isBareName(): boolean {
    return this.token.kind === "word" && !this.isKeyword();
  }

  takeWord(...words: readonly string[]): boolean {
    if (!this.isWord(...words)) return false;
    this.advance();
    return true;
  }

  takeSign(...signs: readonly string[]): boolean {
    if (!this.isSign(...signs)) return false;
    this.advance();
    return true;
  }

  /** @throws FilterError when something else stands here */
  expectSign(sign: string): void {
    if (!this.takeSign(sign)) throw this.problem(`expected ${sign}`);
  }

  /** @throws FilterError when the nesting becomes too deep */
  enter(): void {
    if (++this.#depth > FILTER_NESTING_MAX) {
      const seen = `more than ${FILTER_NESTING_MAX} levels stand in each other`;
      throw new FilterError({ column: this.token.column, seen, expected: "write it flatter" });
    }
  }

  leave(): void {
    this.#depth--;
  }

  /** Each operator makes a tree that may be one deeper. @throws FilterError */
  countOperator(): void {
    if (++this.#operators > FILTER_OPERATORS_MAX) throw this.#tooMany(FILTER_OPERATORS_MAX, "operators");
  }

  /** Each change between `and` and `or` as well. @throws FilterError */
  countChange(): void {
    if (++this.#changes > FILTER_CHANGES_MAX) {
      throw this.#tooMany(FILTER_CHANGES_MAX, "changes between and and or");
    }
  }

  #tooMany(limit: number, what: string): FilterError {
    return new FilterError({ column: this.token.column, seen: `it has more than ${limit} ${what}` });
  }

  /** What stands here is not what should. */
  problem(expected: string): FilterError {
    const { kind, text, column } = this.token;
    if (kind === "end") return new FilterError({ column, seen: "it ends here", expected });
    const seen = JSON.stringify(text);
    if (kind !== "word") return new FilterError({ column, seen: `${seen} does not belong here`, expected });
    const refused = REFUSED_WORDS.get(text);
    if (refused !== undefined)
      return new FilterError({ column, seen: `${seen} is not supported`, expected: refused });
    if (/^(?:\d\w*|len)-/.test(text)) {
      return new FilterError({
        column,
        seen: `${seen} is one word`,
        expected: "put spaces around the minus sign",
      });
    }
    const known = [...GRAMMAR_WORDS, ...PROTOCOL_WORDS.keys(), ...CONSTANTS.keys()];
    if (known.includes(text))
      return new FilterError({ column, seen: `${seen} does not belong here`, expected });
    const suggestion = suggest(text, known);
    return new FilterError({ column, seen: `${seen} is not known`, expected, suggestion });
  }
}

function pairs(tokens: readonly Token[]): ReadonlyMap<number, number> {
  const behind = new Map<number, number>();
  const open: number[] = [];
  for (const [at, { kind, text }] of tokens.entries()) {
    if (kind !== "sign") continue;
    if (text === "(") open.push(at);
    if (text === ")") {
      const start = open.pop();
      if (start !== undefined) behind.set(start, at + 1);
    }
  }
  return behind;
}
