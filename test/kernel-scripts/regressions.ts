/**
 * What once failed, made small, each with a name that says what it was.
 * @module
 */

export interface Regression {
  /** What was wrong, as a sentence about scripts. */
  readonly name: string;
  /** What stands at the module's top before the function. */
  readonly top?: string;
  /** Statements of the function `(packet, context)`. */
  readonly body: string;
  readonly writes?: boolean;
  readonly marks?: boolean;
  /** Whole Ethernet frames, in hexadecimal. */
  readonly frames: readonly string[];
}

export const REGRESSIONS: readonly Regression[] = [];
