/**
 * The readable record of a lab: numbered steps, each with what was run, what was seen, and whether it held. The
 * same record goes out as JSON lines for programs, and as text into the kept folder.
 * @module
 */
import type { RunResult } from "./command-line.ts";
import { commandLine } from "./command-line.ts";

/** Where the record goes. */
export interface TranscriptSink {
  /** One line for people. */
  text(line: string): void;
  /** One object for programs. */
  json(record: Readonly<Record<string, unknown>>): void;
}

/** What a step uses to say what it does. */
export interface StepLog {
  /** A command as it can be typed on `where`. */
  did(where: string, command: string, args: readonly string[]): void;
  /** A sentence about what was seen. */
  saw(sentence: string): void;
  /** Says what was seen; the step fails when it does not hold. @throws StepFailedError */
  must(holds: boolean, sentence: string, instead?: string): void;
}

/** A step saw something else than it promised. */
export class StepFailedError extends Error {
  readonly code: string = "lab-step-failed";
}

export interface Step {
  readonly key: string;
  readonly title: string;
  /** Steps without which this one makes no sense; it is not run when one of them failed. */
  readonly needs?: readonly string[];
  readonly run: (log: StepLog) => Promise<void>;
}

export type StepOutcome = "ok" | "FAILED" | "not run";

/** Runs steps in order and records them. */
export class Transcript {
  readonly #sink: TranscriptSink;
  readonly #now: () => number;
  readonly #outcomes = new Map<string, StepOutcome>();
  readonly #startedAt: number;
  #count = 0;

  constructor(sink: TranscriptSink, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
    this.#startedAt = now();
  }

  /** True when every step so far was run and held. */
  get held(): boolean {
    return [...this.#outcomes.values()].every((outcome) => outcome === "ok");
  }

  get outcomes(): ReadonlyMap<string, StepOutcome> {
    return this.#outcomes;
  }

  /** A line outside the steps. */
  note(line: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#sink.text(line);
    this.#sink.json({ event: "note", text: line, ...fields });
  }

  /** Runs one step; a failure is recorded, not thrown. */
  async step(step: Step): Promise<StepOutcome> {
    const number = ++this.#count;
    const label = String(number).padStart(2);
    this.#sink.text("");
    this.#sink.text(`${label}  ${step.title}`);
    const missing = (step.needs ?? []).filter((key) => this.#outcomes.get(key) !== "ok");
    const startedAt = this.#now();
    const { outcome, error } =
      missing.length > 0
        ? { outcome: "not run" as const, error: `needs ${missing.join(", ")}` }
        : await this.#run(step, number);
    const took = Math.round(this.#now() - startedAt);
    this.#outcomes.set(step.key, outcome);
    this.#sink.text(
      `    ${outcome}${error ? `: ${error.replaceAll("\n", "\n    ")}` : ""}  (${(took / 1000).toFixed(2)} s)`,
    );
    this.#sink.json({
      event: "step",
      step: number,
      key: step.key,
      title: step.title,
      outcome,
      milliseconds: took,
      ...(error ? { error } : {}),
    });
    return outcome;
  }

  /** The last line: how many steps held, and how long all of it took. */
  end(): void {
    const all = [...this.#outcomes.values()];
    const held = all.filter((outcome) => outcome === "ok").length;
    const took = this.#now() - this.#startedAt;
    this.#sink.text("");
    this.#sink.text(
      `${this.held ? "ok" : "FAILED"}: ${held} of ${all.length} steps held in ${(took / 1000).toFixed(1)} s`,
    );
    this.#sink.json({
      event: "end",
      ok: this.held,
      held,
      steps: all.length,
      milliseconds: Math.round(took),
    });
  }

  async #run(step: Step, number: number): Promise<{ outcome: StepOutcome; error?: string }> {
    try {
      await step.run(this.#log(number));
      return { outcome: "ok" };
    } catch (error) {
      return { outcome: "FAILED", error: error instanceof Error ? error.message : String(error) };
    }
  }

  #log(step: number): StepLog {
    const sink = this.#sink;
    const saw = (sentence: string, holds: boolean): void => {
      sink.text(`    ${holds ? "" : "NOT: "}${sentence}`);
      sink.json({ event: "saw", step, text: sentence, holds });
    };
    return {
      did(where, command, args) {
        sink.text(`    ${where}# ${commandLine(command, args)}`);
        sink.json({ event: "did", step, where, command: [command, ...args] });
      },
      saw: (sentence) => saw(sentence, true),
      must(holds, sentence, instead) {
        saw(sentence, holds);
        if (!holds) throw new StepFailedError(instead ?? "see the line above");
      },
    };
  }
}

/** The first words of what a program printed, for a line of the record. */
export function excerpt(result: Pick<RunResult, "stdout" | "stderr">, lengthMax: number = 160): string {
  const text = `${result.stdout}\n${result.stderr}`.replaceAll(/\s+/g, " ").trim();
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}
