/**
 * Whether anything of the script changes a constant of a module that is an object or a list: the kernel has it as it is
 * declared, and what a module does when it is loaded, or a function in user space, would not be seen there.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { isAssignment } from "../syntax.ts";

/** Methods of lists, sets, maps and typed arrays that change them. */
const CHANGING: ReadonlySet<string> = new Set([
  ...["push", "pop", "shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin"],
  ...["add", "set", "delete", "clear"],
]);

/** Functions of Object and Reflect that change their first argument. */
const CHANGING_STATICS: ReadonlySet<string> = new Set([
  ...["assign", "defineProperty", "defineProperties", "setPrototypeOf", "set", "deleteProperty"],
]);

/** What was found of each constant, by the checker whose it is: all functions of a module ask for the same ones. */
const known = new WeakMap<TypeScript.TypeChecker, Map<TypeScript.Symbol, TypeScript.Node | undefined>>();

function changeOf(front: Front, symbol: TypeScript.Symbol): TypeScript.Node | undefined {
  const found = known.get(front.checker) ?? new Map<TypeScript.Symbol, TypeScript.Node | undefined>();
  known.set(front.checker, found);
  if (!found.has(symbol)) found.set(symbol, new Changes(front).of(symbol));
  return found.get(symbol);
}

/** Refuses a constant that something changes. */
export function refuseChanged(front: Front, symbol: TypeScript.Symbol, value: Lowered): void {
  if (!["list", "set", "table", "record"].includes(value.kind)) return;
  const change = changeOf(front, symbol);
  if (change === undefined) return;
  front.refuse(change, {
    code: "kernel-module-variable",
    why: `this changes ${symbol.name}, or what is in it, and the kernel has constants of modules as they are declared`,
    instead: "write down all that is in it, make another constant of it ([...LIST, 5]), or use a map",
  });
}

class Changes {
  readonly #front: Front;
  readonly #seen = new Set<TypeScript.Symbol>();

  constructor(front: Front) {
    this.#front = front;
  }

