/**
 * `metanet script check`: whether a script can be loaded, whether its types hold, and what its functions need.
 * @module
 */
import { basename, relative } from "node:path";
import { Command } from "commander";
import type { AttachType } from "#script/compiler/target.ts";
import type { Use } from "../../script/analysis/read-function.ts";
import type { CheckedFunction, ScriptReport } from "../../script/check.ts";
import type { KernelCheck, KernelPlaceCheck } from "../../script/kernel-check.ts";
import { EXIT } from "../exit-code.ts";
import { readWord } from "../option.ts";
import type { Terminal } from "../terminal.ts";

/** As the checker has them, which is large and is loaded when it is needed. */
const KERNEL_PLACES: readonly AttachType[] = ["netfilter", "tcx-ingress", "tcx-egress", "xdp"];

export function scriptCheckCommand(terminal: Terminal): Command {
  return new Command("check")
    .summary("load a script on trial and say what it needs")
    .description(
      "Loads the script's modules in a thread that is thrown away, checks all types with the TypeScript compiler, and says of each function whether it writes to packets, asks for connections, how much of a packet it reads, and where in the kernel it can run. No root, no daemon. Exit code 1 when something is wrong.",
    )
    .argument("<FILE>", "a script: .ts, .mts, .js or .mjs")
    .option("--json", "print JSON")
    .option("--assembly <FUNCTION>", "print the function's program for the kernel, with the script's lines")
    .option("--at <PLACE>", `with --assembly: ${KERNEL_PLACES.join(", ")}; the first that takes it`)
    .addHelpText(
      "after",
      "\nExamples:\n  metanet script check nat.ts\n  metanet script check nat.ts --json | jq '.functions[].needs'\n  metanet script check nat.ts --assembly snat --at tcx-egress",
    )
    .action(async (file: string, options: Options) => {
      if (options.assembly !== undefined) return await list(terminal, file, options.assembly, options.at);
      const { checkScript } = await import("../../script/check.ts");
      const report = await checkScript(file, terminal.colour && !options.json);
      if (!report.ok) process.exitCode = EXIT.failed;
      if (options.json) terminal.out(JSON.stringify(forPrograms(report)));
      else for (const line of linesOf(report)) terminal.out(line);
    });
}

interface Options {
  readonly json?: boolean;
  readonly assembly?: string;
  readonly at?: string;
}

/** The programs of one function; what stands in their way, with exit code 1. */
async function list(terminal: Terminal, file: string, functionName: string, at?: string): Promise<void> {
  const place = at === undefined ? undefined : readWord(at, "--at", KERNEL_PLACES);
  const { KernelChecker } = await import("../../script/kernel-check.ts");
  const { listProgram } = await import("../../script/kernel-listing.ts");
  for (const one of new KernelChecker(file, terminal.colour).compile(functionName, place)) {
    if ("text" in one) {
      process.exitCode = EXIT.failed;
      terminal.note(one.text);
    } else for (const line of listProgram(one)) terminal.out(line);
  }
}

/** The texts with colours and lines of source are for people. */
function forPrograms(report: ScriptReport): object {
  const bare = <Problem extends { readonly text: string }>(problems: readonly Problem[]): object[] =>
    problems.map(({ text: _, ...problem }) => problem);
  const functions = report.functions.map(({ kernel, ...one }) => ({
    ...one,
    kernel: kernel && {
      ...kernel,
      places: kernel.places.map((place) => ({ ...place, problems: bare(place.problems) })),
    },
  }));
  return { ...report, problems: bare(report.problems), functions };
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

function* functionLines({ name, file, line, needs, uses, hooks, kernel }: CheckedFunction): Iterable<string> {
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
  if (kernel) yield* kernelLines(kernel);
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

const PLACE_TEXTS: Readonly<Record<AttachType, string>> = {
  netfilter: "netfilter's hooks",
  "tcx-ingress": "TCX ingress",
  "tcx-egress": "TCX egress",
  xdp: "XDP",
};
const ONLY_JUDGE = "TCX and XDP only: netfilter programs only judge";

/** Where it can run in the kernel; then each reason why not, once, with the places it is a reason for. */
function* kernelLines({ places, isMoreThanJudge, handsOverTo, notes }: KernelCheck): Iterable<string> {
  const texts = (list: readonly KernelPlaceCheck[]): string =>
    list.map(({ place }) => PLACE_TEXTS[place]).join(", ");
  const good = places.filter(({ ok }) => ok);
  if (good.length > 0) {
    const most = Math.max(...good.map(({ instructions }) => instructions));
    yield `  runs at ${texts(good)}, in the kernel: ${most} instructions at most`;
  } else yield "  does not run in the kernel";
  if (handsOverTo !== undefined) yield `  hands packets over to ${handsOverTo} in user space`;
  const isTold = (check: KernelPlaceCheck): boolean => check.place === "netfilter" && isMoreThanJudge;
  if (places.some((check) => !check.ok && isTold(check))) yield `  ${ONLY_JUDGE}`;
  const reasons = new Map<string, KernelPlaceCheck[]>();
  for (const check of places) {
    if (check.ok || isTold(check)) continue;
    for (const { text } of check.problems) reasons.set(text, [...(reasons.get(text) ?? []), check]);
  }
  for (const [text, list] of reasons) {
    yield good.length === 0 && list.length >= places.length - 1 ? "" : `  not at ${texts(list)}:`;
    yield indent(text);
  }
  for (const note of notes) yield `  in the kernel: ${note}`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "    ");
}
