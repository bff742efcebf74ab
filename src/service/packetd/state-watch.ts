/**
 * Notices when a script does not run any more as it did: its isolate had to be ended and started anew.
 * @module
 */
import type { LoadedScript, ScriptFault } from "#script/engine.ts";

export class StateWatch {
  readonly #onChange: (script: LoadedScript, fault: ScriptFault | undefined) => void;
  /** By name: the state that was seen last, and how many faults of each place. */
  readonly #seen = new Map<string, { state: LoadedScript["state"]; faults: ReadonlyMap<string, number> }>();

  /** @param onChange gets a script that runs no more, with the newest of the faults that ends isolates. */
  constructor(onChange: (script: LoadedScript, fault: ScriptFault | undefined) => void) {
    this.#onChange = onChange;
  }

  /** Compares with what was seen last; an isolate that was ended and runs again already is noticed too. */
  look(scripts: readonly LoadedScript[]): void {
    for (const script of scripts) {
      const { state, spec } = script;
      const before = this.#seen.get(spec.name);
      const ending = script.statistics.faults.filter(({ kind }) => kind === "stuck" || kind === "memory");
      const grown = ending.find((fault) => fault.count > (before?.faults.get(keyOf(fault)) ?? 0));
      this.#seen.set(spec.name, { state, faults: new Map(ending.map((one) => [keyOf(one), one.count])) });
      const isWorse = state !== "running" && state !== (before?.state ?? "running");
      if (isWorse || grown) this.#onChange(script, grown ?? ending.at(-1));
    }
  }

  forget(name: string): void {
    this.#seen.delete(name);
  }
}

function keyOf({ kind, place }: ScriptFault): string {
  return `${kind} ${place}`;
}
