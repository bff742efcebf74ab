/**
 * The store of `io/store.ts` on a simulated disk: commits take simulated time, a crash loses what the disk had not
 * finished, and the disk can be made to fail.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import {
  assertStoreName,
  STORE_PENDING_WRITES_MAX,
  type Store,
  StoreBusyError,
  StoreClosedError,
  StoreCorruptError,
  StoreFullError,
  StoreLockedError,
  type StoreValue,
  type StoreWrite,
} from "#io/store.ts";

export interface SimDiskOptions {
  readonly clock: Clock;
  /** How long the disk takes for what one turn hands it; 0 when not given, which still is not at once. */
  readonly commitTime?: Duration;
  /** The most writes that may wait; {@link STORE_PENDING_WRITES_MAX} when not given. */
  readonly pendingWritesMax?: number;
}

/** What is wrong with the disk: no room for more, or its contents spoilt. */
export type DiskFault = "full" | "corrupt";

interface Pending {
  readonly writes: readonly StoreWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A disk with one store on it, which outlives the processes that open the store. */
export class SimDisk {
  readonly #options: SimDiskOptions;
  readonly #tables = new Map<string, Map<string, StoreValue>>();
  #store: SimStore | undefined;
  /** When set, commits are refused; `corrupt` refuses to open as well. */
  fault: DiskFault | undefined;

  constructor(options: SimDiskOptions) {
    this.#options = options;
  }

  /**
   * Opens the store, as a process does when it starts.
   * @throws StoreLockedError while it is open; StoreCorruptError when the disk is `corrupt`.
   */
  open(): Store {
    if (this.fault === "corrupt")
      throw new StoreCorruptError("Cannot open store: the simulated disk is spoilt");
    if (this.#store) throw new StoreLockedError("Cannot open store: it is open already");
    this.#store = new SimStore(this, this.#options);
    return this.#store;
  }

  /** Kills the process that has the store open: what is not on the disk is lost, and its promises never settle. */
  crash(): void {
    this.#store?.abandon();
    this.#store = undefined;
  }

  /** The store lets go of the disk. */
  release(): void {
    this.#store = undefined;
  }

  /** What a table holds durably. */
  table(name: string): ReadonlyMap<string, StoreValue> {
    return this.#tables.get(name) ?? new Map();
  }

  /** Takes one write as durable. */
  keep({ table, key, value }: StoreWrite): void {
    const rows = this.#tables.get(table) ?? new Map<string, StoreValue>();
    this.#tables.set(table, rows);
    if (value === undefined) rows.delete(key);
    else rows.set(key, typeof value === "string" ? value : value.slice());
  }
}

class SimStore implements Store {
  readonly #disk: SimDisk;
  readonly #options: SimDiskOptions;
  #open = true;
  #pending: Pending[] = [];
  #pendingWrites = 0;
  #timer: Timer | undefined;

  constructor(disk: SimDisk, options: SimDiskOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  commit(writes: readonly StoreWrite[]): Promise<void> {
    for (const { table } of writes) assertStoreName(table);
    if (!this.#open) return Promise.reject(closedError());
    if (this.#pendingWrites + writes.length > (this.#options.pendingWritesMax ?? STORE_PENDING_WRITES_MAX)) {
      return Promise.reject(
        new StoreBusyError(`Cannot commit to store: ${this.#pendingWrites} writes are waiting`),
      );
    }
    this.#pendingWrites += writes.length;
    return new Promise((resolve, reject) => {
      this.#pending.push({ writes, resolve, reject });
      this.#timer ??= this.#options.clock.after(this.#options.commitTime ?? milliseconds(0), () =>
        this.#flush(),
      );
    });
  }

  *entries(table: string): Iterable<readonly [string, StoreValue]> {
    assertStoreName(table);
    if (!this.#open) throw closedError();
    const rows = [...this.#disk.table(table)].sort(([left], [right]) => (left < right ? -1 : 1));
    for (const [key, value] of rows) yield [key, typeof value === "string" ? value : value.slice()];
  }

  close(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#flush();
    this.#open = false;
    this.#disk.release();
    return Promise.resolve();
  }

  /** The process is gone. */
  abandon(): void {
    this.#timer?.cancel();
    this.#open = false;
    this.#pending = [];
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const batch = this.#pending;
    this.#pending = [];
    this.#pendingWrites = 0;
    const error = this.#faultError();
    for (const { writes, resolve, reject } of batch) {
      if (error) {
        reject(error);
        continue;
      }
      for (const write of writes) this.#disk.keep(write);
      resolve();
    }
  }

  #faultError(): Error | undefined {
    switch (this.#disk.fault) {
      case "full":
        return new StoreFullError("Cannot commit to store: the simulated disk is full");
      case "corrupt":
        return new StoreCorruptError("Cannot commit to store: the simulated disk is spoilt");
      case undefined:
        return undefined;
    }
  }
}

function closedError(): StoreClosedError {
  return new StoreClosedError("Cannot use store: it is closed");
}
