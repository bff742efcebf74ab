/**
 * The service of packet scripts: loads what it is asked to, loads it again after a restart, tells how it goes, and
 * asks listeners what is to become of a packet when a script wants to know.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { ConfigurationError } from "#base/errors.ts";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import { packetd } from "#contract/packetd.ts";
import type { Store } from "#io/store.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import type { Takes } from "#mailbox/registry.ts";
import type { Attachment } from "#mailbox/router.ts";
import { type Answer, answer } from "#mailbox/verdict.ts";
import type { LoadedScript, ScriptEngine, ScriptSpec } from "#script/engine.ts";
import { type ScriptOptions, scriptSpec } from "./config.ts";
import { listScripts } from "./listing.ts";
import { MapDesk, type ScriptMaps } from "./map-desk.ts";
import { type Loading, ScriptBook } from "./script-book.ts";
import { StateWatch } from "./state-watch.ts";

/** How often the engine is asked whether scripts still run. */
export const WATCH_INTERVAL: Duration = seconds(1);

/** How long the start waits for scripts: well below the time in which a supervisor expects a service to be ready. */
export const RESTORE_PATIENCE: Duration = seconds(8);

/** Takes one line for the log. */
export type PacketdLog = (
  level: "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

/** What the service has to know of the machine it runs on. */
export interface Machine {
  /** The network namespace, as /proc/self/ns/net links to it. */
  readonly namespace: string;
  interfaceNames(): readonly string[];
  /** Why a file cannot be read, with the fix; `undefined` when it can. */
  fileProblem(file: string): string | undefined;
}

export interface PacketdServiceOptions {
  readonly bus: Bus;
  readonly engine: ScriptEngine;
  readonly maps: ScriptMaps;
  readonly store: Store;
  /** Those of the configuration file, in their order. */
  readonly scripts: readonly ScriptOptions[];
  readonly machine: Machine;
  readonly log: PacketdLog;
}

/** The script is loaded in another network namespace than its sender is in. */
export class WrongNamespaceError extends ConfigurationError {
  override readonly code: string = "wrong-namespace";
}

export class PacketdService {
  readonly #bus: Bus;
  readonly #engine: ScriptEngine;
  readonly #machine: Machine;
  readonly #log: PacketdLog;
  readonly #book: ScriptBook;
  readonly #desk: MapDesk;
  readonly #watch: StateWatch;
  readonly #attachments: Attachment[] = [];
  #restored: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #repairProblem: string | undefined;
  #open = true;

  /** @throws ConfigurationError when a configured script is not one. */
  constructor(options: PacketdServiceOptions) {
    this.#bus = options.bus;
    this.#engine = options.engine;
    this.#machine = options.machine;
    this.#log = options.log;
    const { engine, store } = options;
    this.#book = new ScriptBook({ engine, store, configured: options.scripts.map(scriptSpec) });
    this.#desk = new MapDesk(options.maps);
    this.#watch = new StateWatch((script, fault) => {
      const { state } = script;
      this.#failed(
        script.spec.name,
        state,
        fault?.kind ?? state,
        fault ? `${fault.place}: ${fault.message}` : state,
      );
    });
  }

  /**
   * Opens the mailboxes, and loads what is to run. What cannot be loaded is reported and stops nobody; what takes
   * longer than {@link RESTORE_PATIENCE} is loaded afterwards.
   */
  async start(): Promise<void> {
    this.#bus.offer(packetd);
    this.#restored = this.#restore();
    // Before it has ended: who asks meanwhile waits, and is not told that nobody is here.
    await this.#provide();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#bus.clock.after(RESTORE_PATIENCE, resolve);
    await Promise.race([this.#restored, late]);
    timer.cancel();
    this.#lookLater();
  }

  /** Fulfilled when everything that is to run was tried. */
  get restored(): Promise<void> {
    return this.#restored;
  }

  async #restore(): Promise<void> {
    const unreadable = await this.#book.restore();
    if (!this.#open) return;
    for (const name of unreadable) {
      this.#log("error", "a stored script cannot be read; load it again", { script: name });
    }
    for (const { spec, error } of this.#book.booked.values()) {
      if (error) this.#failed(spec.name, "unloaded", error.code, error.message);
      else this.#log("info", "a script runs", { script: spec.name, hook: spec.hook });
    }
  }

  /** Closes the mailboxes and unloads every script; those that are to stay are loaded at the next start. */
  async stop(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.cancel();
    for (const attachment of this.#attachments) await attachment.detach();
    await this.#engine.close();
  }

  /** A line that a script wrote. */
  scriptSaid(script: string, text: string): void {
    this.#log("info", text, { script });
    this.#bus.post("/packetd/script/log", { script, text });
  }

  async #provide(): Promise<void> {
    const bus = this.#bus;
    this.#attachments.push(
      await bus.provide("/packetd/script/load", (message, context) => this.#load(message, context)),
      await bus.provide("/packetd/script/reload", (message, context) => this.#reload(message, context)),
      await bus.provide("/packetd/script/unload", (message, context) => this.#unload(message, context)),
      await bus.provide("/packetd/script/list", (message) => this.#list(message)),
      await bus.provide("/packetd/packet", () => answer({ verdict: "continue" })),
      await bus.provide("/packetd/map/list", (message) =>
        answer(this.#desk.list(message.get("limit"), message.get("after"))),
      ),
      await bus.provide("/packetd/map/read", (message) => {
        const key = message.get("key");
        const keys = key === undefined ? message.get("keys") : [key];
        return answer(this.#desk.read(required(message.get("name"), "name"), keys, message.get("limit")));
      }),
      await bus.provide("/packetd/map/write", (message) => {
        const value = required(message.get("value"), "value");
        this.#desk.write(required(message.get("name"), "name"), required(message.get("key"), "key"), value);
        return answer({});
      }),
      await bus.provide("/packetd/map/delete", (message) =>
        answer({
          deleted: this.#desk.delete(
            required(message.get("name"), "name"),
            required(message.get("key"), "key"),
          ),
        }),
      ),
    );
  }

  async #load(message: Message<Takes<"/packetd/script/load">>, { sender }: Context): Promise<Answer> {
    this.#requireNamespace(message.get("namespace"));
    const spec = scriptSpec(optionsOf(message));
    const loading = await this.#attempt(spec, sender, () =>
      // What stays in the kernel without us has to be known when we are back.
      this.#book.load(spec, (message.get("persist") ?? false) || (spec.pin ?? false)),
    );
    return answer({ ...this.#tell(loading, sender), replaced: loading.isReplaced });
  }

  async #reload(message: Message<Takes<"/packetd/script/reload">>, { sender }: Context): Promise<Answer> {
    const name = required(message.get("name"), "name");
    const spec = this.#book.booked.get(name)?.spec;
    const loading = await this.#attempt(spec, sender, () => this.#book.reload(name));
    return answer(this.#tell(loading, sender));
  }

  async #unload(message: Message<Takes<"/packetd/script/unload">>, { sender }: Context): Promise<Answer> {
    const name = message.get("name");
    const all = message.get("all") ?? false;
    if (all === (name !== undefined)) {
      throw new ConfigurationError("Cannot unload: name one script, or ask for all of them");
    }
    const gone = await this.#book.unload(name);
    const names = gone.map(({ spec }) => spec.name);
    for (const one of names) {
      this.#watch.forget(one);
      this.#log("info", "a script is unloaded", { script: one, sender });
      this.#bus.post("/packetd/script/unloaded", { name: one });
    }
    const returning = gone.filter(({ isConfigured }) => isConfigured).map(({ spec }) => spec.name);
    return answer({ unloaded: names, returning });
  }

  async #list(message: Message<Takes<"/packetd/script/list">>): Promise<Answer> {
    await this.#restored;
    const loaded = new Map((await this.#engine.list()).map((script) => [script.spec.name, script]));
    const scripts = [...this.#book.booked.values()].map((booked) => ({
      booked,
      loaded: loaded.get(booked.spec.name),
    }));
    const query = { name: message.get("name"), limit: message.get("limit"), after: message.get("after") };
    return answer({ ...listScripts(scripts, query), namespace: this.#machine.namespace });
  }

  /** @throws WrongNamespaceError: rules would stand where the sender's packets never come. */
  #requireNamespace(namespace: string | undefined): void {
    const own = this.#machine.namespace;
    if (namespace === undefined || namespace === own) return;
    const fix =
      "run another packetd here under another run directory: METANET_RUN=/run/metanet-NAME metanet script load …";
    throw new WrongNamespaceError(
      `Cannot load the script: packetd serves network namespace ${own}, and this is ${namespace}; ${fix}`,
    );
  }

  async #attempt(
    spec: ScriptSpec | undefined,
    sender: string,
    action: () => Promise<Loading>,
  ): Promise<Loading> {
    try {
      const problem = spec && this.#machine.fileProblem(spec.file);
      if (problem !== undefined) throw new ConfigurationError(`Cannot load ${spec?.file}: ${problem}`);
      return await action();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "internal";
      const reason = error instanceof Error ? error.message : String(error);
      const before = spec && this.#book.booked.get(spec.name);
      const state = before && before.error === undefined ? "running" : "unloaded";
      if (spec) this.#failed(spec.name, state, code, reason, sender);
      throw error;
    }
  }

  #failed(name: string, state: string, code: string, reason: string, sender?: string): void {
    const by = sender === undefined ? {} : { sender };
    this.#log("error", "a script failed", { script: name, state, code, reason, ...by });
    this.#bus.post("/packetd/script/failed", { name, state, code, reason });
  }

  /** Tells everybody of a new version; the fields of the answer to who asked for it. */
  #tell({ script, isPersisted }: Loading, sender: string) {
    const { spec, version, engine, reason = "", isWriting, readBytes } = script;
    const { name, file, hook } = spec;
    const told = {
      name,
      version,
      engine,
      reason,
      writing: isWriting,
      "read-bytes": readBytes,
      persisted: isPersisted,
    };
    this.#log("info", "a script is loaded", {
      script: name,
      version,
      file,
      function: spec.function,
      hook,
      engine,
      ...(reason === "" ? {} : { reason }),
      sender,
    });
    this.#bus.post("/packetd/script/loaded", { ...told, file, function: spec.function, hook });
    return { ...told, warning: [...(script.warnings ?? []), ...this.#warningsOf(script)] };
  }

  #warningsOf({ spec: { inInterface, outInterface } }: LoadedScript): string[] {
    const there = this.#machine.interfaceNames();
    const fits = (wanted: string): boolean =>
      wanted.endsWith("*")
        ? there.some((name) => name.startsWith(wanted.slice(0, -1)))
        : there.includes(wanted);
    return [inInterface, outInterface]
      .filter((name) => name !== undefined)
      .filter((name) => !fits(name))
      .map(
        (name) => `there is no interface ${name} now; the script waits for it. There are ${there.join(", ")}`,
      );
  }

  #lookLater(): void {
    this.#timer = this.#bus.clock.after(WATCH_INTERVAL, () => {
      this.#look()
        .catch((error: unknown) => this.#log("error", "the scripts could not be looked after", { error }))
        .finally(() => {
          if (this.#open) this.#lookLater();
        });
    });
  }

  async #look(): Promise<void> {
    if (this.#book.booked.size === 0) return;
    this.#watch.look(await this.#engine.list());
    await this.#repair();
  }

  /** What cannot be brought back is told once, not every second. */
  async #repair(): Promise<void> {
    try {
      const scripts = await this.#engine.repair();
      this.#repairProblem = undefined;
      for (const script of scripts) {
        this.#log("warn", "somebody removed a script's rules; they are back", { script });
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason === this.#repairProblem) return;
      this.#repairProblem = reason;
      this.#log("error", "somebody removed rules of scripts, and they cannot be brought back", { reason });
    }
  }
}

function optionsOf(message: Message<Takes<"/packetd/script/load">>): ScriptOptions {
  const duration = (value: number | undefined): Duration | undefined =>
    value === undefined ? undefined : milliseconds(value);
  return {
    name: required(message.get("name"), "name"),
    file: required(message.get("file"), "file"),
    function: required(message.get("function"), "function"),
    hook: required(message.get("hook"), "hook"),
    family: message.get("family"),
    in: message.get("in"),
    out: message.get("out"),
    match: message.get("match"),
    isolate: message.get("isolate"),
    onError: message.get("on-error"),
    queues: message.get("queues"),
    deadline: duration(message.get("deadline")),
    timeLimit: duration(message.get("time-limit")),
    seed: message.get("seed"),
    engine: message.get("engine"),
    pin: message.get("pin"),
  };
}

/** Senders of the own process are not checked against the contract. */
function required<T>(value: T | undefined, tag: string): T {
  if (value === undefined) throw new ConfigurationError(`Cannot serve the message: tag '${tag}' is missing`);
  return value;
}
