/**
 * Questions about the syntax tree.
 * @module
 */
import type TypeScript from "typescript";

/** An expression without parentheses and types. */
export function bare(ts: typeof TypeScript, expression: TypeScript.Expression): TypeScript.Expression {
  let inner = expression;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isNonNullExpression(inner) ||
    ts.isTypeAssertionExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

/** Whether an operator is `=`, `+=` or the like. */
export function isAssignment(ts: typeof TypeScript, kind: TypeScript.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/** A function with its body. */
export type FunctionNode =
  | TypeScript.FunctionDeclaration
  | TypeScript.FunctionExpression
  | TypeScript.ArrowFunction
  | TypeScript.MethodDeclaration;

export function isFunctionNode(ts: typeof TypeScript, node: TypeScript.Node): node is FunctionNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node)
  );
}

/** Whether one node lies within another, or is it. */
export function isWithin(node: TypeScript.Node, outer: TypeScript.Node): boolean {
  for (let one: TypeScript.Node | undefined = node; one !== undefined; one = one.parent) {
    if (one === outer) return true;
  }
  return false;
}

/** What questions about symbols need. */
interface Syntax {
  readonly ts: typeof TypeScript;
  readonly checker: TypeScript.TypeChecker;
}

/** Whether anything within assigns to the variable. */
export function assigns(
  { ts, checker }: Syntax,
  within: TypeScript.Node,
  symbol: TypeScript.Symbol,
): boolean {
  const isIt = (node: TypeScript.Expression): boolean => {
    const inner = bare(ts, node);
    if (ts.isArrayLiteralExpression(inner) || ts.isObjectLiteralExpression(inner)) return isNamed(inner);
    return ts.isIdentifier(inner) && checker.getSymbolAtLocation(inner) === symbol;
  };
  const isNamed = (node: TypeScript.Node): boolean => {
    if (ts.isShorthandPropertyAssignment(node))
      return checker.getShorthandAssignmentValueSymbol(node) === symbol;
    if (ts.isIdentifier(node) && checker.getSymbolAtLocation(node) === symbol) return true;
    return ts.forEachChild(node, isNamed) ?? false;
  };
  const visit = (node: TypeScript.Node): boolean => {
    if (ts.isBinaryExpression(node) && isAssignment(ts, node.operatorToken.kind) && isIt(node.left)) {
      return true;
    }
    if (ts.isPostfixUnaryExpression(node) || ts.isPrefixUnaryExpression(node)) {
      const { PlusPlusToken, MinusMinusToken } = ts.SyntaxKind;
      if ((node.operator === PlusPlusToken || node.operator === MinusMinusToken) && isIt(node.operand)) {
        return true;
      }
    }
    return ts.forEachChild(node, visit) ?? false;
  };
  return visit(within);
}
