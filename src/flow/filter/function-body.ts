/**
 * JavaScript for a graph of comparisons. Nodes stand in order; a jump over others leaves a labelled block that ends in
 * front of its target, or goes through a switch where there are so many that blocks would stand too deep in each other.
 * @module
 */
import type { FilterOperator } from "./expression.ts";
import { inOrder, type Node, type Target } from "./graph.ts";
import type { Value } from "./value.ts";

/** Blocks in each other at most; a parser of JavaScript has a stack. */
const BLOCKS_MAX = 100;
/** Nodes up to which it is worth knowing what is there already. */
const KNOWN_NODES_MAX = 10_000;
/** Below it, sums of a base and an offset are exact and positive. */
const SMALL = 2 ** 31;

/** What holds wherever a node is come to. */
interface Known {
  /** So many bytes of the packet are there. */
  readonly bytes: number;
  /** Values that stand in variables. */
  readonly values: ReadonlySet<Value>;
}

/** The body of a {@link PacketFilter}. */
export function functionBody(root: Target): string {
  if (root.kind === "leaf") return `return ${root.accepts};`;
  const order = inOrder(root);
  const writer = new Writer(order);
  const codes = order.map((node, index) => writer.node(node, order[index + 1]));
  const targets = writer.targets;
  const lines = [
    '"use strict";',
    "const end = Math.min(capturedBytes, bytes.length - offset);",
    ...(writer.variables.length > 0 ? [`let ${writer.variables.join(" = 0, ")} = 0;`] : []),
  ];
  const isBlocks = targets.size <= BLOCKS_MAX;
  if (isBlocks) {
    const labels = order.filter((node) => targets.has(node)).reverse();
    for (const node of labels) lines.push(`n${order.indexOf(node)}: {`);
  } else lines.push("let at = 0;", "for (;;) switch (at) {", "case 0:");
  for (const [index, node] of order.entries()) {
    if (targets.has(node)) lines.push(isBlocks ? "}" : `case ${index}:`);
    const jump = (target: Target): string => {
      if (target.kind === "leaf") return `return ${target.accepts};`;
      const place = writer.placeOf(target);
      return isBlocks ? `break n${place};` : `{ at = ${place}; continue; }`;
    };
    lines.push(...(codes[index] as Code)(jump));
  }
  if (!isBlocks) lines.push("}");
  return lines.join("\n");
}

/** Lines of a node, given how a jump is written. */
type Code = (jump: (target: Target) => string) => readonly string[];

class Writer {
  readonly variables: string[] = [];
  /** Nodes that are jumped to. */
  readonly targets: Set<Target> = new Set();
  readonly #places: ReadonlyMap<Target, number>;
  readonly #known = new Map<Target, Known>();
  readonly #uses: ReadonlyMap<Value, number>;
  readonly #remembers: boolean;
  #lines: string[] = [];
  #bytes = 0;
  #nameCount = 0;
  #values = new Set<Value>();

  constructor(order: readonly Node[]) {
    this.#places = new Map(order.map((node, index) => [node as Target, index]));
    this.#uses = usesOf(order);
    this.#remembers = order.length <= KNOWN_NODES_MAX;
  }

  placeOf(target: Target): number {
    return this.#places.get(target) ?? 0;
  }

  node(node: Node, next: Node | undefined): Code {
    const known = this.#known.get(node);
    this.#bytes = known?.bytes ?? 0;
    this.#values = new Set(known?.values);
    this.#lines = [];
    const condition = this.#condition(node);
    const lines = this.#lines;
    const { whenTrue, whenFalse } = node;
    for (const target of [whenTrue, whenFalse]) this.#leave(target);
    const jumps = [whenTrue, whenFalse].filter((target) => target.kind === "node" && target !== next);
    for (const target of jumps) this.targets.add(target);
    if (whenTrue.kind === "leaf" && whenFalse.kind === "leaf") {
      const answer = whenTrue.accepts ? condition : `!(${condition})`;
      return () => [...lines, `return ${answer};`];
    }
    if (whenTrue === next) return (jump) => [...lines, `if (!(${condition})) ${jump(whenFalse)}`];
    if (whenFalse === next) return (jump) => [...lines, `if (${condition}) ${jump(whenTrue)}`];
    return (jump) => [...lines, `if (${condition}) ${jump(whenTrue)}`, jump(whenFalse)];
  }

