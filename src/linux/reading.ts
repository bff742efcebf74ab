/**
 * The reading end of a descriptor: who reads is called when there is something, from the start to the end, and not while
 * it is paused.
 * @module
 */
import { native, READABLE, type Watch } from "./native.ts";

export class Reading {
  readonly #fd: number;
  readonly #onReadable: (events: number) => void;
  #watch: Watch | undefined;
  #isPaused = false;
  #isEnded = false;

  /** @param onReadable gets what {@link READABLE} is one of, or an error's number below zero */
  constructor(fd: number, onReadable: (events: number) => void) {
    this.#fd = fd;
    this.#onReadable = onReadable;
  }

  /** Neither paused nor at its end; whoever reads in a loop asks after each round. */
  get isWanted(): boolean {
    return !this.#isPaused && !this.#isEnded;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  start(): void {
    if (this.#isEnded) return;
    this.#watch ??= native().watch(this.#fd, READABLE, this.#onReadable);
    if (this.#isPaused) native().watchFor(this.#watch, 0);
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#watch && !this.#isEnded) native().watchFor(this.#watch, 0);
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#watch && !this.#isEnded) native().watchFor(this.#watch, READABLE);
  }

  /** For good. The descriptor stays: the watch has a duplicate of it. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#watch) native().unwatch(this.#watch);
  }
}
