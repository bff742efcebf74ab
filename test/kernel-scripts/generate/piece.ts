/**
 * Script text as a tree of typed pieces: it is printed by joining, and made smaller by putting simpler pieces of the
 * same kind in the place of others, without knowing the language.
 * @module
 */

/** `block` is a list of statements, each of which may be left out; `text` stays as it is, but for what is inside. */
export type PieceKind = "number" | "boolean" | "bigint" | "wide" | "verdict" | "statement" | "block" | "text";

export interface Piece {
  readonly kind: PieceKind;
  readonly parts: readonly (string | Piece)[];
}

/** A whole number and what it can be; the generator keeps both within ±(2^53 - 1). */
export interface NumberPiece extends Piece {
  readonly kind: "number";
  readonly least: number;
  readonly most: number;
}

/** A bigint and what it can be. */
export interface BigintPiece extends Piece {
  readonly kind: "bigint";
  readonly least: bigint;
  readonly most: bigint;
}

type Holes = readonly (Piece | string | number | bigint)[];

/** Texts that follow each other become one: names are looked for in them. */
function join(strings: TemplateStringsArray, holes: Holes): (string | Piece)[] {
  const parts: (string | Piece)[] = [];
  let text = "";
  for (const [index, string] of strings.entries()) {
    const hole = holes[index];
    text += string;
    if (typeof hole !== "object") {
      text += hole ?? "";
      continue;
    }
    if (text !== "") parts.push(text);
    text = "";
    parts.push(hole);
  }
  if (text !== "") parts.push(text);
  return parts;
}

/** A template that makes a piece of a kind. */
export function of(kind: PieceKind): (strings: TemplateStringsArray, ...holes: Holes) => Piece {
  return (strings, ...holes) => ({ kind, parts: join(strings, holes) });
}

export const statement: ReturnType<typeof of> = of("statement");
export const condition: ReturnType<typeof of> = of("boolean");
export const text: ReturnType<typeof of> = of("text");

/** A template that makes a number within bounds. */
export function numberIn(
  least: number,
  most: number,
): (strings: TemplateStringsArray, ...holes: Holes) => NumberPiece {
  return (strings, ...holes) => ({ kind: "number", least, most, parts: join(strings, holes) });
}

/** A template that makes a bigint within bounds. */
export function bigintIn(
  least: bigint,
  most: bigint,
): (strings: TemplateStringsArray, ...holes: Holes) => BigintPiece {
  return (strings, ...holes) => ({ kind: "bigint", least, most, parts: join(strings, holes) });
}

export function block(statements: readonly Piece[]): Piece {
  return { kind: "block", parts: statements };
}

/** The text of a piece; the statements of a block stand in lines of their own. */
export function textOf(piece: Piece): string {
  const separator = piece.kind === "block" ? "\n" : "";
  return piece.parts.map((part) => (typeof part === "string" ? part : textOf(part))).join(separator);
}

/** How many pieces there are; what the shrinking counts down. */
export function sizeOf(piece: Piece): number {
  return piece.parts.reduce((sum, part) => sum + (typeof part === "string" ? 0 : sizeOf(part)), 1);
}
