/**
 * Reads what one exported function of a script does, with all that it may call: whether it may write to a packet,
 * asks for the connection, or looks behind the headers.
 *
 * What cannot be decided is taken for the worst: a script that is said to read only does write to no packet. (Should
 * this be wrong, the packet itself refuses the write, and that is counted as the script's error.)
 * @module
 */
import type TypeScript from "typescript";
import { bindingsOf, isAssignment, type Source } from "./bindings.ts";
import {
  CALLING_METHODS,
  CHANGING_STATICS,
  SAFE_GLOBALS,
  SAFE_METHODS,
  SAFE_NAMESPACES,
} from "./known-code.ts";
import {
  bare,
  exportOf,
  type Import,
  isFunction,
  type ModuleGraph,
  type ModuleSource,
  ts,
} from "./module-graph.ts";
import { isArithmetic, OWN_ENTRY, Values } from "./values.ts";
import { vocabulary, WHOLE_PACKET_NAMES } from "./vocabulary.ts";

/** What a place in a script shows. */
export type UseKind = "writes" | "connection" | "whole";

/** A place in a script that shows something, and why. */
export interface Use {
  readonly kind: UseKind;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Completes "it …": `sets source`. */
  readonly reason: string;
}

const CALLS_ANYTHING: ReadonlySet<string> = new Set(["call", "apply", "bind"]);

/** Every use that the exported function, or what it calls, makes of packets; in the order of the reading. */
export function readFunction(graph: ModuleGraph, module: ModuleSource, name: string): Use[] {
  return new Reading(graph).read(module, name);
}

