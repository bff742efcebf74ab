/**
 * Scripts as rows of the store: the name is the key, the rest a JSON object.
 * @module
 */
import { milliseconds } from "#base/time.ts";
import type { StoreValue, StoreWrite } from "#io/store.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { type ScriptOptions, scriptSpec } from "./config.ts";

/** The store's table of scripts. */
export const SCRIPT_TABLE = "script";

/** A script that is kept over a restart. */
export interface KeptScript {
  readonly spec: ScriptSpec;
  /** Scripts are loaded in ascending order, which is their order at a hook. */
  readonly order: number;
}

/** The write that keeps a script. */
export function formatScript({ spec, order }: KeptScript): StoreWrite {
  const { name, queueCount: queues, inInterface, outInterface, ...rest } = spec;
  const value = JSON.stringify({ ...rest, queues, in: inInterface, out: outInterface, order });
  return { table: SCRIPT_TABLE, key: name, value };
}

/** The write that forgets it. */
export function forgetScript(name: string): StoreWrite {
  return { table: SCRIPT_TABLE, key: name, value: undefined };
}

/** The script of a row; `undefined` when the row is not one of ours. */
export function parseScript(name: string, value: StoreValue): KeptScript | undefined {
  try {
    const row = JSON.parse(String(value)) as Omit<ScriptOptions, "name"> & { readonly order: unknown };
    const { order, ...options } = row;
    if (typeof order !== "number") return undefined;
    const { deadline, timeLimit } = options;
    const times = { deadline: milliseconds(Number(deadline)), timeLimit: milliseconds(Number(timeLimit)) };
    return { spec: scriptSpec({ ...options, ...times, name }), order };
  } catch {
    return undefined;
  }
}
