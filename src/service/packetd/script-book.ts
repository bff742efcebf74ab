/**
 * Which scripts are to run: those of the configuration, those that were loaded to stay, and those until the next
 * start. Changes happen one after the other; what is to stay is on the disk before anybody is told.
 * @module
 */
import { ConfigurationError, type MetanetError } from "#base/errors.ts";
import type { Store } from "#io/store.ts";
import type { LoadedScript, ScriptEngine, ScriptSpec } from "#script/engine.ts";
import { forgetScript, formatScript, type KeptScript, parseScript, SCRIPT_TABLE } from "./script-record.ts";

/** A script that is to run, whether it does or not. */
export interface BookedScript {
  readonly spec: ScriptSpec;
  /** Ascending in the order of loading. */
  readonly order: number;
  readonly isPersisted: boolean;
  readonly isConfigured: boolean;
  /** Why it could not be loaded at the start; `undefined` when it was. */
  readonly error: MetanetError | undefined;
  /** Meanwhile its packets go by its `onError`; otherwise nobody can tell which they are, and they pass. */
  readonly isReserved: boolean;
}

export interface ScriptBookOptions {
  readonly engine: ScriptEngine;
  readonly store: Store;
  readonly configured: readonly ScriptSpec[];
}

/** What became of a load. */
export interface Loading {
  readonly script: LoadedScript;
  readonly isReplaced: boolean;
  readonly isPersisted: boolean;
}

export class ScriptBook {
  readonly #engine: ScriptEngine;
  readonly #store: Store;
  readonly #configured: readonly ScriptSpec[];
  readonly #booked = new Map<string, BookedScript>();
  /** The change before the next one. */
  #last: Promise<unknown> = Promise.resolve();
  #nextOrder = 0;

  constructor(options: ScriptBookOptions) {
    this.#engine = options.engine;
    this.#store = options.store;
    this.#configured = options.configured;
  }

  /** By name. */
  get booked(): ReadonlyMap<string, BookedScript> {
    return this.#booked;
  }

  /**
   * Loads what ran before, then what the configuration adds: a script that is configured runs as configured. One that
   * cannot be loaded is kept in the book with its error, and does not stop the others.
   * @returns rows of the store that could not be read.
   */
  restore(): Promise<string[]> {
    return this.#inTurn(async () => {
      const names = new Set(this.#configured.map(({ name }) => name));
      const kept: KeptScript[] = [];
      const unreadable: string[] = [];
      for (const [name, value] of this.#store.entries(SCRIPT_TABLE)) {
        const script = parseScript(name, value);
        if (!script) unreadable.push(name);
        else if (!names.has(name)) kept.push(script);
      }
      kept.sort((left, right) => left.order - right.order);
      const specs = [...this.#configured, ...kept.map(({ spec }) => spec)];
      const isReserved = await this.#reserve(specs);
      for (const spec of this.#configured) {
        const traits = { isPersisted: false, isConfigured: true, isReserved: isReserved(spec.name) };
        await this.#try(spec, traits);
      }
      for (const { spec, order } of kept) {
        this.#nextOrder = Math.max(this.#nextOrder, order);
        const traits = { isPersisted: true, isConfigured: false, isReserved: isReserved(spec.name) };
        await this.#try(spec, traits);
      }
      return unreadable;
    });
  }

  /** Before anything is loaded, which takes its time; whether a script's packets go by its rule meanwhile. */
  async #reserve(specs: readonly ScriptSpec[]): Promise<(name: string) => boolean> {
    try {
      const refused = await this.#engine.reserve(specs);
      return (name) => !refused.includes(name);
    } catch {
      // What stands in the way of rules stands in the way of each script, which tells it.
      return () => false;
    }
  }

  /** @throws what the engine throws; the version that ran goes on then. Also the store's errors. */
  load(spec: ScriptSpec, isPersisted: boolean): Promise<Loading> {
    return this.#inTurn(() => this.#load(spec, isPersisted));
  }

  /** @throws ConfigurationError when nothing of that name is to run, and as {@link load}. */
  reload(name: string): Promise<Loading> {
    return this.#inTurn(() => {
      const { spec, isPersisted } = this.#require(name);
      return this.#load(spec, isPersisted);
    });
  }

  /**
   * One script, or all of them without a name.
   * @returns those that are not there any more.
   * @throws ConfigurationError when nothing of that name is to run, and the store's errors.
   */
  unload(only?: string): Promise<BookedScript[]> {
    return this.#inTurn(async () => {
      const gone: BookedScript[] = [];
      for (const booked of only === undefined ? [...this.#booked.values()] : [this.#require(only)]) {
        const { name } = booked.spec;
        // First the disk: it must not come back after it was said to be gone.
        if (booked.isPersisted) await this.#store.commit([forgetScript(name)]);
        await this.#engine.unload(name);
        this.#booked.delete(name);
        gone.push(booked);
      }
      return gone;
    });
  }

  /** @throws ConfigurationError that names the scripts there are. */
  #require(name: string): BookedScript {
    const booked = this.#booked.get(name);
    if (booked) return booked;
    throw new NoSuchScriptError(name, [...this.#booked.keys()]);
  }

  async #load(spec: ScriptSpec, isPersisted: boolean): Promise<Loading> {
    const before = this.#booked.get(spec.name);
    const script = await this.#engine.load(spec);
    const order = before?.order ?? this.#nextOrder++;
    const isConfigured = before?.isConfigured ?? false;
    // Booked first: it runs, whatever the disk says now.
    this.#booked.set(spec.name, {
      spec,
      order,
      isPersisted,
      isConfigured,
      error: undefined,
      isReserved: false,
    });
    if (isPersisted) await this.#store.commit([formatScript({ spec, order })]);
    else if (before?.isPersisted) await this.#store.commit([forgetScript(spec.name)]);
    return { script, isPersisted, isReplaced: before !== undefined && before.error === undefined };
  }

  async #try(spec: ScriptSpec, traits: Omit<BookedScript, "spec" | "order" | "error">): Promise<void> {
    const order = this.#nextOrder++;
    const book = (error: MetanetError | undefined): void => {
      this.#booked.set(spec.name, { spec, order, ...traits, error });
    };
    try {
      await this.#engine.load(spec);
      book(undefined);
    } catch (error) {
      book(error as MetanetError);
    }
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** No script of that name is loaded. */
export class NoSuchScriptError extends ConfigurationError {
  override readonly code: string = "no-such-script";

  /** @param names of the scripts there are. */
  constructor(name: string, names: readonly string[]) {
    const there = names.length > 0 ? `there are ${names.join(", ")}` : "no script is loaded";
    super(`Cannot find script '${name}': ${there}`);
  }
}
