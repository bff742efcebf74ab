/**
 * An engine for tests that runs nothing: it keeps what it was given, refuses what it was told to refuse, and shows the
 * statistics it was told to show.
 * @module
 */
import type { MetanetError } from "#base/errors.ts";
import type { LoadedScript, ScriptEngine, ScriptSpec, ScriptStatistics } from "#script/engine.ts";

const NOTHING: ScriptStatistics = {
  packets: 0,
  bytes: 0,
  verdicts: { accept: 0, drop: 0, continue: 0, repeat: 0, queue: 0, mark: 0, later: 0 },
  errors: 0,
  bypassed: 0,
  held: 0,
  sent: 0,
  deferred: 0,
  timeP50: 0,
  timeP99: 0,
  counters: {},
  faults: [],
};

export class SimulatedEngine implements ScriptEngine {
  readonly #scripts = new Map<string, LoadedScript>();
  /** Errors by the name of the script that gets them when it is loaded. */
  readonly refusals: Map<string, MetanetError> = new Map();
  /** Names in the order of their loading, reloads included. */
  readonly loads: string[] = [];
  isClosed = false;
  /** Loads wait for this. */
  gate: Promise<void> = Promise.resolve();

  async load(spec: ScriptSpec): Promise<LoadedScript> {
    await this.gate;
    const refusal = this.refusals.get(spec.name);
    if (refusal) throw refusal;
    const version = (this.#scripts.get(spec.name)?.version ?? 0) + 1;
    const script: LoadedScript = {
      spec,
      engine: "user",
      state: "running",
      version,
      isWriting: true,
      readBytes: 65_531,
      statistics: NOTHING,
    };
    this.#scripts.set(spec.name, script);
    this.loads.push(spec.name);
    return script;
  }

  /** Lets a script look as given from now on. */
  show(
    name: string,
    { state, ...statistics }: Partial<ScriptStatistics> & { readonly state?: LoadedScript["state"] },
  ): void {
    const script = this.#scripts.get(name);
    if (!script) return;
    this.#scripts.set(name, {
      ...script,
      state: state ?? script.state,
      statistics: { ...script.statistics, ...statistics },
    });
  }

  /** Names, in the order they were reserved in. */
  reserved: readonly string[] = [];

  reserve(specs: readonly ScriptSpec[]): Promise<readonly string[]> {
    this.reserved = specs.map(({ name }) => name);
    return Promise.resolve([]);
  }

  /** What somebody else has removed meanwhile. */
  removed: string[] = [];

  repair(): Promise<readonly string[]> {
    return Promise.resolve(this.removed.splice(0));
  }

  unload(name: string): Promise<boolean> {
    return Promise.resolve(this.#scripts.delete(name));
  }

  list(): Promise<readonly LoadedScript[]> {
    return Promise.resolve([...this.#scripts.values()]);
  }

  close(): Promise<void> {
    this.isClosed = true;
    this.#scripts.clear();
    return Promise.resolve();
  }
}
