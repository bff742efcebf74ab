/**
 * The ambient value that follows promises, timers and callbacks, by Node's AsyncLocalStorage.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Ambient } from "#base/ambient.ts";

export class LinuxAmbient<T> implements Ambient<T> {
  readonly #storage: AsyncLocalStorage<T> = new AsyncLocalStorage<T>();

  run<R>(value: T, action: () => R): R {
    return this.#storage.run(value, action);
  }

  get(): T | undefined {
    return this.#storage.getStore();
  }
}
