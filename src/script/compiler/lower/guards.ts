/**
 * Loops that the kernel's verifier does not follow round by round. Each of them begins with an instruction by which the
 * kernel ends what goes on for too long (may_goto, Linux 6.9): the verifier then walks on until it finds itself where it
 * has been. So that this is soon, it is not to know what the rounds calculate: what a loop carries is veiled.
 * @module
 */
import type { Ranges } from "../analyse/ranges.ts";
import { Graph, type Loop } from "../ir/graph.ts";
import type { Block, Edge, Instruction, Value } from "../ir/ir.ts";
import { mapEdges } from "../ir/visit.ts";
import { dropDeadBlocks } from "./blocks.ts";
import type { Editor } from "./editor.ts";

/**
 * Rounds of all loops of a function together, at most: so many the kernel counts before it looks at a clock
 * (BPF_MAX_TIMED_LOOPS), so that it never ends one of these loops.
 */
const ROUNDS_MAX = 65_000;
/** Instructions of all rounds together from which on a guard is worth it. */
const STEPS_LEAST = 200;

/** Notes how often loops come back, as long as numbers are numbers: the sums of words could begin anew at 0. */
export function noteRounds(ranges: Ranges): void {
  for (const loop of ranges.loops) {
    const rounds = ranges.roundsMax(loop);
    if (rounds !== undefined) loop.head.roundsMax = rounds;
  }
}

/** Rewrites a function in place, as its last pass. */
export function guardLoops(editor: Editor): void {
  const graph = new Graph(editor.function);
  const loops = graph.loops();
  const counts = countRounds(loops, graph);
  const needed = new Set<Loop>();
  for (const [loop, rounds] of counts) {
    // What is calculated in the only round is constant: the verifier would see the same round come again and again.
    if (loop.head.roundsMax !== undefined && loop.head.roundsMax <= 1) needed.add(loop);
    if (rounds * sizeOf(loop) < STEPS_LEAST) continue;
    for (let at: Loop | undefined = loop; at !== undefined; at = at.outer) needed.add(at);
  }
  let roundsLeft = ROUNDS_MAX;
  for (const [loop, rounds] of counts) {
    if (!needed.has(loop) || rounds > roundsLeft) continue;
    roundsLeft -= rounds;
    loop.head.isGuarded = true;
    veilEntrances(editor, graph, loop.head);
  }
  dropDeadBlocks(editor.function);
}

/** How often the head of each loop is run at most, for one run of the function; outer loops first. */
function countRounds(loops: readonly Loop[], graph: Graph): ReadonlyMap<Loop, number> {
  const counts = new Map<Loop, number>();
  for (const loop of loops) {
    const own = roundsOf(loop, graph);
    const outer = loop.outer === undefined ? 1 : counts.get(loop.outer);
    if (own !== undefined && outer !== undefined) counts.set(loop, outer * (own + 1));
  }
  return counts;
}

/** Passes keep how often a loop comes back, but not always where it begins. */
function roundsOf({ head, blocks }: Loop, graph: Graph): number | undefined {
  if (head.roundsMax !== undefined) return head.roundsMax;
  const known = [...blocks].flatMap((block) => (graph.isHead(block) ? [] : (block.roundsMax ?? [])));
  return known.length === 0 ? undefined : Math.max(...known);
}

function sizeOf({ blocks }: Loop): number {
  return [...blocks].reduce((sum, { instructions }) => sum + instructions.length + 1, 0);
}

function veilEntrances(editor: Editor, graph: Graph, head: Block): void {
  for (const { from, edge } of graph.entrances(head)) {
    const { place } = from.terminator;
    const instructions: Instruction[] = [];
    const values = edge.with.map((operand, index): Value => {
      // Pointers the verifier has to know, and of what is true or not there are two cases only.
      if (head.parameters[index]?.type !== "integer") return operand;
      const result = editor.value("integer");
      const operator = "veiled64";
      instructions.push({ op: "unary", place, result, operator, operand });
      return result;
    });
    const veiled: Edge = { to: head, with: values };
    if (from.terminator.op === "jump") {
      from.instructions.push(...instructions);
      from.terminator = { op: "jump", place, edge: veiled };
      continue;
    }
    const between = editor.block([], instructions, { op: "jump", place, edge: veiled });
    const change = (one: Edge): Edge => (one === edge ? { to: between, with: [] } : one);
    from.terminator = mapEdges(from.terminator, change);
  }
}
