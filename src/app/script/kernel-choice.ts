/**
 * Which way into the kernel a script takes: the first whose places all take its function, or why none does.
 * @module
 */
import type { CompiledScript, CompileResult } from "#script/compiler/compiled.ts";
import { formatPlace } from "#script/compiler/place.ts";
import type { CompileProblem } from "#script/compiler/problem.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import type { ScriptSpec } from "#script/engine.ts";
import type { KernelPlace, KernelWay } from "./kernel-places.ts";
import { trafficControlHint } from "./kernel-places.ts";

/** Compiles a function of a module for several places at once. */
export interface KernelCompiler {
  /** One result for each target. @throws ScriptLoadError when the module cannot be read */
  compile(
    file: string,
    functionName: string,
    targets: readonly CompileTarget[],
  ): Promise<readonly CompileResult[]>;
  close(): void;
}

/** Places with their programs. */
export type CompiledWay = readonly { readonly place: KernelPlace; readonly compiled: CompiledScript }[];

export type KernelChoice =
  | { readonly way: CompiledWay }
  /** Why not: sentences without an end stop, the most telling first. */
  | { readonly reasons: readonly string[] };

/** @throws as {@link KernelCompiler.compile} */
export async function chooseWay(
  compiler: KernelCompiler,
  spec: ScriptSpec,
  ways: readonly KernelWay[],
): Promise<KernelChoice> {
  const targets = ways.flatMap(({ places }) => places.map(({ target }) => target));
  const results = [...(await compiler.compile(spec.file, spec.function, targets))];
  const problems: CompileProblem[][] = [];
  let misses: string | undefined;
  for (const { places, isForHandOver } of ways) {
    const own = results.splice(0, places.length);
    const scripts = own.flatMap(({ script }) => (script === undefined ? [] : [script]));
    if (scripts.length < places.length) {
      problems.push(own.flatMap((result) => [...result.problems]));
      continue;
    }
    if (isForHandOver && scripts.every(({ facts }) => facts.handsOverTo === undefined)) {
      // At an interface it would see more than the packets of this hook, and judge them.
      misses = `packets of ${spec.hook} can only be changed in user space; prerouting and postrouting have interfaces`;
      continue;
    }
    return {
      way: places.map((place, index) => ({ place, compiled: scripts[index] as CompiledScript })),
    };
  }
  // The last way lets a function do the most: what it refuses, all do.
  const told = (problems.at(-1) ?? []).map(formatProblem);
  const hint = trafficControlHint(spec);
  const more = hint === undefined || told.length === 0 ? [] : [hint];
  return { reasons: [...new Set([...told, ...(misses === undefined ? [] : [misses]), ...more])] };
}

/** `nat.ts:12:7: x / 2: may be a fraction; write Math.floor(x / 2)`. */
export function formatProblem({ place, construct, why, instead }: CompileProblem): string {
  return `${formatPlace(place)}: ${construct}: ${why}; ${instead}`;
}
