/**
 * What an expression of a script can be: whether it may be a packet or hold one, and whether it is the script's own.
 * @module
 */
import type TypeScript from "typescript";
import { bindingsOf, isAssignment } from "./bindings.ts";
import { NEW_ANSWERS, SCALAR_ANSWERS } from "./known-code.ts";
import { bare, type ModuleSource, ts } from "./module-graph.ts";
import { vocabulary } from "./vocabulary.ts";

/** What packets and verdicts are imported from. */
export const OWN_ENTRY = "metanet/script";

/** The expressions of one module. */
export class Values {
  readonly #module: ModuleSource;

  constructor(module: ModuleSource) {
    this.#module = module;
  }

  /** Whether what is called belongs to metanet/script: `verdict.later(…)`, `ipv4.header(…)`. */
  isOwnApi(holder: TypeScript.Expression): boolean {
    return ts.isIdentifier(holder) && this.#module.imports.get(holder.text)?.specifier === OWN_ENTRY;
  }

  /** Whether an expression cannot be, or hold, a packet or its bytes. */
  isClean(expression: TypeScript.Expression, asked: Set<string> = new Set()): boolean {
    const inner = bare(expression);
    const isClean = (one: TypeScript.Expression): boolean => this.isClean(one, asked);
    if (ts.isLiteralExpression(inner) || ts.isTemplateExpression(inner) || isKeywordValue(inner)) return true;
    if (ts.isPrefixUnaryExpression(inner) || ts.isPostfixUnaryExpression(inner)) return true;
    if (ts.isTypeOfExpression(inner) || ts.isVoidExpression(inner)) return true;
    if (ts.isConditionalExpression(inner)) return isClean(inner.whenTrue) && isClean(inner.whenFalse);
    if (ts.isBinaryExpression(inner))
      return isArithmetic(inner) || (isClean(inner.left) && isClean(inner.right));
    if (ts.isArrayLiteralExpression(inner)) return inner.elements.every(isClean);
    if (ts.isObjectLiteralExpression(inner)) {
      return inner.properties.every((one) => ts.isPropertyAssignment(one) && isClean(one.initializer));
    }
    if (ts.isPropertyAccessExpression(inner)) {
      const isOwn = ts.isIdentifier(inner.expression) && this.isOwnApi(inner.expression);
      return isOwn || vocabulary().scalars.has(inner.name.text) || inner.name.text === "length";
    }
    if (ts.isCallExpression(inner)) {
      const callee = bare(inner.expression);
      const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
      if (!ts.isIdentifier(name)) return false;
      const isOwnName = name === callee && bindingsOf(this.#module).has(name.text);
      return SCALAR_ANSWERS.has(name.text) && !isOwnName;
    }
    if (!ts.isIdentifier(inner)) return false;
    if (inner.text === "undefined" || this.#module.imports.get(inner.text)?.specifier === OWN_ENTRY)
      return true;
    if (asked.has(inner.text)) return true;
    asked.add(inner.text);
    const sources = bindingsOf(this.#module).get(inner.text);
    return sources?.every(({ value }) => value !== undefined && isClean(value)) ?? false;
  }

  /** Whether an expression is a constant object of the module that holds no packet, or a part of one. */
  isOfConstant(expression: TypeScript.Expression): boolean {
    let root = bare(expression);
    while (ts.isPropertyAccessExpression(root)) root = bare(root.expression);
    if (!ts.isIdentifier(root) || this.#module.imports.has(root.text)) return false;
    const sources = bindingsOf(this.#module).get(root.text) ?? [];
    const [only] = sources;
    if (sources.length !== 1 || only?.value === undefined) return false;
    if (!ts.isObjectLiteralExpression(bare(only.value)) || !this.isClean(only.value)) return false;
    return !isWrittenTo(this.#module.source, root.text);
  }

  /** Whether a function of the module is called whose only result is new. */
  #answersNew(callee: TypeScript.Expression, asked: Set<string>): boolean {
    if (!ts.isIdentifier(callee) || asked.has(callee.text)) return false;
    asked.add(callee.text);
    const sources = bindingsOf(this.#module).get(callee.text) ?? [];
    return (
      sources.length > 0 &&
      sources.every(({ value }) => {
        const inner = value === undefined ? undefined : bare(value);
        return (
          inner !== undefined &&
          ts.isArrowFunction(inner) &&
          !ts.isBlock(inner.body) &&
          this.isNew(inner.body, asked)
        );
      })
    );
  }

  /** Whether an expression is an object or bytes of the script's own, so that changing it changes no packet. */
  isNew(expression: TypeScript.Expression, asked: Set<string> = new Set()): boolean {
    const inner = bare(expression);
    if (ts.isObjectLiteralExpression(inner) || ts.isArrayLiteralExpression(inner)) return true;
    if (ts.isStringLiteralLike(inner) || ts.isTemplateExpression(inner)) return true;
    if (ts.isNewExpression(inner)) return this.#isNewClass(inner);
    if (inner.kind === ts.SyntaxKind.ThisKeyword) return isOwnThis(inner);
    if (ts.isCallExpression(inner)) {
      const callee = bare(inner.expression);
      const name = ts.isPropertyAccessExpression(callee)
        ? callee.name.text
        : callee.getText(this.#module.source);
      return NEW_ANSWERS.has(name) || SCALAR_ANSWERS.has(name) || this.#answersNew(callee, asked);
    }
    if (ts.isBinaryExpression(inner)) return this.isNew(inner.left, asked) && this.isNew(inner.right, asked);
    if (ts.isPropertyAccessExpression(inner)) {
      // A private member of a class of the script's own, given a value in one place.
      return ts.isPrivateIdentifier(inner.name) && this.#isNewPrivate(inner.name.text, asked);
    }
    if (!ts.isIdentifier(inner) || this.#module.imports.has(inner.text)) return false;
    if (asked.has(inner.text)) return true;
    asked.add(inner.text);
    const sources = bindingsOf(this.#module).get(inner.text);
    return sources?.every(({ value }) => value !== undefined && this.isNew(value, asked)) ?? false;
  }

  #isNewClass(node: TypeScript.NewExpression): boolean {
    const callee = bare(node.expression);
    if (!ts.isIdentifier(callee)) return false;
    const imported = this.#module.imports.get(callee.text);
    if (imported !== undefined) return imported.module !== undefined;
    // Typed arrays over somebody's memory are found by asking for that memory, `buffer`.
    return true;
  }

  #isNewPrivate(name: string, asked: Set<string>): boolean {
    if (asked.has(name)) return true;
    asked.add(name);
    let areNew = true;
    const visit = (node: TypeScript.Node): void => {
      const isDeclared = ts.isPropertyDeclaration(node) && node.name.getText(this.#module.source) === name;
      if (isDeclared && node.initializer !== undefined) areNew &&= this.isNew(node.initializer, asked);
      if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) {
        const target = bare(node.left);
        const isTarget = ts.isPropertyAccessExpression(target) && target.name.text === name;
        if (isTarget) areNew &&= this.isNew(node.right, asked);
      }
      ts.forEachChild(node, visit);
    };
    visit(this.#module.source);
    return areNew;
  }
}

function isKeywordValue({ kind }: TypeScript.Node): boolean {
  return (
    kind === ts.SyntaxKind.TrueKeyword ||
    kind === ts.SyntaxKind.FalseKeyword ||
    kind === ts.SyntaxKind.NullKeyword
  );
}

/** `this` in a class that inherits from nobody. */
function isOwnThis(node: TypeScript.Node): boolean {
  for (let one: TypeScript.Node = node.parent; one !== undefined; one = one.parent) {
    if (ts.isFunctionDeclaration(one) || ts.isFunctionExpression(one) || ts.isObjectLiteralExpression(one)) {
      return false;
    }
    if (ts.isClassLike(one)) return one.heritageClauses === undefined;
  }
  return false;
}

/** Operators whose answer is a number, a text or a boolean. */
export function isArithmetic({ operatorToken: { kind } }: TypeScript.BinaryExpression): boolean {
  const { SyntaxKind } = ts;
  return (
    kind !== SyntaxKind.BarBarToken &&
    kind !== SyntaxKind.AmpersandAmpersandToken &&
    kind !== SyntaxKind.QuestionQuestionToken &&
    kind !== SyntaxKind.CommaToken &&
    !isAssignment(kind)
  );
}

/** Whether fields of what has this name are assigned to, or it goes anywhere but to who reads a field of it. */
function isWrittenTo(node: TypeScript.Node, name: string): boolean {
  if (ts.isIdentifier(node) && node.text === name) return !isRead(node);
  return ts.forEachChild(node, (child) => isWrittenTo(child, name)) ?? false;
}

function isRead(node: TypeScript.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) {
    if (parent.name === node) return true;
    let outer: TypeScript.Node = parent;
    while (ts.isPropertyAccessExpression(outer.parent) && outer.parent.expression === outer)
      outer = outer.parent;
    return !(ts.isBinaryExpression(outer.parent) && outer.parent.left === outer && isAssigning(outer.parent));
  }
  if (ts.isVariableDeclaration(parent)) return parent.name === node || ts.isObjectBindingPattern(parent.name);
  return ts.isPropertyAssignment(parent) && parent.name === node;
}

function isAssigning({ operatorToken: { kind } }: TypeScript.BinaryExpression): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}
