/**
 * What went wrong while a script was loaded, as its author can use it: the place, the line itself, and what to
 * write instead.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ScriptLoadError, type ScriptPlace } from "#script/errors.ts";
import { nearest } from "../suggest.ts";
import { OWN_ENTRY_URLS } from "./installation.ts";
import { formatPlace, placeOf, withoutVersions } from "./place.ts";

/** What Node does not strip, by a word of its message, and what to write instead. */
const INSTEAD: readonly [RegExp, string][] = [
  [/enum/, "write an object `as const`, or a union of strings"],
  [/parameter property/, "declare the property in the class and assign it in the constructor"],
  [/namespace|module keyword/, "write a module of its own and import it"],
  [/import equals/, 'write `import name from "…"`'],
  [/export assignment|export =/, "write `export default` or exports with names"],
  [/angle-bracket/, "write `value as Type`"],
];

/** Node tells the first line and the column of a syntax error in front of the stack. */
const PLACE_IN_FRONT = /^(file:\/\/\S+?)\?metanet-version=\d+:(\d+)\n[\s\S]*?\n( *)\^/;

let lastLoaded: string | undefined;

/** The module that Node compiles next: errors of its JavaScript tell no place. */
export function rememberLoaded(path: string): void {
  lastLoaded = path;
}

/** The error of an import that cannot be resolved. */
export function importErrorOf(error: unknown, specifier: string, parent: string): ScriptLoadError {
  const place = placeOfText(parent, specifier);
  const at = place === undefined ? parent : formatPlace(place);
  const begin = `Cannot load ${parent}: it imports '${specifier}' at ${at}`;
  if (/^[./]|^file:/.test(specifier)) {
    const near = likelyFile(specifier, dirname(parent));
    const seen = near === undefined ? "there is no such file; check the name" : `write '${near}'`;
    return new ScriptLoadError(`${begin}: ${seen}${sourceLine(place)}`, { cause: error, place });
  }
  const [name = specifier] = /^(@[^/]+\/)?[^/]+/.exec(specifier) ?? [];
  const own = nearest(specifier, OWN_ENTRY_URLS.keys());
  const isNotThere = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
  const seen = specifier.startsWith("node:")
    ? "Node has no such module"
    : own !== undefined || /^metanet\//.test(specifier)
      ? `there is '${own ?? "metanet/script"}'`
      : isNotThere
        ? `that package is not installed; run \`npm install ${name}\` in the folder of the script`
        : (error as Error).message;
  return new ScriptLoadError(`${begin}: ${seen}${sourceLine(place)}`, { cause: error, place });
}

/** TypeScript's habits: no ending, or the ending of what it would be compiled to. */
function likelyFile(specifier: string, folder: string): string | undefined {
  const base = specifier.replace(/\.[mc]?[jt]s$/, "");
  return [".ts", ".mts", ".js", ".mjs", "/index.ts"]
    .map((ending) => base + ending)
    .find((candidate) => candidate !== specifier && existsSync(resolve(folder, candidate)));
}

