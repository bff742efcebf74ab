/**
 * Makes dist/, what the package ships: `node tool/build.ts`; `--remove` takes it away again. The types of each source are stripped in place by
 * Node itself, so that lines and columns stay those of the source; imports become relative `.js` ones; the
 * declarations come from the compiler.
 * @module
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { rewriteImports } from "./build/rewrite-imports.ts";

const { values } = parseArgs({ options: { remove: { type: "boolean", default: false } } });
const root: string = join(import.meta.dirname, "..");
const target: string = join(root, "dist");
const declarations: string = join(root, ".cache/types/src");

/** Files below a folder, relative to it. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function write(file: string, text: string): void {
  mkdirSync(dirname(join(target, file)), { recursive: true });
  writeFileSync(join(target, file), text);
}

/** What belongs to the checkout only: tests, compiler projects and the layers' own pages. */
function staysHere(file: string): boolean {
  return /\.test\.ts$|(^|\/)tsconfig\.json$/.test(file);
}

/** Says why it cannot go on; nothing half made is left. */
function fail(reason: string): never {
  rmSync(target, { recursive: true, force: true });
  process.stderr.write(`Cannot build dist/: ${reason}\n`);
  process.exit(1);
}

function build(): void {
  rmSync(target, { recursive: true, force: true });
  const checked = spawnSync(process.execPath, [join(root, "tool/typecheck.ts"), "--sources"], {
    encoding: "utf8",
  });
  if (checked.status !== 0) fail(`the types have errors\n${checked.stdout}${checked.stderr}`);
  for (const file of filesBelow(join(root, "src")).filter((name) => !staysHere(name))) {
    const source = join(root, "src", file);
    if (!file.endsWith(".ts")) {
      mkdirSync(dirname(join(target, file)), { recursive: true });
      copyFileSync(source, join(target, file));
      continue;
    }
    const base = file.slice(0, -".ts".length);
    write(`${base}.js`, rewriteImports(stripTypeScriptTypes(readFileSync(source, "utf8")), file));
    write(`${base}.d.ts`, rewriteImports(readFileSync(join(declarations, `${base}.d.ts`), "utf8"), file));
  }
}

if (values.remove) rmSync(target, { recursive: true, force: true });
else build();
