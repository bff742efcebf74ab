/**
 * A filter of a monitor, compiled for each link type as it comes. On a link where it makes no sense, such as VLANs where
 * there are none, nothing passes.
 * @module
 */
import { compileFilter, type PacketFilter } from "./filter/compile.ts";
import type { FilterExpression } from "./filter/expression.ts";
import { parseFilter } from "./filter/parse.ts";

export class Filter {
  readonly #expression: FilterExpression;
  readonly #byLinkType = new Map<number, PacketFilter>();
  readonly #refused: ((error: unknown) => void) | undefined;
  #linkType = -1;
  #filter: PacketFilter | undefined;

  /**
   * @param refused is told why it makes no sense on a link type, once for each; without it `passes` throws that.
   * @throws FilterError with the column, when the text is no filter.
   */
  constructor(text: string, refused?: (error: unknown) => void) {
    this.#expression = parseFilter(text);
    this.#refused = refused;
  }

  /** Whether the frame passes. */
  passes(
    linkType: number,
    bytes: Uint8Array,
    offset: number,
    capturedBytes: number,
    originalBytes: number,
  ): boolean {
    if (linkType !== this.#linkType) {
      this.#filter = this.#byLinkType.get(linkType) ?? this.#compile(linkType);
      this.#byLinkType.set(linkType, this.#filter);
      this.#linkType = linkType;
    }
    return this.#filter?.(bytes, offset, capturedBytes, originalBytes) ?? false;
  }

  #compile(linkType: number): PacketFilter {
    try {
      return compileFilter(this.#expression, { linkType });
    } catch (error) {
      if (this.#refused === undefined) throw error;
      this.#refused(error);
      return () => false;
    }
  }
}
