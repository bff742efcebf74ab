/**
 * A value that belongs to the work in progress and is found without being passed along: which message is being
 * handled, for whom. `linux/` keeps it across promises and timers, {@link StackAmbient} within one call.
 * @module
 */

export interface Ambient<T> {
  /** Runs `action`; {@link get} gives `value` inside it, and what it gave before again afterwards. */
  run<R>(value: T, action: () => R): R;
  /** The value of the innermost `run` around the caller; `undefined` outside of all. */
  get(): T | undefined;
}

/**
 * The synchronous form: the value is there until `action` returns, and no longer. Work which `action` left to a
 * promise or a timer does not see it, so this is for pure tests and for callers that await nothing.
 */
export class StackAmbient<T> implements Ambient<T> {
  #current: T | undefined;

  run<R>(value: T, action: () => R): R {
    const before = this.#current;
    this.#current = value;
    try {
      return action();
    } finally {
      this.#current = before;
    }
  }

  get(): T | undefined {
    return this.#current;
  }
}
