/**
 * A changed root folder (chroot) that is no mount point: `ip netns exec` refuses to work there, because it makes the
 * mounts below the root its own (mount_namespaces(7)). The same command starts itself again in a mount namespace in
 * which the same folder is mounted once more and is the root. The process stays the same one.
 * @module
 */
import { readFileSync } from "node:fs";
import { labEnvironment } from "./command-line.ts";
import { findProgram } from "./requirements.ts";
import { scriptArguments } from "./script-arguments.ts";

/** True for root in a changed root folder that is not mounted there. */
export function needsOwnRoot(): boolean {
  if (process.getuid?.() !== 0) return false;
  // Field 5 is the place of a mount below this process's root (proc_pid_mountinfo(5)).
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
  return !mounts.some((line) => line.split(" ")[4] === "/");
}

/** Becomes the same command with a root of its own; returns when a program for that is missing. */
export function startAgainInOwnRoot(): void {
  const program = findProgram("unshare");
  if (program === undefined) return;
  // unshare(1) would change the propagation of "/" by itself, which is just what cannot be done yet.
  const options = ["--mount", "--propagation", "unchanged", "--"];
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(
    program,
    [program, ...options, process.execPath, ...scriptArguments("own-root"), process.cwd(), ...again],
    labEnvironment(),
  );
}
