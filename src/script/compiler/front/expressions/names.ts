/**
 * What an identifier means: a variable of the function, a declaration of a module, something of metanet/script or of
 * the language. TypeScript's checker tells which declaration it is; nothing is guessed by name.
 * @module
 */
import type TypeScript from "typescript";
import { CompileError } from "../../problem.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { AlreadyRefused } from "../path.ts";
import { scriptExport } from "../surroundings/script-exports.ts";
import { bindPattern } from "./bind.ts";
import { refuseChanged } from "./changes.ts";

/** The module that all of our own names come from. */
const SCRIPT_MODULE = "metanet/script";

/** The value of an identifier. */
export function identifier(front: Front, node: TypeScript.Identifier): Lowered {
  const { ts, checker } = front;
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  if (symbol === undefined || node.text === "undefined") return global(front, node);
  const variable = front.state.variables.get(symbol);
  if (variable?.kind === "refused") throw new AlreadyRefused();
  return variable ?? symbolValue(front, node, symbol);
}

/** What a symbol that is no variable of the function stands for. */
export function symbolValue(front: Front, node: TypeScript.Node, symbol: TypeScript.Symbol): Lowered {
  const { ts, checker } = front;
  let one = symbol;
  for (;;) {
    const ours = importedName(front, one);
    if (ours !== undefined) return scriptExport(front, node, ours);
    if ((one.flags & ts.SymbolFlags.Alias) === 0) break;
    const next = checker.getImmediateAliasedSymbol(one);
    if (next === undefined || next === one) break;
    one = next;
  }
  const declaration = one.valueDeclaration ?? one.declarations?.[0];
  if (declaration === undefined) return refuseForeign(front, node, symbol.name);
  if (ts.isSourceFile(declaration)) return { kind: "builtin", name: `module ${declaration.fileName}` };
  const source = declaration.getSourceFile();
  const isImported = one !== symbol;
  // The language's own names, and what Node adds to them.
  if (front.program.isSourceFileDefaultLibrary(source) || (source.isDeclarationFile && !isImported)) {
    return global(front, node);
  }
  if (source.isDeclarationFile || front.program.isSourceFileFromExternalLibrary(source)) {
    return refuseForeign(front, node, symbol.name);
  }
  return declared(front, node, one, declaration);
}

/** The name that metanet/script exports this by; `*` for all of it; `undefined` when it is not ours. */
function importedName(front: Front, symbol: TypeScript.Symbol): string | undefined {
  const { ts } = front;
  for (const declaration of symbol.declarations ?? []) {
    if (ts.isImportSpecifier(declaration) || ts.isExportSpecifier(declaration)) {
      const { moduleSpecifier } = ts.isImportSpecifier(declaration)
        ? declaration.parent.parent.parent
        : declaration.parent.parent;
      if (moduleSpecifier !== undefined && isOurs(front, moduleSpecifier)) {
        return (declaration.propertyName ?? declaration.name).text;
      }
    }
    if (ts.isNamespaceImport(declaration) && isOurs(front, declaration.parent.parent.moduleSpecifier))
      return "*";
  }
  return undefined;
}

function isOurs(front: Front, specifier: TypeScript.Expression): boolean {
  return front.ts.isStringLiteral(specifier) && specifier.text === SCRIPT_MODULE;
}

function declared(
  front: Front,
  node: TypeScript.Node,
  symbol: TypeScript.Symbol,
  declaration: TypeScript.Declaration,
): Lowered {
  const { ts } = front;
  if (ts.isFunctionDeclaration(declaration)) {
    return { kind: "function", declaration: implementationOf(symbol, declaration), environment: undefined };
  }
  if (ts.isExportAssignment(declaration)) return front.expression(declaration.expression);
  const variable = variableOf(front, declaration);
  if (variable === undefined) {
    return front.refuse(node, {
      code: "kernel-declaration",
      why: ts.isClassDeclaration(declaration)
        ? "the kernel has no objects with methods, and this is a class"
        : "this is no constant and no function",
      instead: "use functions, constants and small objects",
    });
  }
  if (!ts.isSourceFile(variable.parent.parent.parent)) {
    return front.refuse(node, {
      code: "kernel-early",
      why: "it is used before its declaration has been reached",
      instead: "declare it before its first use",
    });
  }
  return moduleVariable(front, node, symbol, variable);
}

