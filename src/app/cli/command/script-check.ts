/**
 * `metanet script check`: whether a script can be loaded, whether its types hold, and what its functions need.
 * @module
 */
import { basename, relative } from "node:path";
import { Command } from "commander";
import type { Use } from "../../script/analysis/read-function.ts";
import type { CheckedFunction, ScriptReport } from "../../script/check.ts";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";

export function scriptCheckCommand(terminal: Terminal): Command {
  return new Command("check")
    .summary("load a script on trial and say what it needs")
    .description(
      "Loads the script's modules in a thread that is thrown away, checks all types with the TypeScript compiler, and says of each function whether it writes to packets, asks for connections, and how much of a packet it reads. No root, no daemon. Exit code 1 when something is wrong.",
    )
    .argument("<FILE>", "a script: .ts, .mts, .js or .mjs")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  metanet script check nat.ts\n  metanet script check nat.ts --json | jq '.functions[].needs'",
    )
    .action(async (file: string, options: { readonly json?: boolean }) => {
      const { checkScript } = await import("../../script/check.ts");
      const report = await checkScript(file, terminal.colour && !options.json);
      if (!report.ok) process.exitCode = EXIT.failed;
      if (options.json) terminal.out(JSON.stringify(forPrograms(report)));
      else for (const line of linesOf(report)) terminal.out(line);
    });
}

/** The texts with colours and lines of source are for people. */
function forPrograms(report: ScriptReport): object {
  return { ...report, problems: report.problems.map(({ text: _, ...problem }) => problem) };
}

function* linesOf(report: ScriptReport): Iterable<string> {
  for (const { text } of report.problems) yield text;
  if (report.problems.length > 0) yield "";
  for (const one of report.functions) yield* functionLines(one);
  for (const { name, why } of report.others) yield `${name}: no packet script (${why})`;
  const count = report.functions.length;
  const modules = report.modules.length;
  const ending = `${count} function${count === 1 ? "" : "s"}, ${modules} module${modules === 1 ? "" : "s"}`;
  const wrong = report.problems.length;
  yield wrong === 0
    ? `${report.file}: good, ${ending}`
    : `${report.file}: ${wrong} problem${wrong === 1 ? "" : "s"}`;
}

function* functionLines({ name, file, line, needs, uses, hooks }: CheckedFunction): Iterable<string> {
  const of = (kind: Use["kind"]): string => because(uses.filter((use) => use.kind === kind));
  yield `${name}  ${relative(process.cwd(), file)}:${line}`;
  yield needs.isWriting
    ? `  writes to packets${of("writes")}`
    : "  only reads packets, so aggregates of segments come whole";
  yield needs.readBytes < 65_535
    ? `  sees the first ${needs.readBytes} bytes of each packet`
    : `  sees whole packets${of("whole")}`;
  yield needs.connection
    ? `  is told the packet's connection${of("connection")}`
    : "  does not ask for the packet's connection";
  yield `  runs at ${hooks.join(", ")}, in user space`;
  yield "";
}

/** Reasons shown for each finding; the others are counted. */
const REASON_COUNT_MAX = 3;

function because(uses: readonly Use[]): string {
  const shown = uses
    .slice(0, REASON_COUNT_MAX)
    .map(({ file, line, column, reason }) => `${reason} at ${basename(file)}:${line}:${column}`);
  const more = uses.length - shown.length;
  if (shown.length === 0) return "";
  return `: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
