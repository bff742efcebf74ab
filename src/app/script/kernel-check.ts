/**
 * Where in the kernel the functions of a script can run, and why not elsewhere: what `script check` tells.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type TypeScript from "typescript";
import { compileFunction } from "#script/compiler/compile.ts";
import type { CompiledScript, CompileResult } from "#script/compiler/compiled.ts";
import type { CompileProblem } from "#script/compiler/problem.ts";
import type { AttachType, CompileTarget } from "#script/compiler/target.ts";
import { ts } from "./analysis/module-graph.ts";
import { type ScriptProgram, scriptProgram } from "./kernel-compile.ts";

/** Places in the kernel, in the order they are told in. */
const KERNEL_PLACES: readonly AttachType[] = ["netfilter", "tcx-ingress", "tcx-egress", "xdp"];

/** Why a function cannot run somewhere. */
export interface KernelProblem {
  readonly code: string;
  /** The absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly construct: string;
  readonly why: string;
  readonly instead: string;
  /** As a compiler prints it, with the line and a marker. */
  readonly text: string;
}

export interface KernelPlaceCheck {
  readonly place: AttachType;
  readonly ok: boolean;
  /** Instructions of the program; 0 when there is none. */
  readonly instructions: number;
  readonly problems: readonly KernelProblem[];
}

/** What the kernel says to one function. */
export interface KernelCheck {
  readonly places: readonly KernelPlaceCheck[];
  /** It changes packets, marks them or sends them elsewhere, so that netfilter's hooks are none of its places. */
  readonly isMoreThanJudge: boolean;
  readonly handsOverTo: string | undefined;
  /** Where the kernel cannot be exactly as user space. */
  readonly notes: readonly string[];
}

const COMMON = { onError: "drop", statistics: true } as const;
/** Any bit; which it is does not matter here. */
const HAND_OVER = { handOverMark: 0x1000_0000 } as const;

/** The ways a place is tried: any of them, but all targets of one. */
const WAYS: Readonly<Record<AttachType, readonly (readonly CompileTarget[])[]>> = {
  netfilter: [
    [
      { attach: "netfilter", first: "network", family: "ipv4", ...COMMON },
      { attach: "netfilter", first: "network", family: "ipv6", ...COMMON },
    ],
  ],
  "tcx-ingress": [
    [{ attach: "tcx-ingress", first: "network", ...COMMON, ...HAND_OVER }],
    [{ attach: "tcx-ingress", first: "ethernet", ...COMMON }],
  ],
  "tcx-egress": [
    [{ attach: "tcx-egress", first: "network", ...COMMON }],
    [{ attach: "tcx-egress", first: "ethernet", ...COMMON }],
  ],
  xdp: [[{ attach: "xdp", first: "ethernet", ...COMMON }]],
};

/** One script's functions. */
export class KernelChecker {
  readonly #script: ScriptProgram;
  readonly #colour: boolean;

  /** @param known the script's program, where there is one already */
  constructor(file: string, colour = false, known?: TypeScript.Program) {
    this.#script = scriptProgram(file, known);
    this.#colour = colour;
  }

