import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { abandonedPlaces, makePlace, ownerStamp, removePlace, startTime } from "./lab-place.ts";

const usual = process.env.TMPDIR;
const root = mkdtempSync(join(tmpdir(), "place-"));
beforeEach(() => {
  process.env.TMPDIR = root;
});
after(() => {
  if (usual === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usual;
  rmSync(root, { recursive: true });
});

test("makePlace() makes a folder with its owner's stamp, which nobody calls abandoned while the owner runs", () => {
  const place = makePlace("4000001");
  assert.ok(existsSync(join(place.work, "owner")));
  assert.deepEqual(abandonedPlaces(), []);
  removePlace(place);
  assert.ok(!existsSync(place.work));
  rmSync(place.kept, { recursive: true });
});

test("makePlace() refuses a temporary folder whose sockets would have too long paths", () => {
  process.env.TMPDIR = join(root, "x".repeat(80));
  assert.throws(() => makePlace("4000002"), ConfigurationError);
});

const owners: readonly [string, string][] = [
  ["a process that does not run", "4999999 17"],
  ["an earlier process with the number of one that runs now", `${process.pid} 1`],
  ["nobody, because the file is cut off", ""],
];
for (const [index, [what, stamp]] of owners.entries()) {
  test(`abandonedPlaces() finds the folder of ${what}`, () => {
    const folder = join(root, `metanet-lab-${5_000_000 + index}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "owner"), stamp);
    assert.deepEqual(abandonedPlaces(), [{ id: String(5_000_000 + index), folder }]);
    rmSync(folder, { recursive: true });
  });
}

test("ownerStamp() is this process's number and start time", () => {
  assert.equal(ownerStamp(), `${process.pid} ${startTime(process.pid)}`);
  assert.equal(startTime(4_999_999), "");
});
