/**
 * What the schema found, as problems with a place and a fix; wrong keys get the key that was probably meant.
 * @module
 */
import type { z } from "zod";
import { nearest } from "../suggest.ts";
import { describeValue } from "./kinds.ts";
import { formatPath, type Path, type Positions } from "./positions.ts";
import type { Problem } from "./problem.ts";
import { knownKeys } from "./schema.ts";

type Issue = z.core.$ZodIssue;

/** One problem for each mistake; a key that is missing only because it is mistyped is told once. */
export function describeIssues(issues: readonly Issue[], plain: unknown, positions: Positions): Problem[] {
  const problems: Problem[] = [];
  const meant = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    for (const wrong of issue.keys) {
      const suggestion = nearest(wrong, knownKeys(issue.path));
      if (suggestion !== undefined) meant.add(formatPath([...issue.path, suggestion]));
      problems.push(unknownKey(issue.path, wrong, suggestion, positions));
    }
  }
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") continue;
    const missing = valueAt(plain, issue.path) === undefined;
    if (missing && meant.has(formatPath(issue.path))) continue;
    problems.push(missing ? missingKey(issue, positions) : wrongValue(issue, plain, positions));
  }
  return problems;
}

function unknownKey(at: Path, wrong: string, suggestion: string | undefined, positions: Positions): Problem {
  const path = [...at, wrong];
  const home = knownKeys([]).find((section) => knownKeys([section]).includes(wrong));
  let fix = `remove it; there are ${knownKeys(at).join(", ")}`;
  if (suggestion !== undefined) fix = `did you mean ${suggestion}?`;
  else if (home !== undefined) fix = `move it below ${home}`;
  return { ...positions.ofKey(path), key: formatPath(path), seen: "there is no such key", fix };
}

function missingKey(issue: Issue, positions: Positions): Problem {
  const example =
    issue.code === "custom" ? String(issue.params?.fix ?? "").replace(/^write it like /, "like ") : "";
  const key = formatPath(issue.path);
  return { ...positions.ofKey(issue.path), key, seen: "is missing", fix: `add it, ${example}` };
}

function wrongValue(issue: Issue, plain: unknown, positions: Positions): Problem {
  const place = { ...positions.ofValue(issue.path), key: formatPath(issue.path) };
  if (issue.code === "custom") return { ...place, seen: issue.message, fix: String(issue.params?.fix) };
  const list = issue.code === "invalid_type" && issue.expected === "array";
  const seen = `${describeValue(valueAt(plain, issue.path))} is not ${list ? "a list" : "a block of keys"}`;
  return {
    ...place,
    seen,
    fix: list ? "write it in brackets, like [10.77.0.1]" : "write its keys below it, indented",
  };
}

function valueAt(plain: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    plain,
  );
}
