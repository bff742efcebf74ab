/**
 * Turns the imports of a source of src/ into those of the package: `#layer/x.ts` and `./x.ts` become relative
 * paths that end in `.js`. The compiler's own scanner finds them, so that a string that merely looks like an
 * import stays as it is.
 * @module
 */
import { dirname, relative } from "node:path/posix";
import ts from "typescript";

/**
 * Rewrites the imports of a JavaScript or declaration file.
 * @param file the source's path below src/
 */
export function rewriteImports(text: string, file: string): string {
  const { importedFiles, ambientExternalModules } = ts.preProcessFile(text, true, true);
  const places = [...importedFiles].sort((a, b) => b.pos - a.pos);
  let result = text;
  for (const { fileName, pos, end } of places) {
    const specifier = packaged(fileName, file);
    // The scanner's place is the specifier without its quotes, or with them where it is a type's import().
    const found = result.slice(pos, end + 2).indexOf(fileName);
    if (specifier === fileName || found < 0) continue;
    const start = pos + found;
    result = result.slice(0, start) + specifier + result.slice(start + fileName.length);
  }
  for (const name of new Set(ambientExternalModules)) {
    result = result.replaceAll(`declare module "${name}"`, `declare module "${packaged(name, file)}"`);
  }
  return result;
}

function packaged(specifier: string, file: string): string {
  if (!specifier.endsWith(".ts")) return specifier;
  const script = `${specifier.slice(0, -".ts".length)}.js`;
  if (specifier.startsWith(".")) return script;
  if (!specifier.startsWith("#")) return specifier;
  const path = relative(dirname(file), script.slice("#".length));
  return path.startsWith(".") ? path : `./${path}`;
}