  /** Where what a variable holds is changed, also by way of other names for it or for a part of it. */
  of(symbol: TypeScript.Symbol): TypeScript.Node | undefined {
    if (this.#seen.has(symbol)) return undefined;
    this.#seen.add(symbol);
    for (const file of this.#filesWith(symbol)) {
      const found = this.#within(file, symbol);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Its own module, and those that name both. */
  #filesWith({ name, valueDeclaration }: TypeScript.Symbol): TypeScript.SourceFile[] {
    const { program } = this.#front;
    const own = valueDeclaration?.getSourceFile();
    if (own === undefined) return [];
    const stem = own.fileName.replace(/^.*\//, "").replace(/\.\w+$/, "");
    return program
      .getSourceFiles()
      .filter(
        (file) =>
          file === own || (!file.isDeclarationFile && file.text.includes(stem) && file.text.includes(name)),
      );
  }

  #within(node: TypeScript.Node, symbol: TypeScript.Symbol): TypeScript.Node | undefined {
    const { ts } = this.#front;
    if (ts.isIdentifier(node) && this.#means(node, symbol)) return this.#changeAt(node);
    return ts.forEachChild(node, (child) => this.#within(child, symbol));
  }

  #means(node: TypeScript.Identifier, symbol: TypeScript.Symbol): boolean {
    const { ts, checker } = this.#front;
    const { parent } = node;
    if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return false;
    const found = ts.isShorthandPropertyAssignment(parent)
      ? checker.getShorthandAssignmentValueSymbol(parent)
      : checker.getSymbolAtLocation(node);
    if (found === undefined || found === symbol) return found === symbol;
    return (found.flags & ts.SymbolFlags.Alias) !== 0 && checker.getAliasedSymbol(found) === symbol;
  }

  /** What is done to what stands at a node: it, or a part of it that was taken by its place. */
  #changeAt(reference: TypeScript.Node): TypeScript.Node | undefined {
    const { ts } = this.#front;
    let node = reference;
    for (;;) {
      const { parent } = node;
      if (isWrapper(ts, parent)) node = parent;
      else if (isAccess(ts, parent) && parent.expression === node) {
        const call = this.#callOf(parent);
        if (call !== undefined) {
          const found = this.#changeByMethod(parent, call);
          if (found !== undefined) return found;
          // find, at and get give parts.
          node = call;
        } else node = parent;
        if (this.#isWritten(node)) return node.parent;
      } else return this.#changeByName(node);
    }
  }

  #callOf(access: TypeScript.Node): TypeScript.CallExpression | undefined {
    const { parent } = access;
    return this.#front.ts.isCallExpression(parent) && parent.expression === access ? parent : undefined;
  }

  #changeByMethod(access: TypeScript.Node, call: TypeScript.CallExpression): TypeScript.Node | undefined {
    const { ts } = this.#front;
    const name = ts.isPropertyAccessExpression(access) ? access.name.text : "";
    if (CHANGING.has(name) && this.#isOfLanguage(access)) return call;
    // Elements become parameters of what is called with them.
    for (const argument of call.arguments) {
      const found = this.#changeByFunction(argument);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether a method is one of the language's, and not of an object of the script. */
  #isOfLanguage(access: TypeScript.Node): boolean {
    const { ts, checker, program } = this.#front;
    const symbol = checker.getSymbolAtLocation(ts.isPropertyAccessExpression(access) ? access.name : access);
    const file = symbol?.declarations?.[0]?.getSourceFile();
    return file === undefined || program.isSourceFileDefaultLibrary(file);
  }

  /** By a function whose parameters are, or may be, parts of it. */
  #changeByFunction(callee: TypeScript.Node, index?: number): TypeScript.Node | undefined {
    const { ts, checker } = this.#front;
    let one: TypeScript.Node | undefined = callee;
    if (ts.isIdentifier(callee)) {
      const symbol = checker.getSymbolAtLocation(callee);
      const isAlias = symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0;
      one = (isAlias ? checker.getAliasedSymbol(symbol) : symbol)?.valueDeclaration;
      if (one !== undefined && ts.isVariableDeclaration(one)) one = one.initializer;
    }
    if (one === undefined || !ts.isFunctionLike(one)) return undefined;
    const parameters = index === undefined ? one.parameters : one.parameters.slice(index, index + 1);
    return this.#changeOfNames(parameters.map(({ name }) => name));
  }

  #isWritten(node: TypeScript.Node): boolean {
    const { ts } = this.#front;
    const { parent } = node;
    if (ts.isBinaryExpression(parent)) {
      return parent.left === node && isAssignment(ts, parent.operatorToken.kind);
    }
    if (ts.isPostfixUnaryExpression(parent) || ts.isPrefixUnaryExpression(parent)) {
      return [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(parent.operator);
    }
    return ts.isDeleteExpression(parent);
  }

  /** By another name that it, or a part of it, is given. */
  #changeByName(node: TypeScript.Node): TypeScript.Node | undefined {
    const { ts } = this.#front;
    const { parent } = node;
    if (ts.isVariableDeclaration(parent) && parent.initializer === node) {
      return this.#changeOfNames([parent.name]);
    }
    if (ts.isForOfStatement(parent) && parent.expression === node) {
      if (!ts.isVariableDeclarationList(parent.initializer)) return undefined;
      return this.#changeOfNames(parent.initializer.declarations.map(({ name }) => name));
    }
    if (!ts.isCallExpression(parent)) return undefined;
    const index = parent.arguments.indexOf(node as TypeScript.Expression);
    if (index < 0) return undefined;
    const callee = parent.expression;
    const isStatic =
      ts.isPropertyAccessExpression(callee) && /^(Object|Reflect)$/.test(callee.expression.getText());
    if (isStatic) return index === 0 && CHANGING_STATICS.has(callee.name.text) ? parent : undefined;
    return this.#changeByFunction(callee, index);
  }

  #changeOfNames(names: readonly TypeScript.BindingName[]): TypeScript.Node | undefined {
    const { ts, checker } = this.#front;
    for (const name of names) {
      if (ts.isIdentifier(name)) {
        const symbol = checker.getSymbolAtLocation(name);
        const found = symbol && this.of(symbol);
        if (found !== undefined) return found;
        continue;
      }
      const parts = name.elements.flatMap((one) => (ts.isOmittedExpression(one) ? [] : [one.name]));
      const found = this.#changeOfNames(parts);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function isWrapper(ts: typeof TypeScript, node: TypeScript.Node): boolean {
  return (
    ts.isParenthesizedExpression(node) ||
    ts.isAsExpression(node) ||
    ts.isSatisfiesExpression(node) ||
    ts.isNonNullExpression(node) ||
    ts.isTypeAssertionExpression(node)
  );
}

function isAccess(
  ts: typeof TypeScript,
  node: TypeScript.Node,
): node is TypeScript.PropertyAccessExpression | TypeScript.ElementAccessExpression {
  return ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
}
