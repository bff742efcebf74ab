/**
 * Compiles scripts for the kernel in a thread of its own: TypeScript's compiler is large, and checks types for a second or
 * two. The thread stays for a while, for the next script. Nothing of a script is run.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { CompileResult } from "#script/compiler/compiled.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { KernelCompiler } from "./kernel-choice.ts";

const ENTRY: URL = new URL(
  import.meta.url.endsWith(".ts") ? "./kernel-compile-main.ts" : "./kernel-compile-main.js",
  import.meta.url,
);
/** Milliseconds that the thread stays without work: what is written is loaded again and again. */
const IDLE_MAX = 120_000;
/** Milliseconds that one script may take; a busy machine's slow ones included. */
const TIME_MAX = 25_000;
/** Megabytes of the thread's heap: the types of Node and of a script's packages are in it. */
const HEAP_MEGABYTES_MAX = 1024;

/** What the thread is asked. */
export interface CompileOrder {
  readonly id: number;
  readonly file: string;
  readonly functionName: string;
  readonly targets: readonly CompileTarget[];
}

/** What it answers. */
export type CompileAnswer =
  | { readonly id: number; readonly results: readonly CompileResult[] }
  | { readonly id: number; readonly failure: string };

export class ThreadKernelCompiler implements KernelCompiler {
  readonly #waiting = new Map<number, PromiseWithResolvers<readonly CompileResult[]>>();
  #worker: Worker | undefined;
  #count = 0;
  #idle: NodeJS.Timeout | undefined;

  async compile(
    file: string,
    functionName: string,
    targets: readonly CompileTarget[],
  ): Promise<readonly CompileResult[]> {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const id = ++this.#count;
    const waiting = Promise.withResolvers<readonly CompileResult[]>();
    this.#waiting.set(id, waiting);
    const order: CompileOrder = { id, file, functionName, targets };
    this.#thread().postMessage(order);
    const limit = setTimeout(() => this.#end(`it was not compiled after ${TIME_MAX / 1000} s`), TIME_MAX);
    try {
      return await waiting.promise;
    } catch (error) {
      const seen = error instanceof Error ? error.message : String(error);
      throw new ScriptLoadError(`Cannot compile ${functionName} of ${file} for the kernel: ${seen}`);
    } finally {
      clearTimeout(limit);
    }
  }

  close(): void {
    this.#end("the engine is closed");
  }

  #end(seen: string): void {
    clearTimeout(this.#idle);
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(new Error(seen));
    this.#waiting.clear();
  }

  #thread(): Worker {
    if (this.#worker) {
      this.#worker.ref();
      return this.#worker;
    }
    const worker = new Worker(ENTRY, {
      name: "kernel compiler",
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES_MAX },
    });
    worker.on("message", (answer: CompileAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("results" in answer) waiting?.resolve(answer.results);
      else waiting?.reject(new Error(answer.failure));
      if (this.#waiting.size > 0) return;
      worker.unref();
      this.#idle = setTimeout(() => this.close(), IDLE_MAX);
      this.#idle.unref();
    });
    worker.on("error", (error) => {
      if (this.#worker === worker) this.#end(error.message);
    });
    this.#worker = worker;
    return worker;
  }
}