/** Of a function with several signatures the one with a body. */
function implementationOf(
  symbol: TypeScript.Symbol,
  declaration: TypeScript.FunctionDeclaration,
): TypeScript.FunctionDeclaration {
  const all = (symbol.declarations ?? []) as TypeScript.FunctionDeclaration[];
  return all.find((one) => one.body !== undefined) ?? declaration;
}

function variableOf(
  front: Front,
  declaration: TypeScript.Declaration,
): (TypeScript.VariableDeclaration & { parent: TypeScript.VariableDeclarationList }) | undefined {
  const { ts } = front;
  let one: TypeScript.Node = declaration;
  while (ts.isBindingElement(one) || ts.isObjectBindingPattern(one) || ts.isArrayBindingPattern(one))
    one = one.parent;
  if (!ts.isVariableDeclaration(one) || !ts.isVariableDeclarationList(one.parent)) return undefined;
  return one as TypeScript.VariableDeclaration & { parent: TypeScript.VariableDeclarationList };
}

/** A constant of a module, evaluated on its first use. */
function moduleVariable(
  front: Front,
  node: TypeScript.Node,
  symbol: TypeScript.Symbol,
  variable: TypeScript.VariableDeclaration & { parent: TypeScript.VariableDeclarationList },
): Lowered {
  const { ts } = front;
  if ((variable.parent.flags & ts.NodeFlags.Const) === 0) {
    return front.refuse(node, {
      code: "kernel-module-variable",
      why: "the kernel runs the function on several processors at once, and variables of the module are not there between packets",
      instead:
        'declare it const when it never changes, or keep the number in a map: context.map("name", { kind: "array", countMax: 1 })',
    });
  }
  if (!front.moduleValues.has(symbol)) evaluate(front, symbol, variable);
  const value = front.moduleValues.get(symbol);
  if (value === undefined) {
    return front.refuse(node, {
      code: "kernel-constant",
      why: "it is needed for its own value",
      instead: "declare constants before what uses them",
    });
  }
  if (value.kind === "refused") throw new AlreadyRefused();
  return value;
}

function evaluate(front: Front, symbol: TypeScript.Symbol, variable: TypeScript.VariableDeclaration): void {
  front.moduleValues.set(symbol, undefined);
  front.moduleDepth++;
  const domain = front.bigDomain;
  front.bigDomain = "bigint";
  try {
    const value: Lowered =
      variable.initializer === undefined ? { kind: "undefined" } : front.expression(variable.initializer);
    bindPattern(front, variable.name, value, (name, bound) => {
      const found = front.checker.getSymbolAtLocation(name);
      if (found === undefined) return;
      front.moduleValues.set(found, bound);
      refuseChanged(front, found, bound);
    });
  } catch (error) {
    // Told once, however often it is used.
    front.moduleValues.set(symbol, { kind: "refused" });
    if (error instanceof CompileError) front.report.addProblem(error.problem);
    throw new AlreadyRefused();
  } finally {
    front.bigDomain = domain;
    front.moduleDepth--;
  }
}

const GLOBALS: ReadonlySet<string> = new Set([
  "Math",
  "Number",
  "BigInt",
  "Boolean",
  "Object",
  "Array",
  "Map",
  "Set",
  "Int8Array",
  "Uint8Array",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);

/** What to take in place of names that scripts of user space use. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  console: 'post to the bus (context.bus.post), or count (context.counter("name").add())',
  crypto: "use context.randomInteger(limit)",
  Date: "use context.now, whole milliseconds since 1970",
  performance: "use context.now, whole milliseconds since 1970",
  setInterval: "keep the time in a map (context.now), and look there when a packet comes",
  setTimeout: "keep the time in a map (context.now), and look there when a packet comes",
};

/** A name of the language. */
function global(front: Front, node: TypeScript.Node): Lowered {
  const name = node.getText();
  if (name === "undefined") return { kind: "undefined" };
  if (name === "NaN" || name === "Infinity") return { kind: "fraction", value: Number(name) };
  if (GLOBALS.has(name)) return { kind: "builtin", name };
  const instead = ELSEWHERE[name] ?? "use numbers, bigints, booleans and what metanet/script has";
  return front.refuse(node, { code: "kernel-global", why: `the kernel has no ${name}`, instead });
}

function refuseForeign(front: Front, node: TypeScript.Node, name: string): never {
  return front.refuse(node, {
    code: "kernel-package",
    why: `${name} comes from a package, and packages are not compiled`,
    instead: "write the function into a module of the script's own, or run the script in user space",
  });
}
