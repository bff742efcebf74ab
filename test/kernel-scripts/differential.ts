/**
 * Compares engines over batches of random scripts, makes what fails small, and tells of it.
 * @module
 */
import { type Batch, compareCase, type Finding, moduleOf, randomBatch, type ScriptCase } from "./batch.ts";
import { type ConstructTally, countOutcome, countScript, emptyTally } from "./constructs.ts";
import type { Engine, TestModule } from "./engine.ts";
import type { TestFrame } from "./frames.ts";
import { textOf } from "./generate/piece.ts";
import type { Abilities } from "./generate/scope.ts";
import { hex } from "./outcome.ts";
import { ModulePrograms } from "./program.ts";
import { shrinkCase } from "./shrink.ts";

/** What was seen of one engine. */
export interface EngineTally {
  scripts: number;
  frames: number;
  /** How often each reason was given, by its code. */
  readonly refusals: Map<string, number>;
}

export interface Failure {
  readonly engine: string;
  readonly seed: number;
  readonly script: string;
  readonly finding: Finding;
  /** The whole story, for a person: the small script, its frames, what differs. */
  readonly text: string;
}

export interface Report {
  readonly tallies: ReadonlyMap<string, EngineTally>;
  /** What the scripts and frames were on which the last of a script's engines agreed. */
  readonly constructs: ConstructTally;
  readonly failures: readonly Failure[];
}

export interface DifferentialOptions {
  /** All, or those of each script by its number. */
  readonly engines: readonly Engine[] | ((script: number, abilities: Abilities) => readonly Engine[]);
  readonly seed: number;
  readonly scriptCount: number;
  /** Scripts in one module. */
  readonly batchCount?: number;
  /** After so many failures the rest is not run; 1 unless told. */
  readonly failureCountMax?: number;
  /** Milliseconds after which no further script is begun. */
  readonly timeMax?: number;
  /** Milliseconds for making a failure small; 30,000 unless told. */
  readonly shrinkTimeMax?: number;
  /** Is told of a failure before it is made small. */
  readonly onFailure?: (engine: string, script: string, finding: Finding) => void;
  /** Codes of refusals that are failures: the generator promises what these say is not so. */
  readonly isWrongRefusal?: (code: string) => boolean;
}

export function runDifferential(options: DifferentialOptions): Report {
  const { engines, seed, scriptCount, batchCount = 250, failureCountMax = 1 } = options;
  const programs = new ModulePrograms();
  const end = performance.now() + (options.timeMax ?? Number.POSITIVE_INFINITY);
  const tallies = new Map<string, EngineTally>();
  const constructs = emptyTally();
  const failures: Failure[] = [];
  for (let done = 0; done < scriptCount && failures.length < failureCountMax; done += batchCount) {
    if (performance.now() > end) break;
    const batch = randomBatch(seed + done * 7919, Math.min(batchCount, scriptCount - done));
    const module = moduleOf(programs, batch.surroundings, batch.cases);
    for (const [index, one] of batch.cases.entries()) {
      if (performance.now() > end) break;
      const chosen = typeof engines === "function" ? engines(done + index, one.script.abilities) : engines;
      for (const engine of chosen) {
        if (!engine.may(one.script.abilities) || failures.length >= failureCountMax) continue;
        const finding = compareCase(module, one, engine);
        count(tallyOf(tallies, engine), finding);
        if (engine === chosen.at(-1)) countConstructs(constructs, one, finding);
        if (!isFailure(finding, options)) continue;
        options.onFailure?.(engine.name, one.script.name, finding);
        const { shrinkTimeMax = 30_000 } = options;
        failures.push(explain({ programs, batch, one, engine, finding, shrinkTimeMax }));
      }
    }
  }
  return { tallies, constructs, failures };
}

function countConstructs(constructs: ConstructTally, { script }: ScriptCase, finding: Finding): void {
  if (finding.kind !== "agrees") return;
  countScript(constructs, textOf(script.piece));
  for (const [outcome, frame] of finding.outcomes) countOutcome(constructs, outcome, frame);
}

function tallyOf(tallies: Map<string, EngineTally>, { name }: Engine): EngineTally {
  const known = tallies.get(name) ?? { scripts: 0, frames: 0, refusals: new Map() };
  tallies.set(name, known);
  return known;
}

