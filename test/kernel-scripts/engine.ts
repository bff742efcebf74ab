/**
 * The engines that are compared with plain TypeScript, and what each needs to run a script of a module.
 * @module
 */
import type { PacketScript } from "#script/context.ts";
import type { Abilities } from "./generate/scope.ts";
import type { ScriptRun } from "./outcome.ts";
import type { ModulePrograms } from "./program.ts";
import { UserEngineRun } from "./user-engine-run.ts";

/** A module in all the forms that engines take. */
export interface TestModule {
  readonly text: string;
  readonly functions: Readonly<Record<string, PacketScript>>;
  /** The compiler's program, made when it is first asked for. */
  readonly compiled: () => ReturnType<ModulePrograms["make"]>;
}

/** An engine runs a script, or says why it does not: a code and a sentence. */
export type Started =
  | { readonly run: ScriptRun }
  | { readonly refusal: { readonly code: string; readonly text: string } };

export interface Engine {
  readonly name: string;
  readonly first: "ethernet" | "network";
  /** It cannot tell accept from continue. */
  readonly isCoarse: boolean;
  /** Chance, and what is handed over, are those of user space. */
  readonly isUserSpace: boolean;
  /** It is shown aggregates. */
  readonly hasAggregates: boolean;
  /** Marks do not come out of it, nor into it. */
  readonly hidesMarks?: boolean;
  /** Whether it may do what a script does. */
  may(abilities: Abilities): boolean;
  start(module: TestModule, name: string): Started;
  /** Whether it can be shown a frame: the kernel makes no packet of some. */
  takes(bytes: Uint8Array): boolean;
}

export const userEngine: Engine = {
  name: "user-space engine",
  first: "network",
  isCoarse: false,
  isUserSpace: true,
  hasAggregates: true,
  may: () => true,
  takes: () => true,
  start: ({ functions }, name) => ({ run: new UserEngineRun(functions[name] as PacketScript) }),
};
