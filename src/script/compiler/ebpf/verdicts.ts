/**
 * Verdicts as the kernel wants them at each attach point.
 * @module
 */
import type { Graph } from "../ir/graph.ts";
import { type Block, type Instruction, type Value, VerdictCode } from "../ir/ir.ts";
import { edgesOf, forEachUse, operandsOf, terminatorOperand } from "../ir/visit.ts";
import type { AttachType } from "../target.ts";

/** What stands for {@link VerdictCode} in r0, by its name. */
export type NativeVerdicts = Readonly<Record<keyof typeof VerdictCode, number>>;

/** NF_DROP, NF_ACCEPT (linux/netfilter.h). */
const NETFILTER: NativeVerdicts = { drop: 0, accept: 1, continue: 1, redirect: 0 };
/** TCX_DROP, TCX_PASS, TCX_NEXT, TCX_REDIRECT (linux/bpf.h). */
const TRAFFIC_CONTROL: NativeVerdicts = { drop: 2, accept: 0, continue: -1, redirect: 7 };
/** XDP_DROP, XDP_PASS, XDP_REDIRECT (linux/bpf.h). */
const DRIVER: NativeVerdicts = { drop: 1, accept: 2, continue: 2, redirect: 4 };

export const NATIVE_VERDICTS: Readonly<Record<AttachType, NativeVerdicts>> = {
  netfilter: NETFILTER,
  "tcx-ingress": TRAFFIC_CONTROL,
  "tcx-egress": TRAFFIC_CONTROL,
  xdp: DRIVER,
};

/** The kernel's number for one of {@link VerdictCode}; what is none of them continues. */
export function nativeOf(natives: NativeVerdicts, code: bigint): number {
  const names = Object.keys(VerdictCode) as (keyof typeof VerdictCode)[];
  const name = names.find((one) => BigInt(VerdictCode[one]) === code) ?? "continue";
  return natives[name];
}

/**
 * The values that are verdicts and nothing else, so that they can be the kernel's numbers all along: block
 * parameters that are only returned or passed on to such parameters, and what redirections result in.
 */
export function verdictValues(graph: Graph, makers: ReadonlyMap<Value, Instruction>): ReadonlySet<Value> {
  const found = returned(graph, makers);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const value of misused(graph, makers, found)) isChanged = found.delete(value) || isChanged;
  }
  return found;
}

function isRedirect(maker: Instruction | undefined): boolean {
  return maker?.op === "redirect";
}

function returned(graph: Graph, makers: ReadonlyMap<Value, Instruction>): Set<Value> {
  const owners = new Map<Value, Block>();
  const found = new Set<Value>();
  for (const block of graph.order) {
    for (const parameter of block.parameters) owners.set(parameter, block);
    const { terminator } = block;
    if (terminator.op === "return") found.add(terminator.verdict);
  }
  for (const value of found) {
    const owner = owners.get(value);
    if (owner === undefined) continue;
    const index = owner.parameters.indexOf(value);
    for (const { edge } of graph.entrances(owner)) {
      const given = edge.with[index];
      if (given !== undefined) found.add(given);
    }
  }
  for (const value of found) if (!owners.has(value) && !isRedirect(makers.get(value))) found.delete(value);
  return found;
}

/** Those that are used for something else, or are given something else than constants and such values. */
function* misused(
  graph: Graph,
  makers: ReadonlyMap<Value, Instruction>,
  found: ReadonlySet<Value>,
): Generator<Value> {
  const isGood = (value: Value): boolean => found.has(value) || makers.get(value)?.op === "constant";
  for (const block of graph.order) {
    for (const instruction of block.instructions)
      for (const operand of operandsOf(instruction)) yield operand;
    const operand = terminatorOperand(block.terminator);
    if (operand !== undefined && block.terminator.op !== "return") yield operand;
    for (const { to, with: values } of edgesOf(block.terminator)) {
      for (const [index, value] of values.entries()) {
        const parameter = to.parameters[index];
        if (parameter === undefined) continue;
        if (!found.has(parameter)) yield value;
        else if (!isGood(value)) yield parameter;
      }
    }
  }
}

/** How often each value is used. */
export function useCounts(graph: Graph): ReadonlyMap<Value, number> {
  const counts = new Map<Value, number>();
  for (const block of graph.order) {
    forEachUse(block, (value) => counts.set(value, (counts.get(value) ?? 0) + 1));
  }
  return counts;
}
