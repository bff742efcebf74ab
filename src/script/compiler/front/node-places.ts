/**
 * Places of nodes of the syntax tree, and what stands there.
 * @module
 */
import type TypeScript from "typescript";
import type { Place } from "../place.ts";

const CONSTRUCT_LENGTH_MAX = 60;

/** Tells places, with files named as `nameOf` says. */
export class NodePlaces {
  readonly #nameOf: (path: string) => string;
  readonly #places = new Map<TypeScript.Node, Place>();
  readonly #nodes = new WeakMap<Place, TypeScript.Node>();

  constructor(nameOf: (path: string) => string) {
    this.#nameOf = nameOf;
  }

  of(node: TypeScript.Node | undefined): Place {
    if (node === undefined) return { file: "", line: 1, column: 1 };
    const known = this.#places.get(node);
    if (known !== undefined) return known;
    const source = node.getSourceFile();
    const { line, character } = source.getLineAndCharacterOfPosition(startOf(node));
    const place = { file: this.#nameOf(source.fileName), line: line + 1, column: character + 1 };
    this.#places.set(node, place);
    this.#nodes.set(place, node);
    return place;
  }

  /** What stands at a place that this has made: the same object, as several nodes begin in one place. */
  constructAt(place: Place): { readonly construct: string; readonly length: number } | undefined {
    const node = this.#nodes.get(place);
    return node && this.spanOf(node);
  }

  spanOf(node: TypeScript.Node): {
    readonly place: Place;
    readonly length: number;
    readonly construct: string;
  } {
    const text = node.getSourceFile().text.slice(startOf(node), node.getEnd());
    const end = text.search(/\r?\n/);
    const line = text.replace(/\s+/g, " ");
    const construct =
      line.length <= CONSTRUCT_LENGTH_MAX ? line : `${line.slice(0, CONSTRUCT_LENGTH_MAX - 1)}…`;
    return { place: this.of(node), length: end < 0 ? text.length : end, construct };
  }
}

function startOf(node: TypeScript.Node): number {
  return node.getStart();
}
