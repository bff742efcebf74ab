/**
 * The store of `io/store.ts` in one SQLite file: write-ahead log, one fsync per turn of the loop, one writer. The
 * file is checked when it is opened and is never repaired, replaced or emptied on its own.
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
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

/** "MNst": how the file says whose it is (SQLite's application_id). */
const APPLICATION_ID = 0x4d4e7374;
/** The layout below; a file with a later one is refused. */
const LAYOUT_VERSION = 1;

/**
 * Under load one trip to the disk is shared by more: when the last one served this many commits, the next waits this
 * long (in milliseconds) for others. A disk makes a thousand trips a second or two, whatever they carry.
 */
const GATHER_COUNT = 8;
const GATHER_MILLISECONDS = 4;

export interface SqliteStoreOptions {
  /** Made when it is not there; its folder must exist. Two more files, `-wal` and `-shm`, may stand beside it. */
  readonly path: string;
  /** The most pages of 4096 bytes the file may take; without it, the disk is the limit. */
  readonly pageCountMax?: number;
  /** The most writes that may wait; {@link STORE_PENDING_WRITES_MAX} when not given. */
  readonly pendingWritesMax?: number;
}

interface Pending {
  readonly writes: readonly StoreWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Table {
  readonly put: StatementSync;
  readonly remove: StatementSync;
}

/**
 * Opens or makes the store at `options.path`.
 * @throws StoreLockedError when another process has it open.
 * @throws StoreCorruptError when the file is damaged or is not a store of ours.
 * @throws UnavailableError when it cannot be opened for another reason.
 */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(options.path, { timeout: 0 });
    prepareFile(database, options);
    return new SqliteStore(database, options);
  } catch (error) {
    database?.close();
    throw typedError(error, "open", options.path);
  }
}

function prepareFile(database: DatabaseSync, options: SqliteStoreOptions): void {
  // Exclusive before WAL: the lock is then held for the life of the process, and no shared-memory file is made.
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  const id = readPragma(database, "application_id");
  const tables = database.prepare("SELECT name FROM sqlite_schema").all();
  if (id !== APPLICATION_ID && (id !== 0 || tables.length > 0)) {
    throw new StoreCorruptError(`Cannot open store '${options.path}': it is another program's SQLite file`);
  }
  const version = Number(readPragma(database, "user_version"));
  if (version > LAYOUT_VERSION) {
    throw new ConfigurationError(
      `Cannot open store '${options.path}': its layout ${version} is later than ${LAYOUT_VERSION}`,
    );
  }
  const verdict = readPragma(database, "quick_check");
  if (verdict !== "ok")
    throw new StoreCorruptError(`Cannot open store '${options.path}': ${String(verdict)}`);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  if (options.pageCountMax !== undefined) {
    database.exec(`PRAGMA max_page_count = ${Math.trunc(options.pageCountMax)}`);
  }
  // A write, even of what is there already, takes the lock that keeps a second process out.
  database.exec(`BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${LAYOUT_VERSION}; COMMIT`);
}

