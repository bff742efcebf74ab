/**
 * Places in a script's own text, which every instruction keeps to the very end: errors, refusals and listings name them.
 * @module
 */

/** Where something stands. */
export interface Place {
  /** As the script was named, or relative to it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** `nat.ts:12:7`. */
export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}
