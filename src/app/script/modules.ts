/**
 * Loads the modules of a packet script, in whatever folder of the disk they lie: TypeScript by Node's stripping of
 * types, several modules for one script, and anew for each version, so that a changed file can take the place of the
 * one that is running. `metanet/script` and `metanet` are those of this installation.
 *
 * A module that loops for ever while it is loaded cannot be interrupted here: `probe.ts` tries it in a thread of
 * its own first.
 * @module
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { registerHooks } from "node:module";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { PacketScript, ScriptOptions } from "#script/context.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { nearest } from "../suggest.ts";
import { OWN_ENTRY_URLS, OWN_MODULES_URL } from "./installation.ts";
import { importErrorOf, loadErrorOf, rememberLoaded } from "./load-error.ts";
import { withoutVersions } from "./place.ts";

/** The part of a script's URLs that makes each version a module of its own. */
const VERSION = "metanet-version";

/** Endings of files that can be scripts. */
export const SCRIPT_ENDINGS: readonly string[] = [".ts", ".mts", ".js", ".mjs"];

/** A script that is ready to run. */
export interface LoadedModule {
  readonly run: PacketScript;
  /** The export that is run; `default` when no function was asked for. */
  readonly functionName: string;
  /** What the module exports as `options`. */
  readonly options: ScriptOptions;
  /** Names of all functions that the module exports. */
  readonly functions: readonly string[];
  /** Paths of the script's own modules, the one that was asked for first: what to watch. */
  readonly files: readonly string[];
}

/**
 * Imports a script into this thread.
 * @param functionName the export to run; the default one when absent
 * @param version another number than before reads the files again
 * @throws ScriptLoadError
 */
export async function loadScript(
  file: string,
  functionName: string | undefined,
  version: number,
): Promise<LoadedModule> {
  const { exported, files } = await importScript(file, version);
  const functions = functionNames(exported);
  const run = functionOf(exported, { file, functionName, functions });
  return {
    run,
    functionName: functionName ?? "default",
    options: { ...optionsOf(run as unknown as Record<string, unknown>, file), ...optionsOf(exported, file) },
    functions,
    files,
  };
}

/** A script that was loaded only to be looked at. */
export interface InspectedScript {
  /** Names of all functions that the module exports, in the alphabet's order. */
  readonly functions: readonly string[];
  readonly options: ScriptOptions;
  /** What functions say themselves, by name: those that `flowScript` has made. The module's `options` come first. */
  readonly functionOptions: Readonly<Record<string, ScriptOptions>>;
  /** As in {@link LoadedModule}. */
  readonly files: readonly string[];
}

/**
 * Loads a script without choosing a function of it.
 * @throws ScriptLoadError
 */
export async function inspectScript(file: string, version = 0): Promise<InspectedScript> {
  const { exported, files } = await importScript(file, version);
  const functions = functionNames(exported);
  const own = functions.map((name) => [name, optionsOf(exported[name] as Record<string, unknown>, file)]);
  const functionOptions = Object.fromEntries(own) as Record<string, ScriptOptions>;
  return { functions, options: optionsOf(exported, file), functionOptions, files };
}

interface Imported {
  readonly exported: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
}

async function importScript(file: string, version: number): Promise<Imported> {
  const path = scriptPath(file);
  registerOnce();
  const url = `${pathToFileURL(path).href}?${VERSION}=${version}`;
  try {
    const exported = (await import(url)) as Record<string, unknown>;
    return { exported, files: filesFrom(url) };
  } catch (error) {
    throw await loadErrorOf(error, file);
  }
}

/** The file's real path, so that two names of one file are one module. */
function scriptPath(file: string): string {
  const problem = (seen: string, cause?: unknown): ScriptLoadError =>
    new ScriptLoadError(`Cannot load ${file}: ${seen}`, { cause });
  let isDirectory: boolean;
  const path = resolve(file);
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw problem("there is no such file; check the name", error);
    throw problem(`${code}; check who may read it`, error);
  }
  if (isDirectory) throw problem("it is a directory; name a file in it");
  if (!SCRIPT_ENDINGS.includes(extname(path))) {
    throw problem(`it ends in '${extname(path)}'; a script's name ends in ${SCRIPT_ENDINGS.join(", ")}`);
  }
  return realpathSync(path);
}

let isRegistered = false;
/** What each module of a script imports of the script's own, by URLs with versions. */
const imports = new Map<string, Set<string>>();

/** The paths of a module and of all that it imports, itself first. */
function filesFrom(entry: string): string[] {
  const found = new Set([entry]);
  for (const url of found) for (const next of imports.get(url) ?? []) found.add(next);
  return [...found].map((url) => fileURLToPath(url));
}

