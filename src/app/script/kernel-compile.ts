/**
 * Compiles a script's function for the kernel: makes TypeScript's program of it, as the check of its types does, and
 * gives that to the compiler.
 * @module
 */
import { basename, dirname, relative, resolve } from "node:path";
import type TypeScript from "typescript";
import { compileFunction } from "#script/compiler/compile.ts";
import type { CompileResult } from "#script/compiler/compiled.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import { ts } from "./analysis/module-graph.ts";
import { scriptCompilerOptions } from "./compiler-options.ts";

/** A script as TypeScript's compiler has it. */
export interface ScriptProgram {
  readonly program: TypeScript.Program;
  /** The script's path. */
  readonly file: string;
  /** How a file of the script is called in places: as it lies to the script. */
  readonly nameOf: (path: string) => string;
}

/**
 * Reads a script and all that it imports.
 * @param known the script's program, where the check of its types has made one already
 */
export function scriptProgram(file: string, known?: TypeScript.Program): ScriptProgram {
  const path = resolve(file);
  const program = known ?? readProgram(path);
  const nameOf = (one: string): string =>
    one === path ? basename(path) : relative(dirname(path), one) || basename(one);
  return { program, file: path, nameOf };
}

function readProgram(path: string): TypeScript.Program {
  const { options } = ts.convertCompilerOptionsFromJson(scriptCompilerOptions(), ".");
  return ts.createProgram([path], options, ts.createCompilerHost(options, true));
}

/**
 * Compiles the function that the script exports by this name for each target.
 * @returns one result for each target, in their order
 */
export function compileForKernel(
  file: string,
  functionName: string,
  targets: readonly CompileTarget[],
): readonly CompileResult[] {
  const script = scriptProgram(file);
  return targets.map((target) => compileFunction({ ts, ...script, function: functionName, target }));
}
