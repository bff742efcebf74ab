/**
 * Everything there is to say about a script before it sees a packet.
 * @module
 */
import { realpathSync } from "node:fs";
import type { Hook } from "#packet/packet.ts";
import type { EngineName } from "#script/engine.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { Use } from "./analysis/read-function.ts";
import { analyseScript, needsOf, type ScriptNeeds } from "./analysis.ts";
import { type LoadReport, loadOnce } from "./check-load.ts";
import { checkTypes, type ScriptProblem, type TypeReport } from "./check-types.ts";
import { type KernelCheck, KernelChecker } from "./kernel-check.ts";

/** A function that can be loaded at a hook. */
export interface CheckedFunction {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly needs: ScriptNeeds;
  /** What was found in the source, with the places. */
  readonly uses: readonly Use[];
  /** Where it can run in user space. */
  readonly hooks: readonly Hook[];
  readonly engines: readonly EngineName[];
  /** Where it can run in the kernel; `undefined` when there is something wrong to be mended first. */
  readonly kernel: KernelCheck | undefined;
}

export interface ScriptReport {
  readonly ok: boolean;
  readonly file: string;
  /** The script's own modules, itself first; empty when it cannot be loaded. */
  readonly modules: readonly string[];
  readonly problems: readonly ScriptProblem[];
  readonly functions: readonly CheckedFunction[];
  /** Exported functions that take something else, and why they are no packet scripts. */
  readonly others: readonly { readonly name: string; readonly why: string }[];
}

export const HOOK_NAMES: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** Checks one script; what is wrong with it is in the report and not thrown, but for a file that is not there. */
export async function checkScript(file: string, colour = false): Promise<ScriptReport> {
  let loaded: LoadReport | undefined;
  let failure: ScriptLoadError | undefined;
  try {
    loaded = await loadOnce(file);
  } catch (error) {
    if (!(error instanceof ScriptLoadError)) throw error;
    failure = error;
  }
  const path = realPath(file);
  if (path === undefined) throw failure ?? new ScriptLoadError(`Cannot load ${file}: there is no such file`);
  const types = checkTypes(path, loaded?.functions ?? [], colour);
  const problems = [...problemsOf(failure, types, path)];
  if (loaded === undefined) return { ok: false, file, modules: [], problems, functions: [], others: [] };
  const checker = problems.length === 0 ? new KernelChecker(path, colour, types.program) : undefined;
  return reportOf(file, path, loaded, types, { problems, checker });
}

function reportOf(
  file: string,
  path: string,
  loaded: LoadReport,
  { signatures }: TypeReport,
  { problems, checker }: { readonly problems: ScriptProblem[]; readonly checker: KernelChecker | undefined },
): ScriptReport {
  const analyses = new Map(analyseScript(path).map((analysis) => [analysis.name, analysis]));
  const functions: CheckedFunction[] = [];
  const others: { name: string; why: string }[] = [];
  for (const { name, isScript, why } of signatures) {
    const analysis = analyses.get(name) ?? { name, file: path, line: 1, uses: [] };
    if (isScript === "no") others.push({ name, why });
    else {
      const needs = needsOf(analysis, { ...loaded.functionOptions[name], ...loaded.options });
      const kernel = isScript === "wrong" ? undefined : checker?.check(name);
      const isInKernel = kernel?.places.some(({ ok }) => ok) ?? false;
      const engines: readonly EngineName[] = isInKernel ? ["user", "kernel"] : ["user"];
      functions.push({ ...analysis, needs, hooks: HOOK_NAMES, engines, kernel });
      if (isScript === "wrong") {
        const { file: at, line } = analysis;
        problems.push(ownProblem(`${name}: ${why}`, { file: at, line, column: 1 }));
      }
    }
  }
  if (functions.length === 0) {
    const seen = others.map(({ name, why }) => `; ${name}: ${why}`).join("");
    problems.push(
      ownProblem(`it exports no function of a packet${seen}`, { file: path, line: 0, column: 0 }),
    );
  }
  return { ok: problems.length === 0, file, modules: loaded.files, problems, functions, others };
}

/** What was found while loading comes first, and the compiler's word for the same line is left out. */
function* problemsOf(
  failure: ScriptLoadError | undefined,
  { problems }: TypeReport,
  path: string,
): Iterable<ScriptProblem> {
  const place = failure?.place;
  if (failure !== undefined) {
    yield {
      ...ownProblem(failure.message, place ?? { file: path, line: 0, column: 0 }),
      text: failure.message,
    };
  }
  for (const problem of problems) {
    if (problem.file !== place?.file || problem.line !== place.line) yield problem;
  }
}

function ownProblem(
  message: string,
  { file, line, column }: { readonly file: string; readonly line: number; readonly column: number },
): ScriptProblem {
  const where = line > 0 ? `${file}:${line}:${column}` : file;
  return { file, line, column, code: "script-load", message, text: `${where} - error: ${message}` };
}

function realPath(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    return undefined;
  }
}
