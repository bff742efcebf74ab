/**
 * What both answers to `io/directory-watcher.ts` promise.
 * @module
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import type { DirectoryWatcher } from "#io/directory-watcher.ts";
import { LinuxDirectoryWatcher } from "#linux/directory-watcher.ts";
import { SimClock } from "#sim/clock.ts";
import { SimStreamNetwork } from "#sim/stream-network.ts";

interface World {
  readonly name: string;
  readonly watcher: DirectoryWatcher;
  readonly folder: string;
  /** Makes a name appear, and gives what makes it vanish. */
  add(name: string): Promise<() => Promise<void>>;
  pass(): Promise<void>;
}

const parent = mkdtempSync(join(tmpdir(), "metanet-watch-"));
after(() => rmSync(parent, { recursive: true, force: true }));

function linux(): World {
  const folder = join(parent, "run");
  return {
    name: "linux",
    watcher: new LinuxDirectoryWatcher(),
    folder,
    async add(name) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), "");
      return async () => rmSync(join(folder, name));
    },
    pass: () => sleep(20),
  };
}

function sim(): World {
  const clock = new SimClock();
  const network = new SimStreamNetwork({ clock });
  return {
    name: "sim",
    watcher: network,
    folder: "/run/metanet",
    async add(name) {
      const path = `/run/metanet/${name}`;
      const listener = await network.transport().listen({ kind: "unix", path }, () => undefined);
      return () => listener.close();
    },
    pass: () => clock.advance(milliseconds(20)),
  };
}

for (const world of [linux(), sim()]) {
  test(`${world.name}: list() of a directory that does not exist is empty, and it may be watched`, async () => {
    assert.deepEqual(world.watcher.list(`${world.folder}/none`), []);
    world.watcher.watch(`${world.folder}/none`, () => assert.fail("nothing changed")).close();
  });

  test(`${world.name}: watch() calls when a name appears and when it vanishes, and not after close()`, async () => {
    const removeFirst = await world.add("first");
    await world.pass();
    let calls = 0;
    const watch = world.watcher.watch(world.folder, () => calls++);
    const removeSecond = await world.add("second");
    await world.pass();
    assert.ok(calls > 0);
    assert.deepEqual([...world.watcher.list(world.folder)].sort(), ["first", "second"]);
    const before = calls;
    await removeSecond();
    await world.pass();
    assert.ok(calls > before);
    assert.deepEqual(world.watcher.list(world.folder), ["first"]);
    watch.close();
    watch.close();
    const last = calls;
    await removeFirst();
    await world.pass();
    assert.equal(calls, last);
  });
}

test("linux: a directory that appears later is noticed within a few seconds", async () => {
  const folder = join(parent, "later");
  let calls = 0;
  const watch = new LinuxDirectoryWatcher().watch(folder, () => calls++);
  mkdirSync(folder);
  writeFileSync(join(folder, "first"), "");
  for (let turn = 0; turn < 300 && calls === 0; turn++) await sleep(10);
  watch.close();
  assert.ok(calls > 0);
});
