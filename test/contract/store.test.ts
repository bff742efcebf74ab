/**
 * What every store promises (io/store.ts), asked of SQLite and of the simulated disk.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { instant } from "#base/time.ts";
import {
  type Store,
  StoreBusyError,
  StoreClosedError,
  StoreCorruptError,
  StoreFullError,
  StoreLockedError,
  type StoreWrite,
} from "#io/store.ts";
import { openSqliteStore } from "#linux/sqlite-store.ts";
import { SimDisk } from "#sim/store.ts";

const folder = mkdtempSync(join(tmpdir(), "metanet-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let fileCount = 0;
const freshPath = (): string => join(folder, `${++fileCount}.db`);

interface Place {
  open(pendingWritesMax?: number): Store;
}

/** A clock on the machine's own turns, so that one suite can await both stores. */
const turnClock = {
  now: () => instant(0),
  after(_delay: number, action: () => void) {
    const handle = setImmediate(action);
    return { cancel: () => clearImmediate(handle) };
  },
};

function simPlace(): Place {
  let disk: SimDisk | undefined;
  return {
    open(pendingWritesMax) {
      disk ??= new SimDisk({ clock: turnClock, ...(pendingWritesMax ? { pendingWritesMax } : {}) });
      return disk.open();
    },
  };
}

function sqlitePlace(): Place {
  const path = freshPath();
  return {
    open: (pendingWritesMax) => openSqliteStore({ path, ...(pendingWritesMax ? { pendingWritesMax } : {}) }),
  };
}

const put = (key: string, value: string | Uint8Array, table = "lease"): StoreWrite => ({ table, key, value });
const remove = (key: string, table = "lease"): StoreWrite => ({ table, key, value: undefined });

for (const [name, makePlace] of [
  ["SqliteStore", sqlitePlace],
  ["SimStore", simPlace],
] as const) {
  describe(name, () => {
    it("commit() keeps text as text and bytes as bytes over a restart", async () => {
      const place = makePlace();
      const first = place.open();
      await first.commit([put("a", "{}"), put("b", Uint8Array.of(0, 255))]);
      await first.close();
      const second = place.open();
      assert.deepEqual(
        [...second.entries("lease")],
        [
          ["a", "{}"],
          ["b", Uint8Array.of(0, 255)],
        ],
      );
      await second.close();
    });

    it("commit() applies writes in order, the last one of a key winning, and removes", async () => {
      const store = makePlace().open();
      await store.commit([put("a", "1"), put("a", "2"), put("b", "1"), remove("b"), remove("never")]);
      assert.deepEqual([...store.entries("lease")], [["a", "2"]]);
      await store.close();
    });

    it("commit() takes many commits of one turn and keeps the order they were made in", async () => {
      const store = makePlace().open();
      await Promise.all(Array.from({ length: 50 }, (_, index) => store.commit([put("a", String(index))])));
      assert.deepEqual([...store.entries("lease")], [["a", "49"]]);
      await store.close();
    });

    it("commit() refuses what is over the limit of waiting writes and keeps the rest", async () => {
      const store = makePlace().open(2);
      const kept = store.commit([put("a", "1"), put("b", "1")]);
      await assert.rejects(store.commit([put("c", "1")]), StoreBusyError);
      await kept;
      assert.deepEqual(
        [...store.entries("lease")].map(([key]) => key),
        ["a", "b"],
      );
      await store.commit([put("c", "1")]);
      await store.close();
    });

    it("entries() of a table nobody wrote is empty, and tables do not mix", async () => {
      const store = makePlace().open();
      await store.commit([put("a", "1", "one"), put("b", "2", "two")]);
      assert.deepEqual([...store.entries("one")], [["a", "1"]]);
      assert.deepEqual([...store.entries("three")], []);
      await store.close();
    });

    for (const table of ["", "Lease", '"', "a b", "x".repeat(33)]) {
      it(`commit() refuses the table name '${table}'`, async () => {
        const store = makePlace().open();
        assert.throws(() => store.commit([put("a", "1", table)]), ConfigurationError);
        await store.close();
      });
    }

    it("close() keeps what was handed in just before, and refuses what comes after", async () => {
      const place = makePlace();
      const store = place.open();
      const last = store.commit([put("a", "1")]);
      await store.close();
      await last;
      await store.close();
      await assert.rejects(store.commit([put("b", "1")]), StoreClosedError);
      const next = place.open();
      assert.deepEqual([...next.entries("lease")], [["a", "1"]]);
      await next.close();
    });

    it("opening a store that is open is a StoreLockedError", async () => {
      const place = makePlace();
      const store = place.open();
      assert.throws(() => place.open(), StoreLockedError);
      await store.commit([put("a", "1")]);
      await store.close();
    });

    it("any history of commits reads back as a map would", async () => {
      const change = fc.record({
        key: fc.constantFrom("a", "b", "c", "ä", "\u{10348}"),
        value: fc.option(fc.string(), { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 6 }), async (history) => {
          const place = makePlace();
          const store = place.open();
          const model = new Map<string, string>();
          for (const changes of history) {
            for (const { key, value } of changes) {
              if (value === undefined) model.delete(key);
              else model.set(key, value);
            }
            await store.commit(changes.map((each) => ({ table: "t", ...each })));
          }
          await store.close();
          const again = place.open();
          assert.deepEqual(new Map([...again.entries("t")]), model);
          await again.close();
        }),
        { numRuns: 20 },
      );
    });
  });
}

