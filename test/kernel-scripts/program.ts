/**
 * Programs of the TypeScript compiler over modules that are nowhere on the disk; what they have in common is read and
 * parsed once.
 * @module
 */
import { join } from "node:path";
import type TypeScript from "typescript";
import { ts } from "#app/script/analysis/module-graph.ts";
import { scriptCompilerOptions } from "#app/script/compiler-options.ts";

/** Where the modules seem to be. */
const FOLDER: string = import.meta.dirname;

export class ModulePrograms {
  readonly #options: TypeScript.CompilerOptions;
  readonly #host: TypeScript.CompilerHost;
  readonly #parsed = new Map<string, TypeScript.SourceFile | undefined>();
  #text = "";
  #count = 0;
  #last: TypeScript.Program | undefined;

  constructor() {
    this.#options = ts.convertCompilerOptionsFromJson(scriptCompilerOptions(), ".").options;
    const host = ts.createCompilerHost(this.#options);
    const { getSourceFile, fileExists, readFile } = host;
    const isOurs = (name: string): boolean => name === this.path;
    this.#host = {
      ...host,
      fileExists: (name) => isOurs(name) || fileExists(name),
      readFile: (name) => (isOurs(name) ? this.#text : readFile(name)),
      getSourceFile: (name, version, ...rest) => {
        if (isOurs(name)) return ts.createSourceFile(name, this.#text, version, true);
        if (!this.#parsed.has(name)) this.#parsed.set(name, getSourceFile(name, version, ...rest));
        return this.#parsed.get(name);
      },
    };
  }

  /** The path of the module that was made last. */
  get path(): string {
    return join(FOLDER, `module-${this.#count}.ts`);
  }

  make(text: string): { readonly program: TypeScript.Program; readonly source: TypeScript.SourceFile } {
    this.#count++;
    this.#text = text;
    const program = ts.createProgram([this.path], this.#options, this.#host, this.#last);
    this.#last = program;
    const source = program.getSourceFile(this.path);
    if (source === undefined) throw new Error("the module is not in its own program");
    return { program, source };
  }
}

/** What is wrong with the types of a module, a line for each problem; lists no comparison that is always the same. */
export function typeProblems(program: TypeScript.Program, source: TypeScript.SourceFile): string[] {
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  return found
    .filter(({ code }) => !EXPECTED.has(code))
    .map(({ start = 0, length = 0, code, messageText }) => {
      const { line } = source.getLineAndCharacterOfPosition(start);
      const about = source.text.slice(start, start + length).split("\n")[0];
      return `line ${line + 1}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, " ")}: ${about}`;
    });
}

/**
 * Two constants that are compared; an expression that is never undefined, or always; a field of what was found to be
 * undefined before.
 */
const EXPECTED: ReadonlySet<number> = new Set([2339, 2367, 2678, 2869, 2871, 2881]);
