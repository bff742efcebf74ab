/**
 * What the author of a script or who loads it has to mend.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** A place in a script; lines and columns count from 1. */
export interface ScriptPlace {
  /** The absolute path of the module. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A script cannot be loaded: not there, not TypeScript, no such function, or its module throws. */
export class ScriptLoadError extends ConfigurationError {
  override readonly code: string = "script-load";
  /** Where in the script; `undefined` when it is not about one place. The message tells it as well. */
  readonly place: ScriptPlace | undefined;

  constructor(message: string, options: ErrorOptions & { readonly place?: ScriptPlace | undefined } = {}) {
    super(message, options);
    this.place = options.place;
  }
}