  #leave(target: Target): void {
    if (target.kind === "leaf") return;
    const before = this.#known.get(target);
    const bytes = Math.min(before?.bytes ?? this.#bytes, this.#bytes);
    if (!this.#remembers) this.#known.set(target, { bytes, values: NONE });
    else {
      const values =
        before === undefined
          ? new Set(this.#values)
          : new Set([...before.values].filter((value) => this.#values.has(value)));
      this.#known.set(target, { bytes, values });
    }
  }

  #condition({ comparison, left, right }: Node): string {
    const first = this.#value(left);
    const second = this.#value(right);
    switch (comparison) {
      case "=":
        return `${first} === ${second}`;
      case "&":
        return `(${first} & ${second}) !== 0`;
      default: {
        const isSmall = left.limit < SMALL && right.limit < SMALL;
        if (isSmall) return `${first} ${comparison} ${second}`;
        return `(${first} >>> 0) ${comparison} (${second} >>> 0)`;
      }
    }
  }

  /** An expression without effects: 32 bits, signed as JavaScript's own operators have them. */
  #value(value: Value): string {
    if (value.kind === "constant") return String(value.value | 0);
    if (value.kind === "length") return "(originalBytes | 0)";
    const name = `v${value.id}`;
    if (this.#values.has(value)) return name;
    const text = this.#fresh(value);
    if (!this.#remembers || (this.#uses.get(value) ?? 0) < 2) return text;
    if (!this.variables.includes(name)) this.variables.push(name);
    this.#lines.push(`${name} = ${text};`);
    this.#values.add(value);
    return name;
  }

  #fresh(value: Value): string {
    switch (value.kind) {
      case "load":
        return value.base === undefined
          ? this.#absolute(value.offset, value.sizeBytes)
          : this.#relative(value.base, value.offset, value.sizeBytes);
      case "header-length":
        return `((${this.#absolute(value.offset, 1)} & 15) << 2)`;
      case "negate":
        return `(-${this.#value(value.operand)} | 0)`;
      case "binary":
        return this.#binary(value.operator, value.left, value.right);
      default:
        // Values of the kernel's are asked for in programs only.
        return "0";
    }
  }

  #absolute(offset: number, sizeBytes: 1 | 2 | 4): string {
    if (this.#bytes < offset + sizeBytes) {
      this.#bytes = offset + sizeBytes;
      this.#lines.push(`if (end < ${this.#bytes}) return false;`);
    }
    return reading((index) => `bytes[offset + ${offset + index}]`, sizeBytes);
  }

  #hold(text: string): string {
    const name = `p${this.#nameCount++}`;
    this.#lines.push(`const ${name} = ${text};`);
    return name;
  }

  #relative(base: Value, offset: number, sizeBytes: 1 | 2 | 4): string {
    const start = this.#value(base);
    const isSmall = base.limit + offset < SMALL;
    const name = `p${this.#nameCount++}`;
    this.#lines.push(
      isSmall ? `const ${name} = ${start} + ${offset};` : `const ${name} = (${start} + ${offset | 0}) >>> 0;`,
      `if (${name} > end - ${sizeBytes}) return false;`,
    );
    return reading((index) => `bytes[offset + ${name}${index > 0 ? ` + ${index}` : ""}]`, sizeBytes);
  }

  #binary(operator: FilterOperator, left: Value, right: Value): string {
    const first = this.#value(left);
    const second = this.#value(right);
    const isHeld =
      right.kind !== "constant" &&
      (operator === "/" || operator === "%" || operator === "<<" || operator === ">>");
    // Written twice, so that it had better be short.
    const held = isHeld ? this.#hold(second) : second;
    switch (operator) {
      case "+":
      case "-":
        return `(${first} ${operator} ${second} | 0)`;
      case "*":
        return `Math.imul(${first}, ${second})`;
      case "/":
      case "%":
        if (right.kind === "constant") return `((${first} >>> 0) ${operator} ${right.value} | 0)`;
        this.#lines.push(`if (${held} === 0) return false;`);
        return `((${first} >>> 0) ${operator} (${held} >>> 0) | 0)`;
      case "&":
      case "|":
      case "^":
        return `(${first} ${operator} ${second})`;
      case "<<":
      case ">>": {
        const shift = operator === "<<" ? "<<" : ">>>";
        const shifted = `(${first} ${shift} ${held} | 0)`;
        return right.kind === "constant" ? shifted : `((${held} >>> 0) > 31 ? 0 : ${shifted})`;
      }
    }
  }
}

const NONE: ReadonlySet<Value> = new Set();

/** In network order. */
function reading(byte: (index: number) => string, sizeBytes: 1 | 2 | 4): string {
  if (sizeBytes === 1) return byte(0);
  const parts: string[] = [];
  for (let index = 0; index < sizeBytes; index++) {
    const shift = 8 * (sizeBytes - 1 - index);
    parts.push(shift === 0 ? byte(index) : `${byte(index)} << ${shift}`);
  }
  return `(${parts.join(" | ")})`;
}

/** How often each value is wanted, by nodes and by other values. */
function usesOf(order: readonly Node[]): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  const count = (value: Value): void => {
    const before = uses.get(value) ?? 0;
    uses.set(value, before + 1);
    if (before > 0) return;
    if (value.kind === "load" && value.base !== undefined) count(value.base);
    if (value.kind === "negate") count(value.operand);
    if (value.kind === "binary") {
      count(value.left);
      count(value.right);
    }
  };
  for (const { left, right } of order) {
    count(left);
    count(right);
  }
  return uses;
}
