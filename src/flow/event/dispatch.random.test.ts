/**
 * Random trees, registrations and raises, run by the dispatcher and by an interpreter that does what the documentation
 * says in the plainest way: both must write the same log.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { raise } from "./dispatch.ts";
import { EventObjects } from "./event-object.ts";
import type { Hook } from "./events.ts";
import { Registrations } from "./registrations.ts";
import { slotOf } from "./slot.ts";
import type { FloatingEvent, UserEvent } from "./user-event.ts";
import { defineEvent, floatingEvent } from "./user-event.ts";

const SEED = 20_170_327;
const ROUND_COUNT = 300;
const HOOKS = ["sender", "receiver", "none"] as const;

interface Payload {
  readonly by: string;
}

/** What a predicate or callback does in every run: raise, then answer or throw. */
interface Deed {
  readonly raises: readonly Node[];
  readonly answer: "yes" | "no" | "payload" | "throw";
}

interface Node {
  readonly name: string;
  readonly parent: Node | undefined;
  readonly isFloating: boolean;
  readonly deed: Deed;
  event: UserEvent;
}

interface Listener {
  readonly name: string;
  /** `undefined` for the built-in event. */
  readonly node: Node | undefined;
  readonly hook: Hook;
  readonly deed: Deed;
  readonly callback: (flow: string[], event: object) => void;
}

/** What the real predicates and callbacks do. */
function act(deed: Deed, name: string, log: string[], event: object): unknown {
  log.push(`${name} ${payloadOf(event)}`);
  for (const node of deed.raises) {
    raise(event as EventObjects["packet"], node.event as FloatingEvent<"packet", Payload>, { by: name });
  }
  if (deed.answer === "throw") throw new Error(name);
  return deed.answer === "payload" ? { by: name } : deed.answer === "yes";
}

function payloadOf(event: object): string {
  return (event as { payload?: Payload }).payload?.by ?? "-";
}

/** The same in the plainest way. */
class Interpreter {
  readonly log: string[] = [];
  readonly nodes: readonly Node[];
  readonly listeners: readonly Listener[];

  constructor(nodes: readonly Node[], listeners: readonly Listener[]) {
    this.nodes = nodes;
    this.listeners = listeners;
  }

  run(): void {
    const raised = this.call(undefined, "-");
    this.below(undefined, "-", raised);
  }

  /** Children as they were defined, then what was raised. */
  below(node: Node | undefined, payload: string, raised: readonly [Node, string][]): void {
    for (const child of this.nodes) {
      if (child.parent === node && !child.isFloating && this.isWanted(child)) this.visit(child, payload);
    }
    for (const [child, by] of raised) if (this.isWanted(child)) this.visit(child, by);
  }

  visit(node: Node, outer: string): void {
    const raised: [Node, string][] = [];
    let payload = outer;
    if (!node.isFloating) {
      this.log.push(`${node.name} ${outer}`);
      for (const child of node.deed.raises) raised.push([child, node.name]);
      if (node.deed.answer === "throw") this.log.push(`! ${node.name}`);
      if (node.deed.answer === "throw" || node.deed.answer === "no") return;
      if (node.deed.answer === "payload") payload = node.name;
    }
    raised.push(...this.call(node, payload));
    this.below(node, payload, raised);
  }

  call(node: Node | undefined, payload: string): [Node, string][] {
    const raised: [Node, string][] = [];
    for (const listener of this.listeners) {
      if (listener.node !== node) continue;
      this.log.push(`${listener.name} ${payload}`);
      for (const child of listener.deed.raises) raised.push([child, listener.name]);
      if (listener.deed.answer === "throw") this.log.push(`! ${listener.name}`);
    }
    return raised;
  }

  isWanted(node: Node): boolean {
    if (this.listeners.some((listener) => listener.node === node)) return true;
    return this.nodes.some((child) => child.parent === node && !child.isFloating && this.isWanted(child));
  }
}

function randomDeed(
  random: SeededRandom,
  floating: readonly Node[],
  answers: readonly Deed["answer"][],
): Deed {
  const raises = floating.filter(() => random.below(8) === 0);
  return { raises, answer: answers[random.below(answers.length)] ?? "yes" };
}

function randomNodes(random: SeededRandom): Node[] {
  const nodes: Node[] = [];
  const count = random.below(14);
  for (let index = 0; index < count; index += 1) {
    const parent = random.below(3) === 0 ? undefined : nodes[random.below(nodes.length)];
    const name = `n${index}`;
    const below = parent?.event ?? "packet";
    const deed = randomDeed(random, raisable(nodes, parent), [
      "yes",
      "yes",
      "yes",
      "payload",
      "payload",
      "no",
      "throw",
    ]);
    const isFloating = random.below(4) === 0;
    const event = isFloating
      ? floatingEvent(below as "packet")
      : defineEvent(below as "packet", (log: string[], seen) => act(deed, name, log, seen) as boolean);
    nodes.push({ name, parent, isFloating, deed, event });
  }
  return nodes;
}

/** Floating events defined behind the nearest one above `start`: so no two raise each other without end. */
function raisable(nodes: readonly Node[], start: Node | undefined): Node[] {
  let top = start;
  while (top !== undefined && !top.isFloating) top = top.parent;
  const first = top === undefined ? 0 : nodes.indexOf(top) + 1;
  return nodes.slice(first).filter((node) => node.isFloating);
}

function randomListeners(random: SeededRandom, nodes: readonly Node[]): Listener[] {
  return Array.from({ length: random.below(16) }, (_, index) => {
    const node = random.below(6) === 0 ? undefined : nodes[random.below(nodes.length)];
    const deed = randomDeed(random, raisable(nodes, node), ["yes", "yes", "yes", "throw"]);
    const name = `c${index}`;
    const callback = (log: string[], event: object): void => {
      act(deed, name, log, event);
    };
    return { name, node, hook: HOOKS[random.below(3)] ?? "none", deed, callback };
  });
}

test(`run() does what the documentation says, for random trees (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const events = new EventObjects();
  let lineCount = 0;
  for (let round = 0; round < ROUND_COUNT; round += 1) {
    const nodes = randomNodes(random);
    const listeners = randomListeners(random, nodes);
    let set = Registrations.empty<string[]>();
    for (const { node, hook, callback } of listeners) {
      set = set.with((node?.event ?? "packet") as "packet", hook, callback);
    }
    // Some go again; what is left runs as if they had never been there.
    const left = listeners.filter(() => random.below(5) !== 0);
    for (const listener of listeners) {
      if (left.includes(listener)) continue;
      const { node, hook, callback } = listener;
      set = set.without({ event: node?.event ?? "packet", hook, callback });
    }
    assert.equal(set.count, left.length);
    for (const hook of HOOKS) {
      const here = left.filter((listener) => listener.hook === hook);
      const interpreter = new Interpreter(nodes, here);
      interpreter.run();
      const log: string[] = [];
      set.run(slotOf("packet", hook), log, events.packet, (error) =>
        log.push(`! ${(error as Error).message}`),
      );
      assert.deepEqual(log, interpreter.log, `seed ${SEED}, round ${round}, hook ${hook}`);
      assert.equal(events.packet.payload, undefined);
      assert.equal(set.wants(slotOf("packet", hook)), here.length > 0);
      lineCount += log.length;
    }
  }
  assert.ok(lineCount > ROUND_COUNT * 3, `only ${lineCount} lines`);
});
