/**
 * Places in scripts, found in the stacks of errors: URLs with versions become file names, and the innermost frame
 * that is the script's own is the place.
 * @module
 */
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ScriptPlace } from "#script/errors.ts";

const OWN_FRAME = /(file:\/\/[^\s()]*?)\?metanet-version=\d+:(\d+)(?::(\d+))?/;

/** The innermost place of an error's stack that lies in a script; `undefined` when there is none. */
export function placeOf(error: unknown): ScriptPlace | undefined {
  // A thrown value that is no error has no stack; a proxy might refuse to tell.
  const stack = error instanceof Error && typeof error.stack === "string" ? error.stack : "";
  const found = OWN_FRAME.exec(stack);
  if (found === null) return undefined;
  const [, url = "", line, column] = found;
  return { file: pathOf(url), line: Number(line), column: Number(column ?? 1) };
}

/** `nat.ts:12:7`. */
export function formatPlace({ file, line, column }: ScriptPlace): string {
  return `${basename(file)}:${line}:${column}`;
}

/** A text of Node's with the scripts' URLs turned into paths. */
export function withoutVersions(text: string): string {
  return text.replace(/(file:\/\/[^\s()'"]*?)\?metanet-version=\d+/g, (_, url: string) => pathOf(url));
}

/** The path of a script's module by its URL; `undefined` for the URL of anything else. */
export function scriptUrlPath(url: string): string | undefined {
  const found = /^(file:\/\/.+)\?metanet-version=\d+$/.exec(url);
  return found?.[1] === undefined ? undefined : pathOf(found[1]);
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url;
  }
}