describe("SimStore", () => {
  it("crash() loses exactly what the disk had not finished", async () => {
    const disk = new SimDisk({ clock: turnClock });
    const store = disk.open();
    await store.commit([put("a", "1")]);
    let settled = false;
    store.commit([put("b", "1")]).then(
      () => (settled = true),
      () => (settled = true),
    );
    disk.crash();
    const next = disk.open();
    assert.deepEqual([...next.entries("lease")], [["a", "1"]]);
    await next.close();
    assert.equal(settled, false);
  });

  it("commit() on a full disk is a StoreFullError, keeps nothing, and works again with room", async () => {
    const disk = new SimDisk({ clock: turnClock });
    const store = disk.open();
    disk.fault = "full";
    await assert.rejects(store.commit([put("a", "1")]), StoreFullError);
    disk.fault = undefined;
    await store.commit([put("b", "1")]);
    assert.deepEqual([...store.entries("lease")], [["b", "1"]]);
    disk.fault = "corrupt";
    await assert.rejects(store.commit([put("c", "1")]), StoreCorruptError);
    await store.close();
    assert.throws(() => disk.open(), StoreCorruptError);
  });
});

describe("SqliteStore", () => {
  it("commit() on a full disk is a StoreFullError, keeps nothing, and works again with room", async () => {
    const path = freshPath();
    const store = openSqliteStore({ path, pageCountMax: 8 });
    await store.commit([put("a", "1")]);
    await assert.rejects(store.commit([put("b", "x".repeat(100_000))]), StoreFullError);
    await store.commit([put("c", "1"), put("d", "1", "made-after")]);
    assert.deepEqual(
      [...store.entries("lease")],
      [
        ["a", "1"],
        ["c", "1"],
      ],
    );
    await store.close();
  });

  const spoilt: [string, (path: string) => void][] = [
    ["text", (path) => writeFileSync(path, "these are not leases\n".repeat(300))],
    [
      "a store with its middle overwritten",
      (path) => {
        const bytes = readFileSync(path);
        bytes.fill(0x5a, 4096, bytes.length - 100);
        writeFileSync(path, bytes);
      },
    ],
  ];
  for (const [what, spoil] of spoilt) {
    it(`openSqliteStore() on ${what} is a StoreCorruptError and leaves the file alone`, async () => {
      const path = freshPath();
      const store = openSqliteStore({ path });
      await store.commit(Array.from({ length: 500 }, (_, index) => put(`key-${index}`, "x".repeat(60))));
      await store.close();
      spoil(path);
      const before = readFileSync(path);
      assert.throws(() => openSqliteStore({ path }), StoreCorruptError);
      assert.deepEqual(readFileSync(path), before);
    });
  }

  it("openSqliteStore() in a folder that is not there is an UnavailableError that names the path", () => {
    assert.throws(
      () => openSqliteStore({ path: join(folder, "no/such.db") }),
      (error: unknown) => error instanceof UnavailableError && error.message.includes("no/such.db"),
    );
  });

  it("everything a killed process was told is kept is there, and its lock is gone", async () => {
    const path = freshPath();
    const child = spawnWriter(path);
    const told = new Set<string>();
    child.stdout?.setEncoding("utf8");
    for await (const chunk of child.stdout as AsyncIterable<string>) {
      for (const line of chunk.split("\n")) if (line) told.add(line);
      if (told.size > 200) break;
    }
    child.kill("SIGKILL");
    await once(child, "close");
    const store = openSqliteStore({ path });
    const kept = new Set([...store.entries("lease")].map(([key]) => key));
    await store.close();
    assert.ok(told.size > 200);
    assert.deepEqual(
      [...told].filter((key) => !kept.has(key)),
      [],
    );
  });
});

/** A process that commits keys for ever and prints each once it is told that it is kept. */
function spawnWriter(path: string): ChildProcess {
  const program = `
    import { writeSync } from "node:fs";
    import { openSqliteStore } from "#linux/sqlite-store.ts";
    const store = openSqliteStore({ path: ${JSON.stringify(path)} });
    for (let count = 0; ; count++) {
      const key = "key-" + String(count);
      await store.commit([{ table: "lease", key, value: "1" }]);
      writeSync(1, key + "\\n");
    }`;
  return spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
  });
}
