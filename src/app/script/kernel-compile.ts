/**
 * Compiles a script's function for the kernel: makes TypeScript's program of it, as the check of its types does, and
 * gives that to the compiler. Files that many scripts have in common are read and parsed once.
 * @module
 */
import { statSync } from "node:fs";
import { release } from "node:os";
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

/** Files of the last program, by when they were written: the language's own and Node's are most of them. */
const known = new Map<string, { readonly version: string; readonly source: TypeScript.SourceFile }>();

function readProgram(path: string): TypeScript.Program {
  const { options } = ts.convertCompilerOptionsFromJson(scriptCompilerOptions(), ".");
  const host = ts.createCompilerHost(options, true);
  const { getSourceFile } = host;
  host.getSourceFile = (name, ...rest) => {
    const version = versionOf(name);
    const before = known.get(name);
    if (before !== undefined && before.version === version) return before.source;
    const source = getSourceFile(name, ...rest);
    if (source !== undefined) known.set(name, { version, source });
    return source;
  };
  const program = ts.createProgram([path], options, host);
  const used = new Set(program.getSourceFiles());
  for (const [name, { source }] of known) if (!used.has(source)) known.delete(name);
  return program;
}

/** Differs when a file was written again. */
function versionOf(path: string): string {
  const { mtimeNs, ctimeNs, size, ino } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
  return `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
}

/** Whether this machine's kernel counts the rounds of loops: Linux before 6.9 does not. */
export function hasLoopCounts(): boolean {
  const [major = 0, minor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 9);
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
  const followsLoops = !hasLoopCounts();
  return targets.map((target) =>
    compileFunction({ ts, ...script, function: functionName, target: { followsLoops, ...target } }),
  );
}