function readPragma(database: DatabaseSync, name: string): unknown {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #pendingWritesMax: number;
  readonly #tables = new Map<string, Table>();
  #database: DatabaseSync | undefined;
  #pending: Pending[] = [];
  #pendingWrites = 0;
  /** How many commits the last trip to the disk served. */
  #lastCount = 0;

  constructor(database: DatabaseSync, options: SqliteStoreOptions) {
    this.#database = database;
    this.#path = options.path;
    this.#pendingWritesMax = options.pendingWritesMax ?? STORE_PENDING_WRITES_MAX;
  }

  commit(writes: readonly StoreWrite[]): Promise<void> {
    for (const { table } of writes) assertStoreName(table);
    if (!this.#database) return Promise.reject(closedError(this.#path));
    if (this.#pendingWrites + writes.length > this.#pendingWritesMax) {
      return Promise.reject(
        new StoreBusyError(
          `Cannot commit to store '${this.#path}': ${this.#pendingWrites} writes are waiting`,
        ),
      );
    }
    this.#pendingWrites += writes.length;
    return new Promise((resolve, reject) => {
      this.#pending.push({ writes, resolve, reject });
      if (this.#pending.length === 1) this.#plan();
    });
  }

  *entries(table: string): Iterable<readonly [string, StoreValue]> {
    assertStoreName(table);
    if (!this.#database) throw closedError(this.#path);
    const known = this.#database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
    if (known.get(table) === undefined) return;
    try {
      const rows = this.#database.prepare(`SELECT key, value FROM "${table}" ORDER BY key`).iterate();
      for (const { key, value } of rows) yield [key as string, value as StoreValue];
    } catch (error) {
      throw typedError(error, "read", this.#path);
    }
  }

  close(): Promise<void> {
    this.#flush();
    this.#database?.close();
    this.#database = undefined;
    return Promise.resolve();
  }

  #plan(): void {
    if (this.#lastCount >= GATHER_COUNT) setTimeout(() => this.#flush(), GATHER_MILLISECONDS);
    else setImmediate(() => this.#flush());
  }

  #flush(): void {
    const batch = this.#pending;
    this.#pending = [];
    this.#pendingWrites = 0;
    this.#lastCount = batch.length;
    if (batch.length === 0) return;
    const error = this.#write(batch);
    for (const { resolve, reject } of batch) {
      if (error === undefined) resolve();
      else reject(error);
    }
  }

  /** One transaction for the whole batch; the typed error when it did not reach the disk. */
  #write(batch: readonly Pending[]): Error | undefined {
    const database = this.#database;
    if (!database) return closedError(this.#path);
    try {
      database.exec("BEGIN IMMEDIATE");
      for (const { writes } of batch) {
        for (const write of writes) this.#writeOne(database, write);
      }
      database.exec("COMMIT");
      return undefined;
    } catch (error) {
      // A full disk may have rolled the transaction back already, and the tables made within it are gone too.
      if (database.isTransaction) database.exec("ROLLBACK");
      this.#tables.clear();
      return typedError(error, "commit to", this.#path);
    }
  }

  #writeOne(database: DatabaseSync, { table, key, value }: StoreWrite): void {
    const statements = this.#tables.get(table) ?? this.#openTable(database, table);
    if (value === undefined) statements.remove.run(key);
    else statements.put.run(key, value);
  }

  #openTable(database: DatabaseSync, name: string): Table {
    // The name has passed isStoreName: no quote can stand in it.
    database.exec(`CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, value) WITHOUT ROWID`);
    const table = {
      put: database.prepare(`INSERT OR REPLACE INTO "${name}" (key, value) VALUES (?, ?)`),
      remove: database.prepare(`DELETE FROM "${name}" WHERE key = ?`),
    };
    this.#tables.set(name, table);
    return table;
  }
}

function closedError(path: string): StoreClosedError {
  return new StoreClosedError(`Cannot use store '${path}': it is closed`);
}

// SQLite's primary result codes (https://sqlite.org/rescode.html); the extended code's low byte is the primary.
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

function typedError(error: unknown, verb: string, path: string): Error {
  if (!(error instanceof Error))
    return new UnavailableError(`Cannot ${verb} store '${path}': ${String(error)}`);
  const resultCode = (error as { errcode?: unknown }).errcode;
  if (typeof resultCode !== "number") return error;
  const message = `Cannot ${verb} store '${path}': ${error.message}`;
  const options = { cause: error };
  switch (resultCode & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new StoreLockedError(`${message}; another process has it open`, options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new StoreCorruptError(
        `${message}; move it away or restore a copy, it has been left alone`,
        options,
      );
    case SQLITE_FULL:
      return new StoreFullError(message, options);
    default:
      return new UnavailableError(message, options);
  }
}