  check(functionName: string): KernelCheck {
    const tried = KERNEL_PLACES.map((place) => ({ place, results: this.#try(functionName, place) }));
    const scripts = tried.flatMap(({ results }) => results.flatMap(({ script }) => script ?? []));
    const places = tried.map(({ place, results }): KernelPlaceCheck => {
      const problems = results.flatMap((result) => [...result.problems]);
      const instructions = results.map(({ script }) => countOf(script));
      const ok = problems.length === 0;
      return {
        place,
        ok,
        instructions: ok ? Math.max(...instructions) : 0,
        problems: distinct(problems).map((problem) => this.#told(problem)),
      };
    });
    return {
      places,
      isMoreThanJudge: scripts.some(
        ({ facts }) => facts.writes || facts.marks || facts.redirects || facts.handsOverTo !== undefined,
      ),
      handsOverTo: scripts.map(({ facts }) => facts.handsOverTo).find((name) => name !== undefined),
      notes: [...new Set(scripts.flatMap(({ facts }) => facts.notes))],
    };
  }

  /** The programs of a function at the place, or at the first that takes it. */
  compile(functionName: string, wanted?: AttachType): readonly CompiledScript[] | readonly KernelProblem[] {
    let problems: KernelProblem[] = [];
    for (const place of wanted === undefined ? KERNEL_PLACES : [wanted]) {
      const results = this.#try(functionName, place);
      const scripts = results.flatMap(({ script }) => script ?? []);
      if (scripts.length === results.length) return scripts;
      problems = distinct(results.flatMap((result) => [...result.problems])).map((one) => this.#told(one));
    }
    return problems;
  }

  #try(functionName: string, place: AttachType): CompileResult[] {
    let last: CompileResult[] = [];
    for (const targets of WAYS[place]) {
      const results = targets.map((target) => this.#compile(functionName, target));
      if (results.every(({ script }) => script !== undefined)) return results;
      // The first way is the one of netfilter's hooks, which most scripts are for.
      if (last.length === 0) last = results;
    }
    return last;
  }

  /** What is wrong with the compiler is no reason to tell nothing of the script. */
  #compile(functionName: string, target: CompileTarget): CompileResult {
    try {
      return compileFunction({ ts, ...this.#script, function: functionName, target });
    } catch (error) {
      const problem: CompileProblem = {
        code: "kernel-internal",
        place: { file: this.#script.nameOf(this.#script.file), line: 1, column: 1 },
        length: 1,
        construct: functionName,
        why: `MetaNet's compiler failed: ${error instanceof Error ? error.message : String(error)}`,
        instead: "please report it with the script; user space runs it",
      };
      return { script: undefined, problems: [problem] };
    }
  }

  #told({ code, place, length, construct, why, instead }: CompileProblem): KernelProblem {
    const file = resolve(dirname(this.#script.file), place.file);
    const { line, column } = place;
    const problem = { code, file, line, column, length, construct, why, instead };
    return { ...problem, text: format(problem, this.#colour) };
  }
}

function countOf(script: CompiledScript | undefined): number {
  return script === undefined ? 0 : script.image.instructions.length / 8;
}

function distinct(problems: readonly CompileProblem[]): CompileProblem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

const RED = "\u001b[91m";
const GREY = "\u001b[90m";
const INVERSE = "\u001b[7m";
const PLAIN = "\u001b[0m";

/** The place, what and why, the line and a marker below it, as TypeScript's compiler prints them. */
function format(problem: Omit<KernelProblem, "text">, colour: boolean): string {
  const { code, file, line, column, construct, why, instead } = problem;
  const paint = (start: string, text: string): string => (colour ? `${start}${text}${PLAIN}` : text);
  const head = `${relative(process.cwd(), file)}:${line}:${column} - ${paint(GREY, `${code}:`)}`;
  const text = lineOf(file, line);
  const message = `${head} ${construct}: ${why}; ${instead}`;
  if (text === undefined) return message;
  const number = String(line);
  const before = text.slice(0, column - 1).replace(/[^\t]/g, " ");
  const length = Math.max(1, Math.min(problem.length, text.length - column + 1));
  const gutter = (label: string): string => paint(INVERSE, label.padStart(number.length));
  const marker = `${before}${paint(RED, "~".repeat(length))}`;
  return `${message}\n\n${gutter(number)} ${text}\n${gutter("")} ${marker}`;
}

function lineOf(file: string, line: number): string | undefined {
  try {
    // What a file has in it is not to drive a terminal.
    return readFileSync(file, "utf8")
      .split(/\r?\n/)
      [line - 1]?.replace(/[^\P{Cc}\t]/gu, "\ufffd");
  } catch {
    return undefined;
  }
}
