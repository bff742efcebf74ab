/**
 * Whose turn it is: an engine has one packet at hand, and one object for each kind of event, so a callback cannot hand
 * it another packet meanwhile.
 * @module
 */
import { EngineBusyError } from "./errors.ts";

export class Turn {
  #isTaken = false;
  #thrown: { readonly error: unknown } | undefined;

  /** @throws EngineBusyError within a turn. */
  begin(): void {
    if (this.#isTaken) {
      throw new EngineBusyError("Cannot use the engine: it is calling back; go on when that has returned");
    }
    this.#isTaken = true;
  }

  /** What is to be thrown once the turn is over; the first of several. */
  keep(error: unknown): void {
    this.#thrown ??= { error };
  }

  /** Calls `action`, and keeps what it throws. */
  keeping<Argument>(action: (argument: Argument) => void): (argument: Argument) => void {
    return (argument) => {
      try {
        action(argument);
      } catch (error) {
        this.keep(error);
      }
    };
  }

  /** @throws what was kept. */
  end(): void {
    this.#isTaken = false;
    const thrown = this.#thrown;
    if (thrown === undefined) return;
    this.#thrown = undefined;
    throw thrown.error;
  }
}
