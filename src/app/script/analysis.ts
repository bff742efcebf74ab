/**
 * What the functions of a script do with packets, found by reading it: whether packets may be written to (then
 * aggregates do not come whole), whether the connection is asked for, and how much of a packet is needed.
 * @module
 */
import type { ScriptOptions } from "#script/context.ts";
import { exportNames, exportOf, type ModuleSource, readModuleGraph, ts } from "./analysis/module-graph.ts";
import { readFunction, type Use } from "./analysis/read-function.ts";

/** Bytes in which all headers are, but for absurd chains of IPv6 extension headers. */
export const HEADER_BYTES = 256;
/** The most bytes that are copied of a packet: whole, unless it is an aggregate. */
export const WHOLE_PACKET_BYTES = 65_535;

/** What one function does, with the places that show it. */
export interface FunctionAnalysis {
  readonly name: string;
  /** Where it is declared. */
  readonly file: string;
  readonly line: number;
  readonly uses: readonly Use[];
}

/** What an engine has to give a script. */
export interface ScriptNeeds {
  readonly isWriting: boolean;
  /** Bytes of each packet from its start: {@link HEADER_BYTES} or {@link WHOLE_PACKET_BYTES}, or as told. */
  readonly readBytes: number;
  readonly connection: boolean;
}

/**
 * Reads a script that can be loaded: each function that it exports, in the order of the exports.
 * @param only the function that is of interest; all when absent
 */
export function analyseScript(file: string, only?: string): FunctionAnalysis[] {
  const graph = readModuleGraph(file);
  const [module] = graph.modules;
  if (module === undefined) return [];
  const names = exportNames(module).filter((name) => only === undefined || name === only);
  return names.flatMap((name) => {
    const place = placeOf(module, name);
    return place === undefined ? [] : [{ name, ...place, uses: readFunction(graph, module, name) }];
  });
}

/** What follows for the engine; what the script says itself in its `options` comes first. */
export function needsOf({ uses }: Pick<FunctionAnalysis, "uses">, options: ScriptOptions = {}): ScriptNeeds {
  const has = (kind: Use["kind"]): boolean => uses.some((use) => use.kind === kind);
  const isWriting = options.writes ?? has("writes");
  // What is written goes back, so all of it has to be there.
  const readBytes = isWriting || has("whole") ? WHOLE_PACKET_BYTES : HEADER_BYTES;
  return {
    isWriting,
    readBytes: options.readBytes ?? readBytes,
    connection: options.connection ?? has("connection"),
  };
}

/** Where a function stands; `undefined` for an export that is none. */
function placeOf(module: ModuleSource, name: string): { file: string; line: number } | undefined {
  const target = exportOf(module, name);
  if (target === undefined) return undefined;
  const [node] = target.module.declarations.get(target.name) ?? [];
  if (node === undefined) return undefined;
  const { source, path } = target.module;
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
  if (ts.isClassDeclaration(node)) return undefined;
  return { file: path, line: line + 1 };
}
