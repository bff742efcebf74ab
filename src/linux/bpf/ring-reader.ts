/**
 * {@link KernelRing} on Linux: events as they come, read in batches when the event loop sees the ring ready.
 * @module
 */
import type { KernelMap, KernelRing } from "#io/kernel-programs.ts";
import { EVENT_WORDS, type Events, native, READABLE, type Watch } from "../native.ts";
import { translateErrors } from "../system-error.ts";

/** What one read takes at most; longer events are lost, and programs emit none that are. */
const SLAB_BYTES = 1 << 16;
const BATCH_COUNT = 256;
/** Batches of one turn of the event loop, so that a flood of events leaves time for other things. */
const TURN_BATCH_COUNT_MAX = 16;

export class LinuxKernelRing implements KernelRing {
  readonly #events: Events;
  readonly #watch: Watch;
  readonly #slab = new Uint8Array(SLAB_BYTES);
  readonly #table = new Int32Array(BATCH_COUNT * EVENT_WORDS);
  readonly #event: (bytes: Uint8Array) => void;
  #isClosed = false;

  /** @throws SystemCallError when the map is no ring */
  constructor(ring: KernelMap, event: (bytes: Uint8Array) => void) {
    const { descriptor } = ring;
    this.#event = event;
    this.#events = translateErrors(`read the ring ${ring.spec.name}`, () => native().openEvents(descriptor));
    this.#watch = native().watch(descriptor, READABLE, () => this.#read());
    native().keepAlive(this.#watch, 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    native().unwatch(this.#watch);
    native().closeEvents(this.#events);
  }

  #read(): void {
    for (let batch = 0; batch < TURN_BATCH_COUNT_MAX && !this.#isClosed; batch++) {
      const count = native().readEvents(this.#events, this.#slab, this.#table);
      for (let row = 0; row < count && !this.#isClosed; row++) this.#tell(row);
      if (count < BATCH_COUNT) return;
    }
  }

  #tell(row: number): void {
    const offset = this.#table[EVENT_WORDS * row] ?? -1;
    const length = this.#table[EVENT_WORDS * row + 1] ?? 0;
    if (offset >= 0) this.#event(this.#slab.subarray(offset, offset + length));
  }
}
