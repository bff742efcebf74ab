/**
 * Where in a YAML text a key or value is written.
 * @module
 */
import { type Document, isMap, isNode, isScalar, type LineCounter, type Node } from "yaml";

/** Keys and list indices from the top of the file. */
export type Path = readonly PropertyKey[];

/** Line and column, from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export class Positions {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  /** The value's place; for something that is missing the place of the key it belongs below. */
  ofValue(path: Path): Position {
    const node = path.length === 0 ? undefined : this.#document.getIn(path, true);
    if (isNode(node) && !isMap(node)) return this.#place(node);
    return this.ofKey(path);
  }

  /** The key's place, or that of the nearest key above it which is written. */
  ofKey(path: Path): Position {
    for (let depth = path.length; depth > 0; depth--) {
      const parent = this.#document.getIn(path.slice(0, depth - 1), true);
      if (!isMap(parent)) continue;
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === path[depth - 1]);
      if (pair && isNode(pair.key)) return this.#place(pair.key);
    }
    return { line: 1, column: 1 };
  }

  #place(node: Node): Position {
    const { line, col } = this.#lines.linePos(node.range?.[0] ?? 0);
    return { line, column: col };
  }
}

/** `dhcpd.routers[1]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${String(step)}`;
  }, "");
}
