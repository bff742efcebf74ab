/**
 * The lab in a changed root folder (chroot) that is no mount point.
 * @module
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { labProblem } from "./dhcp-lab.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "changed-root.ts");

/** Entry by entry: should a mount be left after all, nothing behind it is touched. */
function removeRoot(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isSymbolicLink()) unlinkSync(path);
    else rmdirSync(path);
  }
  rmdirSync(folder);
}

test("startAgainInOwnRoot() stays the same process, and network namespaces work", {
  skip: labProblem("ip", "unshare", "chroot"),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "mn-root-"));
  try {
    const { stdout } = await run("unshare", ["--mount", "--", process.execPath, program, "make", folder]);
    const [first = "", second = "", third] = stdout.split("\n");
    assert.match(first, /^needs a root of its own, process \d+, \//);
    assert.equal(second, first.replace("needs", "has"));
    assert.equal(third, "sees lo");
    // Whoever else is on this machine has mounts of his own coming and going.
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    assert.ok(!mounts.includes(folder) && !/ \/proc\/fs /.test(mounts), mounts);
  } finally {
    removeRoot(folder);
  }
});