class Reading {
  readonly #graph: ModuleGraph;
  readonly #uses = new Map<string, Use>();
  readonly #seen = new Set<TypeScript.Node>();
  readonly #queue: { readonly module: ModuleSource; readonly node: TypeScript.Node }[] = [];
  readonly #words = vocabulary();
  /** Names of fields that the script's own protocols have; `undefined` when a package may have defined some. */
  readonly #ownFields: ReadonlySet<string> | undefined;
  #module: ModuleSource;
  #values: Values;
  #isEverything = false;

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
    this.#module = graph.modules[0] as ModuleSource;
    this.#values = new Values(this.#module);
    this.#ownFields = ownFields(graph);
  }

  read(module: ModuleSource, name: string): Use[] {
    const target = exportOf(module, name);
    if (target === undefined) {
      const place = { file: module.path, line: 1, column: 1 };
      const reason = `is not in the script's own modules`;
      return (["writes", "connection", "whole"] as const).map((kind) => ({ kind, ...place, reason }));
    }
    this.#refer(target.module, target.name);
    for (const one of this.#graph.modules) this.#queueAccessors(one);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#module = next.module;
      this.#values = new Values(next.module);
      this.#visit(next.node);
    }
    return [...this.#uses.values()];
  }

  /** Reads the declarations of a name as well. */
  #refer(module: ModuleSource, name: string): void {
    for (const node of module.declarations.get(name) ?? []) this.#enqueue(module, node);
  }

  #enqueue(module: ModuleSource, node: TypeScript.Node): void {
    if (this.#seen.has(node)) return;
    this.#seen.add(node);
    this.#queue.push({ module, node });
  }

  /** Reads all methods of this name in the script's own classes and objects; whether there are any. */
  #referMembers(name: string): boolean {
    let isFound = false;
    for (const module of this.#graph.modules) {
      const visit = (node: TypeScript.Node): void => {
        const isMember =
          ts.isMethodDeclaration(node) ||
          ((ts.isPropertyAssignment(node) || ts.isPropertyDeclaration(node)) &&
            node.initializer !== undefined &&
            isFunction(node.initializer));
        if (isMember && node.name.getText(module.source) === name) {
          isFound = true;
          this.#enqueue(module, node);
        }
        ts.forEachChild(node, visit);
      };
      visit(module.source);
    }
    return isFound;
  }

  /** Getters and setters run without being called by name. */
  #queueAccessors(module: ModuleSource): void {
    const visit = (node: TypeScript.Node): void => {
      if (ts.isAccessor(node)) this.#enqueue(module, node);
      ts.forEachChild(node, visit);
    };
    visit(module.source);
  }

  /** Something unknown is called: it may be any function of the script. */
  #everything(): void {
    if (this.#isEverything) return;
    this.#isEverything = true;
    for (const module of this.#graph.modules) this.#enqueue(module, module.source);
  }

  #note(kind: UseKind, node: TypeScript.Node, reason: string): void {
    const { source, path } = this.#module;
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
    const key = `${kind} ${path} ${line} ${reason}`;
    if (this.#uses.has(key)) return;
    this.#uses.set(key, { kind, file: path, line: line + 1, column: character + 1, reason });
  }

  #visit(node: TypeScript.Node): void {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isIdentifier(node)) this.#identifier(node);
    else if (ts.isPropertyAccessExpression(node)) this.#property(node, node.name.text);
    else if (ts.isElementAccessExpression(node)) this.#element(node);
    else if (ts.isBindingElement(node)) this.#bindingElement(node);
    else if (ts.isCallExpression(node) || ts.isNewExpression(node)) this.#call(node);
    else if (ts.isTaggedTemplateExpression(node)) this.#unknownCall(node, node.tag, []);
    else if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) this.#assign(node.left);
    else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      const { operator } = node;
      if (operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken) {
        this.#assign(node.operand);
      }
    } else if (ts.isDeleteExpression(node)) this.#assign(node.expression);
    else if ((ts.isForOfStatement(node) || ts.isForInStatement(node)) && ts.isExpression(node.initializer)) {
      this.#assign(node.initializer);
    } else if (node.kind === ts.SyntaxKind.ImportKeyword) this.#handedOn(node, "import()");
    ts.forEachChild(node, (child) => this.#visit(child));
  }

  #identifier(node: TypeScript.Identifier): void {
    const { parent, text } = node;
    // A name behind a dot or in front of a colon stands for itself.
    if (ts.isPropertyAccessExpression(parent) && parent.name === node) return;
    if (ts.isPropertyAssignment(parent) && parent.name === node) return;
    if (ts.isMethodDeclaration(parent) || ts.isPropertyDeclaration(parent)) if (parent.name === node) return;
    const imported = this.#module.imports.get(text);
    if (imported !== undefined) this.#imported(node, imported);
    else this.#refer(this.#module, text);
    if (text === "eval" || text === "Function" || text === "Reflect" || text === "Proxy") {
      this.#handedOn(node, text);
    }
  }

  #imported(node: TypeScript.Identifier, { module, specifier, name }: Import): void {
    if (module !== undefined) {
      if (name === "*") {
        for (const each of module.exports.keys()) this.#referExport(module, each);
        for (const star of module.stars)
          for (const each of star.exports.keys()) this.#referExport(star, each);
      } else this.#referExport(module, name);
      return;
    }
    if (specifier === OWN_ENTRY) {
      if (name === "*") this.#note("whole", node, `takes everything of ${OWN_ENTRY}`);
      else if (this.#words.payloadProtocols.has(name)) this.#note("whole", node, `uses ${name}`);
      else if (name === "defineProtocol") this.#note("whole", node, "defines a protocol of its own");
      return;
    }
    if (isValue(node)) this.#handedOn(node, `${node.text} of ${specifier}`);
  }

  #referExport(module: ModuleSource, name: string): void {
    const target = exportOf(module, name);
    if (target !== undefined) this.#refer(target.module, target.name);
    // Exported again from a package.
    else if (module.exports.has(name) || module.stars.length > 0) this.#everything();
  }

  #property(node: TypeScript.PropertyAccessExpression, name: string): void {
    this.#named(node, name);
  }

  #element(node: TypeScript.ElementAccessExpression): void {
    const index = bare(node.argumentExpression);
    if (ts.isStringLiteralLike(index)) this.#named(node, index.text);
    else if (!this.#isScalarIndex(index) && !this.#values.isNew(node.expression)) {
      this.#note("connection", node, "looks up a name that is not known beforehand");
      this.#note("whole", node, "looks up a name that is not known beforehand");
    }
  }

  #bindingElement(node: TypeScript.BindingElement): void {
    const key = node.propertyName ?? node.name;
    if (ts.isIdentifier(key) && ts.isObjectBindingPattern(node.parent)) this.#named(node, key.text);
  }

  /** A property is asked for by its name. */
  #named(node: TypeScript.Node, name: string): void {
    if (name === "connection" && !this.#isOfConstant(node))
      this.#note("connection", node, "asks for connection");
    if (WHOLE_PACKET_NAMES.has(name) && !this.#isOnNew(node)) this.#note("whole", node, `uses ${name}`);
    if (name.startsWith("$") || name === "buffer") {
      this.#note("writes", node, `uses ${name}, the memory of packets`);
      this.#note("whole", node, `uses ${name}, the memory of packets`);
    }
    if (CALLS_ANYTHING.has(name)) this.#handedOn(node, name);
  }

  /** A field of a constant object of the script that has the name as well; also one that is taken out of it. */
  #isOfConstant(node: TypeScript.Node): boolean {
    if (ts.isPropertyAccessExpression(node)) return this.#values.isOfConstant(node.expression);
    let one = node;
    while (ts.isBindingElement(one) || ts.isObjectBindingPattern(one)) one = one.parent;
    if (!ts.isVariableDeclaration(one) || one.initializer === undefined) return false;
    return this.#values.isOfConstant(one.initializer);
  }

  #isOnNew(node: TypeScript.Node): boolean {
    return (
      (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) &&
      this.#values.isNew(node.expression)
    );
  }

  /** Something is assigned to. */
  #assign(target: TypeScript.Expression): void {
    const inner = bare(target);
    if (ts.isPropertyAccessExpression(inner)) this.#assignTo(inner, inner.name.text);
    else if (ts.isElementAccessExpression(inner)) {
      const index = bare(inner.argumentExpression);
      if (ts.isStringLiteralLike(index)) this.#assignTo(inner, index.text);
      else if (!this.#values.isNew(inner.expression)) {
        this.#note("writes", inner, `sets ${shorten(inner.getText(this.#module.source))}`);
      }
    } else if (ts.isArrayLiteralExpression(inner)) for (const each of inner.elements) this.#assign(each);
    else if (ts.isSpreadElement(inner)) this.#assign(inner.expression);
    else if (ts.isObjectLiteralExpression(inner)) {
      for (const property of inner.properties) {
        if (ts.isPropertyAssignment(property)) this.#assign(property.initializer);
        else if (ts.isSpreadAssignment(property)) this.#assign(property.expression);
      }
    } else if (ts.isBinaryExpression(inner)) this.#assign(inner.left);
  }

  #assignTo(
    node: TypeScript.PropertyAccessExpression | TypeScript.ElementAccessExpression,
    name: string,
  ): void {
    const isField =
      this.#ownFields === undefined || this.#ownFields.has(name) || this.#words.fields.has(name);
    if (isField && !this.#values.isNew(node.expression)) this.#note("writes", node, `sets ${name}`);
  }

  #call(node: TypeScript.CallExpression | TypeScript.NewExpression): void {
    const callee = bare(node.expression);
    const args = node.arguments ?? [];
    if (isFunction(callee) || callee.kind === ts.SyntaxKind.SuperKeyword) return;
    if (callee.kind === ts.SyntaxKind.ImportKeyword) {
      this.#everything();
      this.#handedOn(node, "import()");
      return;
    }
    if (ts.isIdentifier(callee)) this.#callByName(node, callee, args);
    else if (ts.isPropertyAccessExpression(callee)) this.#callMethod(node, callee, args);
    else this.#unknownCall(node, callee, args);
  }

  #callByName(
    node: TypeScript.Node,
    callee: TypeScript.Identifier,
    args: readonly TypeScript.Expression[],
  ): void {
    const name = callee.text;
    const imported = this.#module.imports.get(name);
    if (imported !== undefined) {
      if (imported.module !== undefined) {
        if (!this.#isFunctionExport(imported)) this.#unknownCall(node, callee, []);
      } else if (imported.specifier !== OWN_ENTRY) this.#outsideCall(node, callee, args);
      else if (imported.name === "build" || imported.name === "part") this.#builds(args);
      return;
    }
    const sources = bindingsOf(this.#module).get(name);
    if (sources !== undefined) {
      if (!sources.every((source) => source.isFunction)) this.#unknownCall(node, callee, []);
    } else if (SAFE_GLOBALS.has(name)) this.#checkCallbacks(args, false);
    else this.#unknownCall(node, callee, args);
  }

  #isFunctionExport({ module, name }: Import): boolean {
    const target = module === undefined ? undefined : exportOf(module, name);
    const sources = target === undefined ? undefined : bindingsOf(target.module).get(target.name);
    return sources?.every((source) => source.isFunction) ?? false;
  }

  #callMethod(
    node: TypeScript.Node,
    callee: TypeScript.PropertyAccessExpression,
    args: readonly TypeScript.Expression[],
  ): void {
    const name = callee.name.text;
    const holder = bare(callee.expression);
    if (ts.isIdentifier(holder)) {
      const imported = this.#module.imports.get(holder.text);
      if (imported !== undefined && imported.module === undefined && imported.specifier !== OWN_ENTRY) {
        this.#outsideCall(node, callee, args);
        return;
      }
      if (imported?.name === "*" && imported.module !== undefined) {
        if (!this.#isFunctionExport({ ...imported, name })) this.#unknownCall(node, callee, []);
        return;
      }
      const isGlobal = imported === undefined && !bindingsOf(this.#module).has(holder.text);
      if (isGlobal && SAFE_NAMESPACES.has(holder.text)) {
        if (CHANGING_STATICS.has(name) && !args.slice(0, 1).every((one) => this.#values.isNew(one))) {
          this.#note("writes", node, `hands something to ${holder.text}.${name}`);
        }
        this.#checkCallbacks(args, CALLING_METHODS.has(name));
        return;
      }
    }
    const isApi = this.#values.isOwnApi(holder);
    if (name === "payload" && args.length === 0) this.#note("whole", node, "uses the payload as bytes");
    if (name === "payload" || name === "find" || name === "as") this.#looksFor(node, name, args);
    if (name === "send" || name === "defer") this.#leaves(node, name, args);
    if (this.#words.mutating.has(name) && !isApi && !this.#values.isNew(holder)) {
      this.#note("writes", node, `calls ${name}`);
      this.#note("whole", node, `calls ${name}`);
    }
    const isKnown = SAFE_METHODS.has(name) || this.#words.mutating.has(name) || isReading(name) || isApi;
    // A method of the script's own: which object's is not known, so all of that name.
    const isOwn = this.#referMembers(name);
    if (isKnown) this.#checkCallbacks(args, CALLING_METHODS.has(name));
    else if (!isOwn) this.#unknownCall(node, callee, args);
  }

  /** Which header is looked for. */
  #looksFor(node: TypeScript.Node, name: string, args: readonly TypeScript.Expression[]): void {
    const [wanted] = args;
    if (wanted === undefined || isFunction(wanted)) return;
    const inner = bare(wanted);
    const imported = ts.isIdentifier(inner) ? this.#module.imports.get(inner.text) : undefined;
    if (imported?.specifier === OWN_ENTRY && this.#words.headerProtocols.has(imported.name)) return;
    this.#note("whole", node, `${name}(${shorten(inner.getText(this.#module.source))})`);
  }

  /** A packet that is kept or sent goes whole. */
  #leaves(node: TypeScript.Node, name: string, args: readonly TypeScript.Expression[]): void {
    if (name === "send" && args[0] !== undefined && !this.#values.isClean(args[0]) && !isBuild(args[0])) {
      this.#note("whole", node, "sends a packet that may be the one here");
    }
    if (name !== "defer" || args[1] === undefined) return;
    const options = bare(args[1]);
    const isPlain =
      ts.isObjectLiteralExpression(options) &&
      options.properties.every((property) => property.name?.getText(this.#module.source) === "delay");
    if (!isPlain) this.#note("whole", node, "keeps a packet for later");
  }

  #builds(args: readonly TypeScript.Expression[]): void {
    for (const one of args) {
      const inner = bare(one);
      const isHeader =
        ts.isCallExpression(inner) &&
        ts.isPropertyAccessExpression(inner.expression) &&
        inner.expression.name.text === "header";
      if (!isHeader && !this.#values.isClean(one) && !this.#values.isNew(one)) {
        this.#note("whole", one, "builds a packet of something that may be of the one here");
      }
    }
  }

  /** Functions that are handed over to be called: those written down, or known, are read anyway. */
  #checkCallbacks(args: readonly TypeScript.Expression[], areCalled: boolean): void {
    if (!areCalled) return;
    for (const one of args) {
      const inner = bare(one);
      if (isFunction(inner) || ts.isObjectLiteralExpression(inner) || this.#values.isClean(inner)) continue;
      const sources = ts.isIdentifier(inner) ? bindingsOf(this.#module).get(inner.text) : undefined;
      const imported = ts.isIdentifier(inner) ? this.#module.imports.get(inner.text) : undefined;
      if (imported?.module !== undefined && this.#isFunctionExport(imported)) continue;
      if (!sources?.every((source) => source.isFunction || isObject(source))) this.#everything();
    }
  }

  /** Calls what is not known: any function of the script, or one from outside that gets what is handed over. */
  #unknownCall(
    node: TypeScript.Node,
    callee: TypeScript.Expression,
    args: readonly TypeScript.Expression[],
  ): void {
    this.#everything();
    this.#outsideCall(node, callee, args);
  }

  /** Calls code that is not the script's, which gets what is handed over and knows nothing else. */
  #outsideCall(
    node: TypeScript.Node,
    callee: TypeScript.Expression,
    args: readonly TypeScript.Expression[],
  ): void {
    if (args.some((one) => !this.#values.isClean(one) && !isFunction(one))) {
      this.#handedOn(node, shorten(callee.getText(this.#module.source)));
    }
  }

  /** A packet may go where nobody reads what becomes of it. */
  #handedOn(node: TypeScript.Node, to: string): void {
    const reason = `may hand a packet to ${to}`;
    for (const kind of ["writes", "connection", "whole"] as const) this.#note(kind, node, reason);
  }

  #isScalarIndex(index: TypeScript.Expression): boolean {
    return ts.isNumericLiteral(index) || (ts.isBinaryExpression(index) && isArithmetic(index));
  }
}

/** The keys of everything that is handed to `defineProtocol`; `undefined` when a package may do it unseen. */
function ownFields(graph: ModuleGraph): ReadonlySet<string> | undefined {
  for (const name of graph.packages) {
    if (name !== OWN_ENTRY && name !== "metanet" && !name.startsWith("node:")) return undefined;
  }
  const found = new Set<string>();
  const visit = (node: TypeScript.Node): void => {
    if (ts.isPropertyAssignment(node) && !ts.isComputedPropertyName(node.name)) found.add(node.name.text);
    if (ts.isSetAccessor(node) && ts.isIdentifier(node.name)) found.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  for (const module of graph.modules) {
    const defines = [...module.imports.values()].some(
      ({ specifier, name }) => specifier === OWN_ENTRY && (name === "defineProtocol" || name === "*"),
    );
    if (defines) for (const one of graph.modules) visit(one.source);
  }
  return found;
}

/** Whether a name is used as a value, not only called or compared. */
function isValue(node: TypeScript.Identifier): boolean {
  const { parent } = node;
  if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return parent.expression !== node;
  return ts.isVariableDeclaration(parent) || ts.isReturnStatement(parent) || ts.isPropertyAssignment(parent);
}

function isReading(name: string): boolean {
  return (
    WHOLE_PACKET_NAMES.has(name) || name === "payload" || name === "as" || name === "is" || name === "find"
  );
}

function isObject({ value }: Source): boolean {
  return value !== undefined && ts.isObjectLiteralExpression(bare(value));
}

function isBuild(expression: TypeScript.Expression): boolean {
  const inner = bare(expression);
  return ts.isCallExpression(inner) && ts.isIdentifier(inner.expression) && inner.expression.text === "build";
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
}
