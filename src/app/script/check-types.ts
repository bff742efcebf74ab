/**
 * The type check of a script by the TypeScript compiler, against this installation's declarations, and which of its
 * exports are packet scripts.
 * @module
 */
import { basename, resolve } from "node:path";
import type TypeScript from "typescript";
import { ts } from "./analysis/module-graph.ts";
import { scriptCompilerOptions } from "./compiler-options.ts";

/** Something that a compiler or a loader does not take. */
export interface ScriptProblem {
  readonly file: string;
  /** From 1; 0 when it is about no place. */
  readonly line: number;
  readonly column: number;
  /** `TS2322`, or `script-load`. */
  readonly code: string;
  readonly message: string;
  /** As a compiler prints it, with the lines around. */
  readonly text: string;
}

/** What an export is. */
export interface SignatureCheck {
  readonly name: string;
  /** `no`: its parameters are others, so it is something for the script's own use. */
  readonly isScript: "yes" | "no" | "wrong";
  /** Why not; empty for a script. */
  readonly why: string;
}

export interface TypeReport {
  /** The script as the compiler has read it, for who wants to know more of it. */
  readonly program: TypeScript.Program;
  readonly problems: readonly ScriptProblem[];
  readonly signatures: readonly SignatureCheck[];
}

/** Each kind of test of {@link checkTypes} has its lines in this file, which is nowhere on the disk. */
const PROBE = "metanet-signatures.ts";

/** @param functions the exports that are functions when the script is loaded */
export function checkTypes(file: string, functions: readonly string[], colour: boolean): TypeReport {
  const path = resolve(file);
  const { options } = ts.convertCompilerOptionsFromJson(scriptCompilerOptions(), ".");
  const probe = resolve(path, "..", PROBE);
  const text = probeText(path, functions);
  const host = ts.createCompilerHost(options, true);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => name === probe || fileExists(name);
  host.readFile = (name) => (name === probe ? text : readFile(name));
  host.getSourceFile = (name, version, ...rest) =>
    name === probe ? ts.createSourceFile(name, text, version, true) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([path, probe], options, host);
  const source = program.getSourceFile(path);
  const own = program
    .getSourceFiles()
    .filter((one) => one.fileName !== probe && isScripts(program, one, source));
  const found = own.flatMap((one) => [
    ...program.getSyntacticDiagnostics(one),
    ...program.getSemanticDiagnostics(one),
  ]);
  const errors = found.filter(({ category }) => category === ts.DiagnosticCategory.Error);
  return {
    program,
    problems: errors.map((diagnostic) => problemOf(diagnostic, colour)),
    signatures: signaturesOf(program, probe, functions),
  };
}

/** The script and what it imports of its own: neither packages nor what is here. */
function isScripts(
  program: TypeScript.Program,
  one: TypeScript.SourceFile,
  entry: TypeScript.SourceFile | undefined,
): boolean {
  if (one === entry) return true;
  if (one.isDeclarationFile || program.isSourceFileFromExternalLibrary(one)) return false;
  return ownFiles(program, entry).has(one.fileName);
}

const known = new WeakMap<TypeScript.Program, ReadonlySet<string>>();

/** What can be reached from the entry by relative imports. */
function ownFiles(
  program: TypeScript.Program,
  entry: TypeScript.SourceFile | undefined,
): ReadonlySet<string> {
  const there = known.get(program);
  if (there !== undefined) return there;
  const found = new Set<string>(entry === undefined ? [] : [entry.fileName]);
  for (const name of found) {
    const { importedFiles } = ts.preProcessFile(program.getSourceFile(name)?.text ?? "", true, true);
    for (const { fileName } of importedFiles) {
      if (/^\.{0,2}\//.test(fileName)) found.add(resolve(name, "..", fileName));
    }
  }
  known.set(program, found);
  return found;
}

function probeText(path: string, functions: readonly string[]): string {
  return [
    'import type { Context, Packet, PacketScript } from "metanet/script";',
    `import * as script from ${JSON.stringify(`./${basename(path)}`)};`,
    ...functions.flatMap((name) => [
      `script[${JSON.stringify(name)}] satisfies (packet: Packet, context: Context) => unknown;`,
      `script[${JSON.stringify(name)}] satisfies PacketScript;`,
    ]),
  ].join("\n");
}

function signaturesOf(
  program: TypeScript.Program,
  probe: string,
  functions: readonly string[],
): SignatureCheck[] {
  const source = program.getSourceFile(probe);
  if (source === undefined) return [];
  const wrong = new Map<number, TypeScript.Diagnostic>();
  for (const diagnostic of program.getSemanticDiagnostics(source)) {
    if (diagnostic.start === undefined) continue;
    wrong.set(source.getLineAndCharacterOfPosition(diagnostic.start).line, diagnostic);
  }
  return functions.map((name, index) => {
    const [parameters, answer] = [wrong.get(2 + index * 2), wrong.get(3 + index * 2)];
    if (parameters !== undefined)
      return { name, isScript: "no", why: `its parameters: ${innermost(parameters)}` };
    if (answer === undefined) return { name, isScript: "yes", why: "" };
    return { name, isScript: "wrong", why: `what it returns is no verdict: ${innermost(answer)}` };
  });
}

/** The last sentence of a chain, which is about the cause. */
function innermost({ messageText }: TypeScript.Diagnostic): string {
  let one: string | TypeScript.DiagnosticMessageChain = messageText;
  while (typeof one !== "string") one = one.next?.[0] ?? one.messageText;
  return one.replace(/\.$/, "");
}

function problemOf(diagnostic: TypeScript.Diagnostic, colour: boolean): ScriptProblem {
  const { file, start = 0, code, messageText } = diagnostic;
  const place = file?.getLineAndCharacterOfPosition(start);
  const host: TypeScript.FormatDiagnosticsHost = {
    getCurrentDirectory: () => process.cwd(),
    getCanonicalFileName: (name) => name,
    getNewLine: () => "\n",
  };
  const text = ts.formatDiagnosticsWithColorAndContext([diagnostic], host).trimEnd();
  return {
    file: file?.fileName ?? "",
    line: place === undefined ? 0 : place.line + 1,
    column: place === undefined ? 0 : place.character + 1,
    code: `TS${code}`,
    message: ts.flattenDiagnosticMessageText(messageText, "\n"),
    text: colour ? text : withoutColour(text),
  };
}

function withoutColour(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of colours begin with one.
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
