/**
 * Where this installation has what scripts import, as sources in a checkout and compiled in a package.
 * @module
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** Three folders up from src/app/script and from dist/app/script alike. */
const root: string = join(import.meta.dirname, "../../..");
const isSource: boolean = import.meta.filename.endsWith(".ts");
const app: string = join(root, isSource ? "src/app" : "dist/app");

/** Our entries, by what scripts write to import them. */
const ENTRIES = { metanet: "metanet", "metanet/script": "script", "metanet/flow": "flow" } as const;

/** The folder of this installation's own modules; what lies in it is never a script's. */
export const OWN_MODULES_URL: string = `${pathToFileURL(dirname(app)).href}/`;

/** Whether an address of a stack is a script's, or what a script imports. */
export function isScriptFile(address: string): boolean {
  return !address.startsWith(OWN_MODULES_URL);
}

/** The modules that scripts find wherever they lie, by specifier, as file URLs. */
export const OWN_ENTRY_URLS: ReadonlyMap<string, string> = new Map(
  Object.entries(ENTRIES).map(([specifier, name]) => [
    specifier,
    pathToFileURL(join(app, `${name}.${isSource ? "ts" : "js"}`)).href,
  ]),
);

/** The same for compilers and editors: paths of sources or declarations. */
export const OWN_DECLARATIONS: Readonly<Record<string, readonly [string]>> = Object.fromEntries(
  Object.entries(ENTRIES).map(([specifier, name]) => [
    specifier,
    [join(app, `${name}.${isSource ? "ts" : "d.ts"}`)],
  ]),
);

/** The folder with the declarations of Node's own modules. */
export function nodeTypesFolder(): string {
  return dirname(dirname(createRequire(import.meta.url).resolve("@types/node/package.json")));
}
