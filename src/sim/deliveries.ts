/**
 * When a simulated reader hands on what waits: soon after there is something, never within the call that brought it, and
 * not while it is paused.
 * @module
 */
export class Deliveries {
  readonly #deliver: () => void;
  #isPaused = false;
  #isPlanned = false;

  constructor(deliver: () => void) {
    this.#deliver = deliver;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Delivers once, after what runs now. */
  plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    void Promise.resolve().then(() => {
      this.#isPlanned = false;
      if (!this.#isPaused) this.#deliver();
    });
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.plan();
  }
}
