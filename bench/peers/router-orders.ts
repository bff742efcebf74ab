/**
 * What the measurements tell the processes on their router, a line of JSON each: put programs in place, or take them away.
 * A process stays for the whole run, so that what it compiled and loaded once serves every turn; it ends with its input.
 * @module
 */
import { createInterface } from "node:readline";
import type { RunTime } from "./run-time.ts";

/** A program in place. */
export interface PlacedInfo {
  readonly name: string;
  readonly instructions: number;
  /** What the kernel made of them. */
  readonly machineBytes: number;
}

/** What a program did while it was in place, and what the kernel kept of its times. */
export interface PlacedCount extends RunTime {
  readonly name: string;
  /** `undefined` of programs that count nothing. */
  readonly packets: number | undefined;
  readonly errors: number;
}

/** `Put` is what a program is, and where. */
export type RouterOrder<Put> = { readonly put: readonly Put[] } | { readonly take: true };

export type RouterAnswer =
  | { readonly placed: readonly PlacedInfo[] }
  | { readonly counted: readonly PlacedCount[] }
  | { readonly failure: string };

/** A function of a script, as `metanet script load` takes it. */
export interface ScriptPut {
  readonly file: string;
  readonly function: string;
  readonly hook: string;
  readonly in?: string;
  readonly out?: string;
}

/** A section of an object that clang made. */
export interface ObjectPut {
  readonly object: string;
  readonly section: string;
  readonly kind: "tcx-ingress" | "tcx-egress";
  readonly device: string;
}

/** Obeys until the input ends. */
export async function obey<Put>(
  put: (one: Put) => Promise<PlacedInfo>,
  take: () => Promise<readonly PlacedCount[]>,
): Promise<void> {
  process.stdout.write("ready\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await answerTo(JSON.parse(line), put, take);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

async function answerTo<Put>(
  order: RouterOrder<Put>,
  put: (one: Put) => Promise<PlacedInfo>,
  take: () => Promise<readonly PlacedCount[]>,
): Promise<RouterAnswer> {
  try {
    if ("take" in order) return { counted: await take() };
    const placed: PlacedInfo[] = [];
    for (const one of order.put) placed.push(await put(one));
    return { placed };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}
