/**
 * The place of a syntax error, by TypeScript's parser: V8 tells none for modules.
 * @module
 */
import ts from "typescript";
import type { ScriptPlace } from "#script/errors.ts";

/** Errors of the checker that are syntax errors in JavaScript: names declared twice. */
const REDECLARED: readonly number[] = [2300, 2451, 2440];

/** The first place in a module that the parser does not take; `undefined` when it takes everything. */
export function syntaxPlace(file: string): ScriptPlace | undefined {
  const program = ts.createProgram([file], {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    noLib: true,
    noResolve: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    target: ts.ScriptTarget.ES2024,
  });
  const source = program.getSourceFile(file);
  if (source === undefined) return undefined;
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].find(
    ({ code }) => code < 2000 || REDECLARED.includes(code),
  );
  if (found?.start === undefined) return undefined;
  const { line, character } = source.getLineAndCharacterOfPosition(found.start);
  return { file, line: line + 1, column: character + 1 };
}