function isFailure(finding: Finding, { isWrongRefusal }: DifferentialOptions): boolean {
  if (finding.kind === "refused") return isWrongRefusal?.(finding.code) === true;
  return finding.kind !== "agrees";
}

function count(tally: EngineTally, finding: Finding): void {
  if (finding.kind === "agrees") {
    tally.scripts++;
    tally.frames += finding.outcomes.length;
  } else if (finding.kind === "refused") {
    tally.refusals.set(finding.code, (tally.refusals.get(finding.code) ?? 0) + 1);
  }
}

interface FailedCase {
  readonly programs: ModulePrograms;
  readonly batch: Batch;
  readonly one: ScriptCase;
  readonly engine: Engine;
  readonly finding: Finding;
  readonly shrinkTimeMax: number;
}

/** Two failures of which one may stand for the other. */
function isAlike(one: Finding, other: Finding): boolean {
  if (one.kind === "refused" && other.kind === "refused") return one.code === other.code;
  if (one.kind === "broke" && other.kind === "broke") return firstLine(one.text) === firstLine(other.text);
  return one.kind === "differs" && other.kind === "differs";
}

/** Without names and numbers, which change when a script becomes smaller. */
function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").replace(/\w*\d\w*/g, "#");
}

function explain({ programs, batch, one, engine, finding, shrinkTimeMax }: FailedCase): Failure {
  const end = performance.now() + shrinkTimeMax;
  const stillFail = (candidates: readonly ScriptCase[]): readonly boolean[] => {
    if (performance.now() > end) return candidates.map(() => false);
    const named = candidates.map((candidate, index) => renamed(candidate, `c${index}`));
    const module = moduleIn(() => moduleOf(programs, batch.surroundings, named));
    if (module !== undefined)
      return named.map((candidate) => isAlike(finding, compareCase(module, candidate, engine)));
    // One of them is no TypeScript any more: each by itself.
    return named.map((candidate) => {
      const alone = moduleIn(() => moduleOf(programs, batch.surroundings, [candidate]));
      return alone !== undefined && isAlike(finding, compareCase(alone, candidate, engine));
    });
  };
  const small = shrinkCase(one, stillFail);
  const module = moduleOf(programs, batch.surroundings, [small]);
  const seen = compareCase(module, small, engine);
  const text = [
    `${engine.name}, seed ${batch.seed}, script ${one.script.name}: ${tell(seen)}`,
    ...batch.surroundings.protocols.map((protocol) => protocol.text).filter((_, index) => uses(small, index)),
    textOf(small.script.piece).replace(/\n\n+/g, "\n"),
    ...small.frames.map(tellFrame),
  ].join("\n");
  return { engine: engine.name, seed: batch.seed, script: one.script.name, finding: seen, text };
}

/** What is not 0 of a frame. */
function tellFrame({ bytes, ...rest }: TestFrame): string {
  const told = Object.entries(rest).flatMap(([name, value]) => (value === 0 ? [] : [` ${name} ${value}`]));
  return `frame ${hex(bytes)}${told.join("")}`;
}

function uses({ script }: ScriptCase, index: number): boolean {
  return textOf(script.piece).includes(`proto${index}`);
}

function tell(finding: Finding): string {
  switch (finding.kind) {
    case "agrees":
      return "agrees alone, and did not among others";
    case "refused":
      return `refused with ${finding.code}: ${finding.text}`;
    case "broke":
      return `broke: ${finding.text}`;
    default:
      return `differs at frame ${finding.frame}:\n  ${finding.lines.join("\n  ")}`;
  }
}

function moduleIn(make: () => TestModule): TestModule | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** The same under another name, so that many stand in one module. */
function renamed(one: ScriptCase, name: string): ScriptCase {
  const from = one.script.name;
  const rename = (text: string): string => text.replace(new RegExp(`\\b${from}(?=[_(])`, "g"), name);
  const walk = (piece: ScriptCase["script"]["piece"]): ScriptCase["script"]["piece"] => ({
    ...piece,
    parts: piece.parts.map((part) => (typeof part === "string" ? rename(part) : walk(part))),
  });
  return { ...one, script: { ...one.script, name, piece: walk(one.script.piece) } };
}
