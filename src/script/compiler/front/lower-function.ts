/**
 * A function of a script, from its syntax tree to the intermediate form.
 * @module
 */
import type TypeScript from "typescript";
import type { FunctionFacts } from "../compiled.ts";
import type { IrFunction, Value } from "../ir/ir.ts";
import { VerdictCode } from "../ir/ir.ts";
import { edgesOf, operandsOf, resultOf, terminatorOperand } from "../ir/visit.ts";
import type { Place } from "../place.ts";
import { CompileError, type CompileProblem } from "../problem.ts";
import type { CompileTarget } from "../target.ts";
import { callValue } from "./expressions/calls.ts";
import { constantIn } from "./expressions/constants.ts";
import { expression } from "./expressions/expressions.ts";
import { bindParameters, checkCallable } from "./expressions/inline.ts";
import { symbolValue } from "./expressions/names.ts";
import { Front, type FrontParts } from "./front.ts";
import type { Lowered } from "./lowered.ts";
import { NodePlaces } from "./node-places.ts";
import { PACKET_PARTS } from "./packet/parts.ts";
import { AlreadyRefused, WayEnded } from "./path.ts";
import { finish } from "./statements/returns.ts";
import { statement } from "./statements/statements.ts";
import { type FunctionNode, isFunctionNode } from "./syntax.ts";

/** What is lowered, and for where. */
export interface FrontRequest {
  readonly ts: typeof TypeScript;
  /** Has the script, checked without errors. */
  readonly program: TypeScript.Program;
  /** The script's own file, as the program has it. */
  readonly file: string;
  /** What its module exports it by; `default` as well. */
  readonly function: string;
  readonly target: CompileTarget;
  /** How files are called in places; as the program has them when absent. */
  readonly nameOf?: (path: string) => string;
  /** `context.script.name`; the function's name when absent. */
  readonly scriptName?: string;
  /** Shifts of bigints whose results may have more than 64 bits; those of the result before that had. */
  readonly wideShifts?: ReadonlySet<TypeScript.Node>;
}

export type FrontResult =
  | {
      readonly function: IrFunction;
      readonly facts: FunctionFacts;
      readonly places: NodePlaces;
      /** Shifts of bigints to the left that are taken for 64 bits, by their places. */
      readonly shifts: ReadonlyMap<Place, TypeScript.Node>;
      /** Sums of bigints of more than 64 bits. */
      readonly wideSums: ReadonlySet<Place>;
      readonly problems: readonly [];
    }
  | { readonly function: undefined; readonly problems: readonly CompileProblem[] };

const PARTS: FrontParts = {
  expression,
  call: callValue,
  statement,
  constantOf: (lowered, front) => constantIn(front, lowered)?.value,
  packet: PACKET_PARTS,
};

/** Lowers a function, or tells all reasons why it does not fit. */
export function frontFunction(request: FrontRequest): FrontResult {
  const { ts, program, file } = request;
  const source = program.getSourceFile(file);
  const places = new NodePlaces(request.nameOf ?? ((path) => path));
  if (source === undefined) return refusedWhole(request, "the script could not be read");
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(source);
  const exported = module === undefined ? [] : checker.getExportsOfModule(module);
  const symbol = exported.find(({ name }) => name === request.function);
  if (symbol === undefined) return refusedWhole(request, `the script exports no ${request.function}`);
  const behind = (one: TypeScript.Symbol): TypeScript.Symbol =>
    (one.flags & ts.SymbolFlags.Alias) === 0 ? one : checker.getAliasedSymbol(one);
  const front = new Front({
    ts,
    program,
    target: request.target,
    name: request.scriptName ?? request.function,
    exportNames: new Map(exported.map((one) => [behind(one), one.name])),
    hasNoTunnels: false,
    places,
    parts: PARTS,
  });
  front.report.wideShifts = request.wideShifts ?? new Set();
  const node = behind(symbol).declarations?.[0] ?? source;
  return front.at(node, () => lowerExport(front, node, symbol, exported));
}

function refusedWhole(request: FrontRequest, why: string): FrontResult {
  const place = { file: request.nameOf?.(request.file) ?? request.file, line: 1, column: 1 };
  const instead = "export the function by this name, or name another";
  const construct = request.function;
  return {
    function: undefined,
    problems: [{ code: "kernel-function", place, length: 1, construct, why, instead }],
  };
}

