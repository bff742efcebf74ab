/**
 * Runs in a mount namespace of its own, mounts the root folder once more and becomes a command there:
 * `own-root FOLDER COMMAND ARGUMENT…`. The place is a folder of /proc, since a mount anywhere else would be seen by
 * everybody who shares the mounts of the root folder; /proc is a mount point, so it can be kept apart first.
 * @module
 */
import { execFileSync } from "node:child_process";

const PLACE = "/proc/fs";

const [folder = "/", ...command] = process.argv.slice(2);
mount("--make-rprivate", "/proc");
mount("--rbind", "/", PLACE);
mount("--make-rprivate", PLACE);
process.execve?.("/usr/bin/env", ["env", "chroot", PLACE, "env", `--chdir=${folder}`, ...command], {
  ...process.env,
} as Record<string, string>);

function mount(...args: readonly string[]): void {
  execFileSync("mount", args, { stdio: ["ignore", "ignore", "inherit"] });
}
