/**
 * The compiler over modules of tests: what engines of the kernel and the table of the subset ask it.
 * @module
 */
import type TypeScript from "typescript";
import { ts } from "#app/script/analysis/module-graph.ts";
import { compileFunction, lowerRequest } from "#script/compiler/compile.ts";
import type { CompileResult } from "#script/compiler/compiled.ts";
import { type FrontResult, frontFunction } from "#script/compiler/front/lower-function.ts";
import type { CompileTarget } from "#script/compiler/target.ts";

/** A module as the compiler takes it. */
export interface CompiledModule {
  readonly program: TypeScript.Program;
  readonly source: TypeScript.SourceFile;
}

/** A bit of the mark that no generated script cares for. */
export const HAND_OVER_MARK = 0x2000_0000;

/** All that a target may leave open: frames from their first header, faults pass, everything is counted. */
export function targetOf(target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>): CompileTarget {
  const first = target.attach === "netfilter" ? "network" : "ethernet";
  const family = target.attach === "netfilter" ? { family: "ipv4" as const } : {};
  const handOver = target.attach === "tcx-ingress" ? { handOverMark: HAND_OVER_MARK } : {};
  return { first, onError: "accept", statistics: true, ...family, ...handOver, ...target };
}

/** The module's own name is of no interest. */
function nameIn({ fileName }: TypeScript.SourceFile): (path: string) => string {
  return (path) => (path === fileName ? "script.ts" : path);
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
    nameOf: nameIn(source),
  });
}

/** What was compiled of a module, by its program; engines that run the same need not compile it again. */
const compiledBefore = new WeakMap<TypeScript.Program, Map<string, CompileResult>>();

export function compileOnce(
  module: CompiledModule,
  name: string,
  target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>,
): CompileResult {
  const before = compiledBefore.get(module.program) ?? new Map<string, CompileResult>();
  compiledBefore.set(module.program, before);
  const key = JSON.stringify([name, target]);
  const result = before.get(key) ?? compileAt(module, name, target);
  before.set(key, result);
  return result;
}

/** What the front end makes of it, before any pass has touched it. */
export function frontAt(
  { program, source }: CompiledModule,
  name: string,
  target: Pick<CompileTarget, "attach"> & Partial<CompileTarget>,
): FrontResult {
  const nameOf = nameIn(source);
  const { request } = lowerRequest({
    ts,
    program,
    file: source.fileName,
    function: name,
    target: targetOf(target),
    nameOf,
  });
  return frontFunction(request);
}