function lowerExport(
  front: Front,
  node: TypeScript.Node,
  symbol: TypeScript.Symbol,
  exported: readonly TypeScript.Symbol[],
): FrontResult {
  try {
    front.hasNoTunnels = tunnelsAreOff(front, node, exported);
    const callee = symbolValue(front, node, symbol);
    if (callee.kind !== "function" || !isFunctionNode(front.ts, callee.declaration)) {
      front.refuse(node, {
        code: "kernel-function",
        why: "this is not a function that is written down in the script",
        instead: "export a function (packet, context) => verdict",
      });
    } else runScript(front, callee.declaration);
  } catch (error) {
    if (error instanceof CompileError) front.report.addProblem(error.problem);
    else if (!(error instanceof AlreadyRefused)) throw error;
  }
  const problems = [...front.report.problems.values()];
  if (problems.length > 0) return { function: undefined, problems: inOrder(problems) };
  const lowered = front.builder.finish();
  const used = usedValues(lowered);
  const prologue = front.emit.prologue.filter((instruction) => used.has(resultOf(instruction)));
  lowered.entry.instructions.unshift(...prologue);
  const { places, report } = front;
  const { shifts, wideSums } = report;
  return { function: lowered, facts: factsOf(front), places, shifts, wideSums, problems: [] };
}

/** What is used anywhere; `undefined` is not. */
function usedValues(lowered: IrFunction): ReadonlySet<Value | undefined> {
  const used = new Set<Value | undefined>();
  for (const { instructions, terminator } of lowered.blocks) {
    for (const value of instructions.flatMap(operandsOf)) used.add(value);
    for (const value of edgesOf(terminator).flatMap((edge) => edge.with)) used.add(value);
    used.add(terminatorOperand(terminator));
  }
  used.delete(undefined);
  return used;
}

function inOrder(problems: readonly CompileProblem[]): readonly CompileProblem[] {
  return problems.toSorted(
    ({ place: one }, { place: other }) => one.line - other.line || one.column - other.column,
  );
}

/** `export const options = { tunnels: false }`. */
function tunnelsAreOff(front: Front, node: TypeScript.Node, exported: readonly TypeScript.Symbol[]): boolean {
  const symbol = exported.find(({ name }) => name === "options");
  if (symbol === undefined) return false;
  const options = symbolValue(front, node, symbol);
  const tunnels = options.kind === "record" ? options.fields.get("tunnels") : undefined;
  return tunnels !== undefined && constantIn(front, tunnels)?.value === false;
}

function runScript(front: Front, declaration: FunctionNode): void {
  checkCallable(front, declaration.name ?? declaration, declaration);
  front.at(declaration, () => passUnseen(front));
  if (front.target.statistics) {
    const value = front.emit.binary("subtract", front.packetEnd, front.packetStart);
    front.emit.append({ op: "count", counter: "bytes", value });
  }
  front.frames.push({ declaration, returns: undefined, targets: [] });
  bindParameters(front, declaration, [{ kind: "packet" }, { kind: "context" }], []);
  const { body } = declaration;
  if (body === undefined) return;
  try {
    if (front.ts.isBlock(body)) {
      front.statement(body);
      if (front.builder.isOpen) finish(front, body, { kind: "undefined" });
    } else front.at(body, () => finish(front, body, front.expression(body as TypeScript.Expression)));
  } catch (error) {
    if (!(error instanceof WayEnded)) throw error;
  }
  front.frames.pop();
}

const ETHERTYPES = [0x0800, 0x86dd];

/** Where the script stands for one at a netfilter hook, it does not see what is not IP. */
function passUnseen(front: Front): void {
  const { attach, first } = front.target;
  if (attach === "netfilter" || first !== "network") return;
  const none: Lowered = { kind: "undefined" };
  const end = (): Lowered => {
    front.builder.end({ op: "return", place: front.place, verdict: front.constant(VerdictCode.continue) });
    throw new WayEnded();
  };
  const judge = (type: Value): Lowered => {
    const [isFirst, isSecond] = ETHERTYPES.map((one) => front.compare("equal", type, one)) as [Value, Value];
    return front.choose(front.select(isFirst, front.constant(true), isSecond), () => none, end);
  };
  if (attach !== "xdp") {
    // A tag that was taken out makes it another interface's packet: netfilter has it there, or nowhere.
    const [tag, type] = [front.builder.value("integer"), front.builder.value("integer")];
    front.emit.append({ op: "fact", result: tag, fact: "tag" });
    front.choose(front.compare("equal", tag, 0), () => none, end);
    front.emit.append({ op: "fact", result: type, fact: "etherType" });
    judge(type);
    return;
  }
  const there = (pointer: Value): Lowered => judge(front.emit.load(pointer, 12, 2, "network"));
  front.open(front.constant(0), front.packetStart, "header", there, end);
}

function factsOf({ report }: Front): FunctionFacts {
  const { writes, marks, redirects, accepts, handsOverTo } = report;
  const maps = [...report.maps.values()];
  return {
    writes,
    marks,
    redirects,
    accepts,
    maps,
    events: report.events,
    handsOverTo,
    notes: [...report.notes],
  };
}