/** The error of a script that could not be imported. */
export async function loadErrorOf(error: unknown, file: string): Promise<ScriptLoadError> {
  if (error instanceof ScriptLoadError) return error;
  const { code, stack = "" } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const fail = (seen: string, place?: ScriptPlace): ScriptLoadError =>
    new ScriptLoadError(`Cannot load ${file}: ${seen}${sourceLine(place)}`, { cause: error, place });
  const message = withoutVersions(error instanceof Error ? error.message : String(error));
  const front = placeInFront(stack);
  const at = front === undefined ? "" : ` at ${formatPlace(front)}`;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    const [, instead] = INSTEAD.find(([word]) => word.test(message)) ?? [];
    const what = message.replace(/ is not supported in strip-only mode$/, "").replace(/^TypeScript /, "");
    if (instead === undefined) return fail(`syntax error${at}: ${message}`, front);
    return fail(`${what}${at} cannot be run, only types are taken out; ${instead}`, front);
  }
  const { path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === "EACCES" && path !== undefined) {
    return fail(`this user may not read ${path}; chmod o+r it, and o+x the folders above it`);
  }
  if (code === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING") {
    return fail("TypeScript below node_modules is not run; copy it to another folder");
  }
  if (code === "ERR_IMPORT_ATTRIBUTE_MISSING") return fail(`${message}: write \`with { type: "json" }\``);
  if (code === "ERR_UNKNOWN_BUILTIN_MODULE") return fail(`${message}; check the import`);
  if (code === "ERR_INVALID_TYPESCRIPT_SYNTAX") {
    // Where a module ends too early no place is told.
    if (front === undefined) return await syntaxError(message, fail);
    return fail(`syntax error${at}: ${message}`, front);
  }
  const missing = /^The requested module '(.+)' does not provide an export named '(.+)'$/.exec(message);
  if (missing !== null) {
    const [, module = "", name = ""] = missing;
    return fail(`${module} has no export ${name}${at}; ${await exportAdvice(module, name)}`, front);
  }
  if (error instanceof SyntaxError && placeOf(error) === undefined) return await syntaxError(message, fail);
  const place = placeOf(error);
  const where = place === undefined ? "" : `, at ${formatPlace(place)}`;
  const kind = error instanceof Error ? `${error.name}: ` : "";
  return fail(`it throws while it is loaded${where}: ${kind}${message}`, place);
}

type Fail = (seen: string, place?: ScriptPlace) => ScriptLoadError;

/** A mistake whose place the compilation of the JavaScript does not tell; it comes from TypeScript's parser. */
async function syntaxError(message: string, fail: Fail): Promise<ScriptLoadError> {
  if (lastLoaded === undefined) return fail(`syntax error: ${message}`);
  const { syntaxPlace } = await import("./syntax-place.ts");
  const place = syntaxPlace(lastLoaded);
  return fail(`syntax error at ${place ? formatPlace(place) : lastLoaded}: ${message}`, place);
}

async function exportAdvice(module: string, name: string): Promise<string> {
  const url = OWN_ENTRY_URLS.get(module);
  const known = url === undefined ? [] : Object.keys(await import(url));
  const near = nearest(name, known);
  if (near !== undefined && near.toLowerCase() === name.toLowerCase()) return `did you mean ${near}?`;
  // Types are taken out of what is run, so that an import of one without the word asks for a value.
  if (/^[A-Z]/.test(name)) return `if it is a type, write \`import { type ${name} }\``;
  return near === undefined ? "check the name" : `did you mean ${near}?`;
}

function placeInFront(stack: string): ScriptPlace | undefined {
  const found = PLACE_IN_FRONT.exec(stack);
  if (found === null) return undefined;
  const [, url = "", line, spaces = ""] = found;
  return { file: fileURLToPath(url), line: Number(line), column: spaces.length + 1 };
}

/** Where a module has a specifier between quotes. */
function placeOfText(file: string, specifier: string): ScriptPlace | undefined {
  const lines = linesOf(file);
  for (const quote of ['"', "'"]) {
    const index = lines.findIndex((line) => line.includes(quote + specifier + quote));
    if (index >= 0) {
      const column = (lines[index] ?? "").indexOf(quote + specifier) + 1;
      return { file, line: index + 1, column };
    }
  }
  return undefined;
}

/** The line of a place with a caret below the column, to be put behind a message. */
function sourceLine(place: ScriptPlace | undefined): string {
  const text = place === undefined ? undefined : linesOf(place.file)[place.line - 1];
  if (place === undefined || !text?.trim() || text.length > SOURCE_LINE_MAX) return "";
  const before = text.slice(0, place.column - 1).replace(/[^\t]/g, " ");
  // What a file has in it is not to drive a terminal.
  const shown = text.replace(/[^\P{Cc}\t]/gu, "\ufffd");
  return `\n  ${shown}\n  ${before}^`;
}

/** Longer lines are generated, and nobody reads them. */
const SOURCE_LINE_MAX = 200;

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split(/\r?\n/);
  } catch {
    return [];
  }
}
