/**
 * A reporter for Node's test runner: one line of JSON for each outcome, read by `run-file.ts`. Errors are
 * written as the text a person reads, as they do not survive JSON.
 * @module
 */
import { AssertionError } from "node:assert";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

/** One line of the report. */
export interface Outcome {
  readonly kind: "passed" | "failed" | "skipped" | "summary" | "note";
  /** The test's name, after the names of the suites and tests around it. */
  readonly name: string;
  /** What was thrown, why it was skipped, or the runner's own remark. */
  readonly text: string;
}

/** Turns the runner's events into lines; named by `--test-reporter`, which asks for a default export. */
export default async function* eventLines(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = [];
  for await (const event of events) {
    if (event.type === "test:start") path.splice(event.data.nesting, Infinity, event.data.name);
    const outcome = outcomeOf(event, path);
    if (outcome !== undefined) yield `${JSON.stringify(outcome)}\n`;
  }
}

function outcomeOf(event: TestEvent, path: readonly string[]): Outcome | undefined {
  if (event.type === "test:summary") return { kind: "summary", name: "", text: "" };
  if (event.type === "test:diagnostic" && event.data.message.startsWith("Error: ")) {
    return { kind: "note", name: "", text: event.data.message };
  }
  if (event.type !== "test:pass" && event.type !== "test:fail") return undefined;
  const { data } = event;
  const name = [...path.slice(0, data.nesting), data.name].join(" › ");
  if (data.skip !== undefined && data.skip !== false) {
    return {
      kind: "skipped",
      name,
      text: data.skip === true || data.skip === "" ? "no reason given" : data.skip,
    };
  }
  if (event.type === "test:pass") {
    return data.details.type === "suite" ? undefined : { kind: "passed", name, text: "" };
  }
  const { error } = event.data.details;
  // A parent that fails only because of its children would count the same failure twice.
  if ("failureType" in error && error.failureType === "subtestsFailed") return undefined;
  return { kind: "failed", name, text: describe(error.cause ?? error) };
}

/** An assertion's message holds the difference already; of other errors the fields and the cause matter. */
function describe(error: unknown): string {
  return error instanceof AssertionError ? (error.stack ?? error.message) : inspect(error);
}
