/**
 * A function that is being inlined: where its returns go, and where `break` and `continue` do.
 * @module
 */
import type TypeScript from "typescript";
import type { Arrival } from "./path.ts";

/** A loop or a switch that is being lowered. */
export interface Target {
  readonly label: string | undefined;
  readonly breaks: Arrival[];
  /** `undefined` for a switch or a labelled block. */
  readonly continues: Arrival[] | undefined;
  /** Only `break` with the label leads here. */
  readonly isLabelOnly?: boolean;
}

export interface Frame {
  readonly declaration: TypeScript.SignatureDeclaration;
  /** Where values go that are returned; `undefined` in the script itself, which returns to the kernel. */
  readonly returns: Arrival[] | undefined;
  /** The innermost last. */
  readonly targets: Target[];
}
