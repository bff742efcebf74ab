/**
 * The compiler over modules of tests: what engines of the kernel and the table of the subset ask it.
 * @module
 */
import type TypeScript from "typescript";
import { ts } from "#app/script/analysis/module-graph.ts";
import { compileFunction } from "#script/compiler/compile.ts";
import type { CompileResult } from "#script/compiler/compiled.ts";
import { frontFunction } from "#script/compiler/front/lower-function.ts";
import type { CompileTarget } from "#script/compiler/target.ts";

/** A module as the compiler takes it. */
export interface CompiledModule {
  readonly program: TypeScript.Program;
  readonly source: TypeScript.SourceFile;
}

/** All that a target may leave open: frames from their first header, faults pass, everything is counted. */
export function targetOf(target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>): CompileTarget {
  const first = target.attach === "netfilter" ? "network" : "ethernet";
  const family = target.attach === "netfilter" ? { family: "ipv4" as const } : {};
  return { first, onError: "accept", statistics: true, ...family, ...target };
}

export function compileAt(
  { program, source }: CompiledModule,
  name: string,
  target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>,
): CompileResult {
  return compileFunction({
    ts,
    program,
    file: source.fileName,
    function: name,
    target: targetOf(target),
    nameOf: () => "script.ts",
  });
}

/** The front end alone. */
export function frontAt(
  { program, source }: CompiledModule,
  name: string,
  target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>,
): ReturnType<typeof frontFunction> {
  const nameOf = (): string => "script.ts";
  return frontFunction({
    ts,
    program,
    file: source.fileName,
    function: name,
    target: targetOf(target),
    nameOf,
  });
}
