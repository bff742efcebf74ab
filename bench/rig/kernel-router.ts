/**
 * The processes on the measurements' router that put programs into the kernel: one for scripts, one for what clang made.
 * Each is started when it is first needed and stays until the network is closed.
 * @module
 */

import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { PlacedCount, PlacedInfo, RouterAnswer, RouterOrder } from "../peers/router-orders.ts";
import type { BenchNetwork } from "./network.ts";

const PEERS = join(import.meta.dirname, "../peers");

type RouterProgram = "router-kernel" | "router-c";

/** Puts programs in place, and takes them away; one order after the other. */
export class Router<Put> {
  readonly #input: NodeJS.WritableStream;
  readonly #lines: AsyncIterator<string>;

  constructor(input: NodeJS.WritableStream, output: Interface) {
    this.#input = input;
    this.#lines = output[Symbol.asyncIterator]();
  }

  /** What was put where; nothing of it stays when one fails. */
  async put(programs: readonly Put[]): Promise<readonly PlacedInfo[]> {
    const answer = await this.#ask({ put: programs });
    if ("placed" in answer) return answer.placed;
    await this.#ask({ take: true });
    throw new Error(`Cannot put programs in place: ${"failure" in answer ? answer.failure : "no answer"}`);
  }

  /** Takes all away; what those counted that count. */
  async take(): Promise<readonly PlacedCount[]> {
    const answer = await this.#ask({ take: true });
    if ("counted" in answer) return answer.counted;
    throw new Error(`Cannot take programs away: ${"failure" in answer ? answer.failure : "no answer"}`);
  }

  async #ask(order: RouterOrder<Put>): Promise<RouterAnswer> {
    this.#input.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#lines.next();
    return done ? { failure: "the process on the router has ended" } : JSON.parse(value);
  }
}

const ROUTERS = new WeakMap<BenchNetwork, Map<RouterProgram, Promise<Router<never>>>>();

/** @typeParam Put what this program puts in place: `ScriptPut` or `ObjectPut` */
export async function routerOf<Put>(network: BenchNetwork, program: RouterProgram): Promise<Router<Put>> {
  const known = ROUTERS.get(network) ?? new Map<RouterProgram, Promise<Router<never>>>();
  ROUTERS.set(network, known);
  const router = known.get(program) ?? startRouter(network, program, () => known.delete(program));
  known.set(program, router);
  // Which programs it takes goes with its name.
  return (await router) as unknown as Router<Put>;
}

/** @param ended called when it has gone, or has not come: the next that needs it starts another */
async function startRouter(
  network: BenchNetwork,
  program: RouterProgram,
  ended: () => void,
): Promise<Router<never>> {
  const words = [process.execPath, "-C", "metanet-source", join(PEERS, `${program}.ts`)];
  const started = network.start("fw", words, { input: true, ready: /ready\n/ });
  started.catch(ended);
  const { child } = await started;
  child.once("close", ended);
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error(`Cannot talk to ${program}: it has no input or output`);
  // A process that has ended is told by the end of its lines.
  stdin.on("error", () => {});
  return new Router(stdin, createInterface({ input: stdout }));
}
