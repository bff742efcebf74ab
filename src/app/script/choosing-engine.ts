/**
 * Both engines behind one door: each script runs where it was asked to, and with `auto` in the kernel when it is the
 * same there. A name is in one engine at a time, but for scripts whose halves are in both.
 * @module
 */
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import type { LoadedScript, ScriptEngine, ScriptSpec } from "#script/engine.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { KernelAttempt, KernelScriptEngine } from "./kernel-engine.ts";

export interface ChoosingEngineOptions {
  readonly user: ScriptEngine;
  /** Why there is none, when there is none: a sentence without an end stop, with the fix. */
  readonly kernel: KernelScriptEngine | { readonly unavailable: string };
}

/** A script cannot run in the kernel, and was to run there only. */
export class NotInKernelError extends ScriptLoadError {
  override readonly code: string = "not-in-kernel";
}

export class ChoosingScriptEngine implements ScriptEngine {
  readonly #user: ScriptEngine;
  readonly #kernel: KernelScriptEngine | undefined;
  readonly #unavailable: string;
  /** Why scripts are not in the kernel, by name. */
  readonly #reasons = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor({ user, kernel }: ChoosingEngineOptions) {
    this.#user = user;
    this.#kernel = "unavailable" in kernel ? undefined : kernel;
    this.#unavailable = "unavailable" in kernel ? kernel.unavailable : "";
  }

  load(spec: ScriptSpec): Promise<LoadedScript> {
    return this.#next(async () => {
      const script = await this.#load(spec);
      const warnings = await this.#makeRoom(script);
      return warnings.length === 0
        ? script
        : { ...script, warnings: [...(script.warnings ?? []), ...warnings] };
    });
  }

  reserve(specs: readonly ScriptSpec[]): Promise<readonly string[]> {
    return this.#next(async () => {
      const running = (await this.#kernel?.reserve(specs)) ?? specs.map(({ name }) => name);
      const refused = await this.#user.reserve(specs);
      // What an earlier process has left in the kernel judges its packets already.
      return refused.filter((name) => running.includes(name));
    });
  }

  repair(): Promise<readonly string[]> {
    return this.#next(async () => {
      await this.#kernel?.repair();
      return await this.#user.repair();
    });
  }

  unload(name: string): Promise<boolean> {
    return this.#next(async () => {
      this.#reasons.delete(name);
      const wasInKernel = (await this.#kernel?.unload(name)) ?? false;
      const wasThere = (await this.#user.unload(name)) || wasInKernel;
      // Threads that had maps of the kernel open are gone with the last script.
      if ((await this.#user.list()).length === 0) this.#kernel?.forgetMaps();
      return wasThere;
    });
  }

  async list(): Promise<readonly LoadedScript[]> {
    const kernel = (await this.#kernel?.list()) ?? [];
    const names = new Set(kernel.map(({ spec }) => spec.name));
    const user = (await this.#user.list()).filter(({ spec }) => !names.has(spec.name));
    return [...kernel, ...user.map((script) => this.#withReason(script))];
  }

  close(): Promise<void> {
    return this.#next(async () => {
      await this.#kernel?.close();
      await this.#user.close();
    });
  }

  #next<R>(action: () => Promise<R>): Promise<R> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #load(spec: ScriptSpec): Promise<LoadedScript> {
    const { engine = "auto", name } = spec;
    if (engine === "user") return await this.#loadInUserSpace(spec, undefined);
    const attempt = await this.#attempt(spec, engine === "kernel");
    if ("script" in attempt) {
      this.#reasons.delete(name);
      // It has stood in for this one until now; the other half of a script stays.
      if (!this.#kernel?.mixed.has(name)) await this.#user.unload(name);
      return attempt.script;
    }
    const reason = attempt.reasons.join("\n");
    if (engine === "kernel" || !isQueued(spec)) {
      throw new NotInKernelError(
        `Cannot load ${name} into the kernel:\n  ${reason.replaceAll("\n", "\n  ")}`,
      );
    }
    return await this.#loadInUserSpace(spec, reason);
  }

  async #attempt(spec: ScriptSpec, insists: boolean): Promise<KernelAttempt> {
    if (this.#kernel === undefined) return { reasons: [this.#unavailable] };
    try {
      return await this.#kernel.attempt(spec, insists || !isQueued(spec));
    } catch (error) {
      const isHelpless = error instanceof UnavailableError || error instanceof ConfigurationError;
      if (insists || !isQueued(spec) || !isHelpless) throw error;
      // A module that no engine can load is told of by the other one, with its place.
      return { reasons: [error.message] };
    }
  }

  async #loadInUserSpace(spec: ScriptSpec, reason: string | undefined): Promise<LoadedScript> {
    const script = await this.#user.load(spec);
    const { name } = spec;
    if (reason === undefined) this.#reasons.delete(name);
    else this.#reasons.set(name, reason);
    // User space has taken it over, also from its own half of a script that was in both.
    await this.#kernel?.leave(name);
    return this.#withReason(script);
  }

  /** Takes scripts out of the kernel that are not what they were any more, as this one has come to their hook. */
  async #makeRoom({ spec }: LoadedScript): Promise<string[]> {
    const warnings: string[] = [];
    for (const { script, reason } of (await this.#kernel?.clashes(spec.name)) ?? []) {
      const { name, engine = "auto" } = script.spec;
      if (engine === "auto") {
        await this.#loadInUserSpace({ ...script.spec, place: script.place ?? 0 }, reason);
        warnings.push(`${name} runs in user space from now on: ${reason}`);
      } else warnings.push(`${name}: ${reason}`);
    }
    return warnings;
  }

  #withReason(script: LoadedScript): LoadedScript {
    const reason = this.#reasons.get(script.spec.name);
    return reason === undefined ? script : { ...script, reason };
  }
}

function isQueued({ hook }: ScriptSpec): boolean {
  return hook !== "ingress" && hook !== "egress" && hook !== "xdp";
}
