/**
 * Reads scripts for what they do with packets, in a thread of its own: the compiler that does it is large, and takes
 * longer to load than anything else here. The thread stays for a while, for the next script.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { ScriptOptions } from "#script/context.ts";
import type { ScriptNeeds } from "./analysis.ts";
import { ISOLATE_ENTRY } from "./isolate-limits.ts";
import type { FromIsolate } from "./isolate-messages.ts";

/** Milliseconds that the thread stays without work. */
const IDLE_MAX = 30_000;
/** What is not known to be harmless: everything may be written, all is needed. */
const EVERYTHING: ScriptNeeds = { isWriting: true, readBytes: 65_535, connection: true };

export class ScriptReader {
  readonly #waiting = new Map<number, (needs: ScriptNeeds) => void>();
  #worker: Worker | undefined;
  #count = 0;
  #idle: NodeJS.Timeout | undefined;

  /** What a function needs; everything when that cannot be told. Throws nothing. */
  read(file: string, functionName: string, options: ScriptOptions): Promise<ScriptNeeds> {
    const { writes, readBytes, connection } = options;
    if (writes !== undefined && connection !== undefined && (writes || readBytes !== undefined)) {
      const all = EVERYTHING.readBytes;
      return Promise.resolve({ isWriting: writes, readBytes: writes ? all : (readBytes ?? all), connection });
    }
    clearTimeout(this.#idle);
    this.#idle = undefined;
    return new Promise((resolve) => {
      const id = ++this.#count;
      this.#waiting.set(id, resolve);
      this.#thread().postMessage({ id, file, functionName, options });
    });
  }

  close(): void {
    clearTimeout(this.#idle);
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const resolve of this.#waiting.values()) resolve(EVERYTHING);
    this.#waiting.clear();
  }

  #thread(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(ISOLATE_ENTRY, { workerData: { kind: "reader" }, name: "script reader" });
    worker.on("message", (message: FromIsolate) => {
      if (message.say !== "done") return;
      this.#waiting.get(message.id)?.(message.needs ?? EVERYTHING);
      this.#waiting.delete(message.id);
      if (this.#waiting.size > 0) return;
      worker.unref();
      this.#idle = setTimeout(() => this.close(), IDLE_MAX);
      this.#idle.unref();
    });
    worker.on("error", () => this.close());
    this.#worker = worker;
    return worker;
  }
}
