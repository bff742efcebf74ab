/**
 * What the names of a module may stand for, found without scopes: every declaration of a name counts, wherever it
 * is. So an answer may say too little ("it may be a packet"), never too much.
 * @module
 */
import type TypeScript from "typescript";
import { bare, boundNames, isFunction, type ModuleSource, ts } from "./module-graph.ts";

/** One way in which a name gets its value; without an expression it may be anything. */
export interface Source {
  readonly value: TypeScript.Expression | undefined;
  readonly isFunction: boolean;
}

export type Bindings = ReadonlyMap<string, readonly Source[]>;

const ANYTHING: Source = { value: undefined, isFunction: false };
const FUNCTION: Source = { value: undefined, isFunction: true };

const cache = new WeakMap<ModuleSource, Bindings>();

/** All names that a module declares anywhere, its imports left out. */
export function bindingsOf(module: ModuleSource): Bindings {
  let bindings = cache.get(module);
  if (bindings === undefined) {
    bindings = collect(module.source);
    cache.set(module, bindings);
  }
  return bindings;
}

function collect(source: TypeScript.SourceFile): Bindings {
  const found = new Map<string, Source[]>();
  const add = (name: string, one: Source): void => {
    const known = found.get(name);
    if (known === undefined) found.set(name, [one]);
    else known.push(one);
  };
  const visit = (node: TypeScript.Node): void => {
    if (ts.isVariableDeclaration(node)) {
      const simple = ts.isIdentifier(node.name) ? node.initializer : undefined;
      const isLoop = ts.isForOfStatement(node.parent.parent) || ts.isForInStatement(node.parent.parent);
      const isTold =
        simple !== undefined || (ts.isIdentifier(node.name) && !isLoop && !ts.isCatchClause(node.parent));
      for (const name of boundNames(node.name)) {
        if (simple !== undefined) add(name, { value: simple, isFunction: isFunction(simple) });
        // `let x;` is undefined until it is assigned, which is found by itself.
        else if (!isTold) add(name, ANYTHING);
      }
    } else if (ts.isParameter(node)) {
      for (const name of boundNames(node.name)) add(name, ANYTHING);
    } else if (ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node)) {
      if (node.name !== undefined) add(node.name.text, FUNCTION);
    } else if (ts.isClassDeclaration(node) || ts.isClassExpression(node)) {
      if (node.name !== undefined) add(node.name.text, FUNCTION);
    } else if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) {
      const target = bare(node.left);
      if (ts.isIdentifier(target))
        add(target.text, { value: node.right, isFunction: isFunction(node.right) });
      else for (const name of assignedNames(target)) add(name, ANYTHING);
    } else if (
      (ts.isForOfStatement(node) || ts.isForInStatement(node)) &&
      ts.isExpression(node.initializer)
    ) {
      for (const name of assignedNames(node.initializer)) add(name, ANYTHING);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Identifiers that a destructuring assignment writes to. */
function assignedNames(target: TypeScript.Expression): string[] {
  const inner = bare(target);
  if (ts.isIdentifier(inner)) return [inner.text];
  if (ts.isArrayLiteralExpression(inner)) return inner.elements.flatMap(assignedNames);
  if (ts.isSpreadElement(inner)) return assignedNames(inner.expression);
  if (ts.isBinaryExpression(inner)) return assignedNames(inner.left);
  if (!ts.isObjectLiteralExpression(inner)) return [];
  return inner.properties.flatMap((property) => {
    if (ts.isShorthandPropertyAssignment(property)) return [property.name.text];
    if (ts.isPropertyAssignment(property)) return assignedNames(property.initializer);
    return ts.isSpreadAssignment(property) ? assignedNames(property.expression) : [];
  });
}

/** Whether an operator assigns. */
export function isAssignment(kind: TypeScript.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}
