/**
 * A filter of a monitor, compiled for each link type as it comes.
 * @module
 */
import { compileFilter, type PacketFilter } from "./filter/compile.ts";
import type { FilterExpression } from "./filter/expression.ts";
import { parseFilter } from "./filter/parse.ts";

export class Filter {
  readonly #expression: FilterExpression;
  readonly #byLinkType = new Map<number, PacketFilter>();
  #linkType = -1;
  #filter: PacketFilter | undefined;

  /** @throws ConfigurationError with the column, when the text is no filter. */
  constructor(text: string) {
    this.#expression = parseFilter(text);
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
      this.#linkType = linkType;
      this.#filter = this.#byLinkType.get(linkType) ?? compileFilter(this.#expression, { linkType });
      this.#byLinkType.set(linkType, this.#filter);
    }
    return this.#filter?.(bytes, offset, capturedBytes, originalBytes) ?? false;
  }
}
