/**
 * How packet scripts are compiled, said once for `script check` and for editors: the language that Node runs by
 * taking the types out, checked strictly, with this installation's declarations.
 * @module
 */
import { nodeTypesFolder, OWN_DECLARATIONS } from "./installation.ts";

/** `compilerOptions` of a tsconfig.json that lies beside a script. */
export function scriptCompilerOptions(): Readonly<Record<string, unknown>> {
  return {
    target: "es2024",
    lib: ["es2024"],
    module: "esnext",
    moduleResolution: "bundler",
    moduleDetection: "force",
    strict: true,
    noUncheckedIndexedAccess: true,
    allowJs: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    skipLibCheck: true,
    types: ["node"],
    typeRoots: [nodeTypesFolder()],
    paths: OWN_DECLARATIONS,
  };
}
