/**
 * The modules of a script as TypeScript's parser reads them: what each declares at its top, imports and exports.
 * Nothing is run, and packages are not entered.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import type TypeScript from "typescript";

/** The parser, loaded when a script is read for the first time: it takes a fifth of a second. */
export const ts: typeof TypeScript = createRequire(import.meta.url)("typescript");

/** Modules of one script; more are a mistake, or somebody's package. */
export const MODULE_COUNT_MAX = 1000;

/** What an import gives a name to. */
export interface Import {
  /** The module when it is one of the script's own. */
  readonly module: ModuleSource | undefined;
  readonly specifier: string;
  /** The export's name; `*` for all of them. */
  readonly name: string;
}

export interface ModuleSource {
  readonly path: string;
  readonly source: TypeScript.SourceFile;
  readonly imports: Map<string, Import>;
  /** Top-level declarations by name: functions, classes, variables with their statements. */
  readonly declarations: Map<string, TypeScript.Node[]>;
  /** Exports by name: a local name, or an import. */
  readonly exports: Map<string, string | Import>;
  /** Modules of which everything is exported again. */
  readonly stars: ModuleSource[];
}

/** The script's own modules, the one that was asked for first. */
export interface ModuleGraph {
  readonly modules: readonly ModuleSource[];
  /** Specifiers of packages. */
  readonly packages: ReadonlySet<string>;
}

/** Reads a script and what it imports from files beside it. Files that are not there are left out. */
export function readModuleGraph(file: string): ModuleGraph {
  const known = new Map<string, ModuleSource>();
  const packages = new Set<string>();
  const read = (path: string): ModuleSource | undefined => {
    const there = known.get(path);
    if (there !== undefined) return there;
    if (known.size >= MODULE_COUNT_MAX || !existsSync(path)) return undefined;
    const module = parse(path);
    known.set(path, module);
    fill(module, (specifier) => {
      if (/^\.{0,2}\//.test(specifier)) return read(resolve(dirname(path), specifier));
      packages.add(specifier);
      return undefined;
    });
    return module;
  };
  read(resolve(file));
  return { modules: [...known.values()], packages };
}

function parse(path: string): ModuleSource {
  const kind = /\.m?ts$/.test(path) ? ts.ScriptKind.TS : ts.ScriptKind.JS;
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2024, true, kind);
  return {
    path,
    source,
    imports: new Map(),
    declarations: new Map(),
    exports: new Map(),
    stars: [],
  };
}

type Find = (specifier: string) => ModuleSource | undefined;

function fill(module: ModuleSource, find: Find): void {
  for (const statement of module.source.statements) {
    if (ts.isImportDeclaration(statement)) addImport(module, statement, find);
    else if (ts.isExportDeclaration(statement)) addExport(module, statement, find);
    else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      const name = statement.name?.text ?? "default";
      declare(module, name, statement);
      if (isExported(statement)) module.exports.set(isDefault(statement) ? "default" : name, name);
    } else if (ts.isVariableStatement(statement)) addVariables(module, statement);
    else if (ts.isExportAssignment(statement)) {
      declare(module, "default", statement);
      module.exports.set(
        "default",
        ts.isIdentifier(statement.expression) ? statement.expression.text : "default",
      );
    }
  }
}

function addImport(module: ModuleSource, statement: TypeScript.ImportDeclaration, find: Find): void {
  const clause = statement.importClause;
  const specifier = (statement.moduleSpecifier as TypeScript.StringLiteral).text;
  if (clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return;
  const from = find(specifier);
  const add = (local: string, name: string): void => {
    module.imports.set(local, { module: from, specifier, name });
  };
  if (clause?.name !== undefined) add(clause.name.text, "default");
  const bindings = clause?.namedBindings;
  if (bindings === undefined) return;
  if (ts.isNamespaceImport(bindings)) {
    add(bindings.name.text, "*");
    return;
  }
  for (const element of bindings.elements) {
    if (!element.isTypeOnly) add(element.name.text, (element.propertyName ?? element.name).text);
  }
}

function addExport(module: ModuleSource, statement: TypeScript.ExportDeclaration, find: Find): void {
  if (statement.isTypeOnly) return;
  const specifier = statement.moduleSpecifier as TypeScript.StringLiteral | undefined;
  const from = specifier === undefined ? undefined : find(specifier.text);
  const clause = statement.exportClause;
  if (clause === undefined) {
    if (from !== undefined) module.stars.push(from);
  } else if (ts.isNamedExports(clause)) {
    for (const { name, propertyName, isTypeOnly } of clause.elements) {
      if (isTypeOnly) continue;
      const inner = (propertyName ?? name).text;
      module.exports.set(
        name.text,
        specifier ? { module: from, specifier: specifier.text, name: inner } : inner,
      );
    }
  } else if (specifier !== undefined) {
    module.exports.set(clause.name.text, { module: from, specifier: specifier.text, name: "*" });
  }
}

function addVariables(module: ModuleSource, statement: TypeScript.VariableStatement): void {
  for (const declaration of statement.declarationList.declarations) {
    for (const name of boundNames(declaration.name)) {
      declare(module, name, declaration);
      if (isExported(statement)) module.exports.set(name, name);
    }
  }
}

function declare(module: ModuleSource, name: string, node: TypeScript.Node): void {
  const nodes = module.declarations.get(name);
  if (nodes === undefined) module.declarations.set(name, [node]);
  else nodes.push(node);
}

/** The names that a binding declares. */
export function boundNames(name: TypeScript.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    ts.isOmittedExpression(element) ? [] : boundNames(element.name),
  );
}

/** Whether an expression is a function written down, whatever stands around it. */
export function isFunction(expression: TypeScript.Expression): boolean {
  const inner = bare(expression);
  return ts.isArrowFunction(inner) || ts.isFunctionExpression(inner);
}

/** An expression without parentheses and types. */
export function bare(expression: TypeScript.Expression): TypeScript.Expression {
  let inner = expression;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isNonNullExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

function isExported(statement: TypeScript.HasModifiers): boolean {
  return ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function isDefault(statement: TypeScript.HasModifiers): boolean {
  return ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ?? false;
}

/** What an export is in the end: the module that declares it and its name there; `undefined` for a package's. */
export function exportOf(
  module: ModuleSource,
  name: string,
  seen: Set<ModuleSource> = new Set(),
): { readonly module: ModuleSource; readonly name: string } | undefined {
  if (seen.has(module)) return undefined;
  seen.add(module);
  const found = module.exports.get(name);
  if (found === undefined) {
    for (const star of module.stars) {
      const behind = exportOf(star, name, seen);
      if (behind !== undefined) return behind;
    }
    return undefined;
  }
  const target = typeof found === "string" ? module.imports.get(found) : found;
  if (target === undefined) return { module, name: found as string };
  if (target.module === undefined || target.name === "*") return undefined;
  return exportOf(target.module, target.name, seen);
}

/** The names a module exports, of functions or whatever else. */
export function exportNames(module: ModuleSource, seen: Set<ModuleSource> = new Set()): string[] {
  if (seen.has(module)) return [];
  seen.add(module);
  const behind = module.stars.flatMap((star) => exportNames(star, seen).filter((name) => name !== "default"));
  return [...new Set([...module.exports.keys(), ...behind])];
}
