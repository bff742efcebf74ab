/**
 * What the author of a script or who loads it has to mend.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** A script cannot be loaded: not there, not TypeScript, no such function, or its module throws. */
export class ScriptLoadError extends ConfigurationError {
  override readonly code: string = "script-load";
}