function registerOnce(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const own = OWN_ENTRY_URLS.get(specifier);
      const version = versionOf(context.parentURL);
      // Also for packages that a script brings along: there is one MetaNet in a process.
      if (own !== undefined) return { url: own, format: formatOf(own), shortCircuit: true };
      if (version === undefined) return nextResolve(specifier, context);
      const found = resolveForScript(specifier, context.parentURL, () => nextResolve(specifier, context));
      if (!isScripts(found.url)) return found;
      const url = `${found.url}?${VERSION}=${version}`;
      const from = imports.get(context.parentURL ?? "") ?? new Set();
      imports.set(context.parentURL ?? "", from.add(url));
      return { ...found, url };
    },
    load(url, context, nextLoad) {
      if (versionOf(url) === undefined) return nextLoad(url, context);
      const path = fileURLToPath(url);
      rememberLoaded(path);
      const format = formatOf(path);
      // Without a package.json Node would have to guess, and with another's it would guess wrongly.
      if (format === undefined) return nextLoad(url, context);
      return { format, source: readFileSync(path), shortCircuit: true };
    },
  });
}

/** @throws ScriptLoadError that names the line of the import. */
function resolveForScript<Found>(specifier: string, parent: string | undefined, find: () => Found): Found {
  try {
    return find();
  } catch (error) {
    throw parent === undefined ? error : importErrorOf(error, specifier, withoutVersions(parent));
  }
}

function formatOf(path: string): string | undefined {
  if (/\.m?ts$/.test(path)) return "module-typescript";
  return /\.m?js$/.test(path) ? "module" : undefined;
}

function versionOf(url: string | undefined): string | undefined {
  if (!url?.includes(`?${VERSION}=`)) return undefined;
  return new URL(url).searchParams.get(VERSION) ?? undefined;
}

/** Packages and our own modules stay the same over all versions. */
function isScripts(url: string): boolean {
  return (
    url.startsWith("file:") &&
    !url.includes("?") &&
    !url.includes("/node_modules/") &&
    !url.startsWith(OWN_MODULES_URL)
  );
}

function functionNames(exported: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(exported)
    .filter((name) => typeof exported[name] === "function")
    .sort();
}

interface Wanted {
  readonly file: string;
  readonly functionName: string | undefined;
  readonly functions: readonly string[];
}

function functionOf(exported: Readonly<Record<string, unknown>>, wanted: Wanted): PacketScript {
  const { file, functionName, functions } = wanted;
  const found = exported[functionName ?? "default"];
  if (typeof found === "function") return found as PacketScript;
  const named = functions.filter((name) => name !== "default");
  const alone = functions.includes("default")
    ? "it has a default export, taken when none is named"
    : "it exports no function";
  const there = named.length === 0 ? alone : `its functions are ${named.join(", ")}`;
  if (functionName === undefined) {
    throw new ScriptLoadError(
      `Cannot load ${file}: no function was named, and it has no default export; ${there}`,
    );
  }
  if (functionName in exported) {
    const seen = found === null ? "null" : typeof found;
    throw new ScriptLoadError(
      `Cannot load ${functionName} of ${file}: the export is no function but of type ${seen}; ${there}`,
    );
  }
  const near = nearest(functionName, named);
  throw new ScriptLoadError(
    `Cannot load ${functionName} of ${file}: there is no export of that name; ${near ? `did you mean ${near}? ` : ""}${there}`,
  );
}

/** @throws ScriptLoadError when what is exported as `options` cannot be used. */
function optionsOf({ options }: Readonly<Record<string, unknown>>, file: string): ScriptOptions {
  if (options === undefined || typeof options === "function") return {};
  const problem = (seen: string): ScriptLoadError =>
    new ScriptLoadError(`Cannot load ${file}: its options ${seen}`);
  if (typeof options !== "object" || options === null) throw problem("are no object");
  for (const [name, value] of Object.entries(options)) {
    if (name === "readBytes") {
      if (Number.isInteger(value) && value > 0 && value <= 65_535) continue;
      throw problem(`have readBytes ${String(value)}, wanted a whole number from 1 to 65535`);
    }
    if (name !== "writes" && name !== "connection" && name !== "aggregates" && name !== "tunnels") {
      throw problem(
        `have '${name}', which is none; there are writes, readBytes, connection, aggregates, tunnels`,
      );
    }
    if (typeof value !== "boolean") throw problem(`have ${name} ${String(value)}, wanted true or false`);
  }
  return { ...options };
}
