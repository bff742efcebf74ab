/**
 * A small durable store: named tables of text keys, written in groups. `commit` resolves once its writes survive
 * `kill -9` and a power cut, and not before; a commit is kept whole or not at all. One process writes at a time.
 * @module
 */
import { ConfigurationError, LimitExceededError, UnavailableError } from "#base/errors.ts";

/** What a key holds: text (JSON, as a rule) or bytes; comes back as the kind it went in. */
export type StoreValue = string | Uint8Array;

/** One change: the value a key takes, or `undefined` when the key goes. */
export interface StoreWrite {
  /** Lower-case letters, digits and hyphens, first a letter; at most {@link STORE_NAME_LENGTH_MAX}. */
  readonly table: string;
  readonly key: string;
  readonly value: StoreValue | undefined;
}

/** An open store. */
export interface Store {
  /**
   * Keeps all of `writes`, in order, or none; commits made in one turn of the loop share one trip to the disk.
   * The promise rejects with StoreFullError, StoreCorruptError, StoreLockedError, StoreClosedError,
   * StoreBusyError or their base, UnavailableError, and then nothing of these writes is kept; a later commit
   * may succeed.
   * @throws ConfigurationError at once when a table's name is not as {@link StoreWrite.table} says.
   */
  commit(writes: readonly StoreWrite[]): Promise<void>;
  /**
   * Everything a table holds durably, in one fixed order; a table never written is empty.
   * Meant for the start: read it to the end before committing again.
   */
  entries(table: string): Iterable<readonly [key: string, value: StoreValue]>;
  /** Keeps what has been handed in, then lets go of the file; harmless the second time. */
  close(): Promise<void>;
}

/** The most characters in a table's name. */
export const STORE_NAME_LENGTH_MAX = 32;
/** The most writes that may wait for the disk; a commit beyond is refused with {@link StoreBusyError}. */
export const STORE_PENDING_WRITES_MAX = 262_144;

/** The disk (or its quota) is full; what was committed before is still there. */
export class StoreFullError extends UnavailableError {
  override readonly code: string = "store-full";
}

/** The file is not a store of ours, or is damaged; it has been left as it was. */
export class StoreCorruptError extends UnavailableError {
  override readonly code: string = "store-corrupt";
}

/** Another process has the store open. */
export class StoreLockedError extends UnavailableError {
  override readonly code: string = "store-locked";
}

/** The store has been closed, or its process is taken to have died. */
export class StoreClosedError extends UnavailableError {
  override readonly code: string = "store-closed";
}

/** More writes wait for the disk than {@link STORE_PENDING_WRITES_MAX}; nothing of this commit is kept. */
export class StoreBusyError extends LimitExceededError {
  override readonly code: string = "store-busy";
}

const STORE_NAME = /^[a-z][a-z0-9-]*$/;

/**
 * Passes when `name` may be a table's name.
 * @throws ConfigurationError when it may not.
 */
export function assertStoreName(name: string): void {
  if (name.length <= STORE_NAME_LENGTH_MAX && STORE_NAME.test(name)) return;
  throw new ConfigurationError(
    `Cannot use store table '${name}': not lower-case letters, digits and hyphens`,
  );
}
