/**
 * Reads a configuration file: YAML with positions, then the schema, then what only the whole file can tell. All
 * mistakes are found in one go.
 * @module
 */
import { readFileSync } from "node:fs";
import { type Document, type ErrorCode, LineCounter, parseDocument, visit } from "yaml";
import { ConfigurationError } from "#base/errors.ts";
import { type Accounts, checkAccounts, orderSources } from "./access.ts";
import { checkAcross, checkInterfaces } from "./cross-check.ts";
import { describeIssues } from "./issues.ts";
import { formatPath, Positions } from "./positions.ts";
import { BadConfigurationError, type Problem } from "./problem.ts";
import { type Configuration, schema } from "./schema.ts";

/** Size of a configuration file, at the most; larger ones are refused. */
export const CONFIGURATION_BYTES_MAX: number = 1024 * 1024;

/** How often YAML aliases may be expanded, against files that grow without end. */
const ALIASES_MAX = 100;

/**
 * The text of a configuration file.
 * @throws ConfigurationError when it cannot be read or is larger than {@link CONFIGURATION_BYTES_MAX}.
 */
export function readConfiguration(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new ConfigurationError(`Cannot read configuration ${file}: ${describeReadError(cause)}`, { cause });
  }
  if (bytes.length > CONFIGURATION_BYTES_MAX) {
    const seen = `${bytes.length} bytes, more than ${CONFIGURATION_BYTES_MAX}`;
    throw new ConfigurationError(`Cannot read configuration ${file}: ${seen}; check the file's name`);
  }
  return bytes.toString("utf8");
}

/** What a machine has, for configurations that are about to be used on it. */
export interface MachineFacts extends Accounts {
  readonly interfaces: readonly string[];
}

/**
 * The configuration in a text; `file` is only named in errors and rules. With a `machine`, the interfaces, users and
 * groups that the configuration names must be there.
 * @throws BadConfigurationError with every mistake.
 */
export function parseConfiguration(file: string, text: string, machine?: MachineFacts): Configuration {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  if (document.errors.length > 0) throw new BadConfigurationError(file, yamlProblems(document, lines));
  const plain = plainOf(file, document, lines);
  const positions = new Positions(document, lines);
  const parsed = schema.safeParse(plain);
  if (!parsed.success) {
    throw new BadConfigurationError(file, inOrder(describeIssues(parsed.error.issues, plain, positions)));
  }
  const sources = orderSources(parsed.data.order, file, positions);
  const configuration: Configuration = { ...parsed.data, sources };
  const contradictions = checkAcross(configuration);
  if (machine) {
    contradictions.push(...checkInterfaces(configuration, machine.interfaces));
    contradictions.push(...checkAccounts(configuration, machine));
  }
  const problems = contradictions.map(
    ({ path, seen, fix }): Problem => ({ ...positions.ofValue(path), key: formatPath(path), seen, fix }),
  );
  if (problems.length > 0) throw new BadConfigurationError(file, inOrder(problems));
  return configuration;
}

/** What the document says, with its aliases resolved. */
function plainOf(file: string, document: Document.Parsed, lines: LineCounter): unknown {
  const problems: Problem[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document)) return;
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
      const seen = `*${alias.source} stands for nothing`;
      const fix = `write &${alias.source} before the value it stands for`;
      problems.push({ line, column: col, key: "", seen, fix });
    },
  });
  if (problems.length > 0) throw new BadConfigurationError(file, problems);
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX }) ?? {};
  } catch (cause) {
    const seen = cause instanceof Error ? cause.message : String(cause);
    const fix = "write out what the aliases stand for";
    throw new BadConfigurationError(file, [{ line: 0, column: 0, key: "", seen, fix }]);
  }
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((left, right) => left.line - right.line || left.column - right.column);
}

function describeReadError(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return "there is no such file; example/gateway/metanet.yaml is one to copy";
  if (code === "EACCES") return "permission denied; run as its owner or as root";
  if (code === "EISDIR") return "it is a folder; name the file in it";
  return cause instanceof Error ? cause.message : String(cause);
}

const YAML_FIXES: Partial<Record<ErrorCode, string>> = {
  TAB_AS_INDENT: "indent with spaces",
  DUPLICATE_KEY: "keep one of the two",
  MISSING_CHAR: "close the quote or bracket",
  BAD_INDENT: "indent keys of one block alike",
};

function yamlProblems(document: Document.Parsed, lines: LineCounter): Problem[] {
  return document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    const seen = `not YAML here: ${error.message}`;
    return { line, column: col, key: "", seen, fix: YAML_FIXES[error.code] ?? "correct the line" };
  });
}
