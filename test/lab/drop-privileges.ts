/**
 * A program for tests: starts some threads, drops privileges to the user named on the command line, tries what
 * only root may do, and prints what it found as JSON.
 * @module
 */
import { execFileSync } from "node:child_process";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { MetanetError } from "#base/errors.ts";
import { native } from "#linux/native.ts";
import { dropPrivileges } from "#linux/privileges.ts";

/** What an action does: `done`, or the code of its error. */
function attempt(action: () => void): string {
  try {
    action();
    return "done";
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function report(): Record<string, unknown> {
  const ownStatus = execFileSync("cat", ["/proc/self/status"], { encoding: "utf8" });
  return {
    outcome: dropped,
    threadCount: readdirSync("/proc/self/task").length,
    becomeRoot: attempt(() => process.setuid?.(0)),
    openRawSocket: attempt(() => native().socket(17, 3, 0)),
    readShadow: attempt(() => readFileSync("/etc/shadow")),
    enterNamespace: attempt(() => native().setns(openSync("/proc/self/ns/net", "r"), 0)),
    programCapabilities: /^CapBnd:\s*(\S+)/m.exec(ownStatus)?.[1],
    programUser: /^Uid:\s*(\d+)/m.exec(ownStatus)?.[1],
    programNoNewPrivileges: /^NoNewPrivs:\s*(\d)/m.exec(ownStatus)?.[1],
  };
}

await readFile(import.meta.filename); // so that there are pool threads to be checked too
let dropped: string;
try {
  dropped = dropPrivileges(process.argv[2] ?? "");
  process.stdout.write(JSON.stringify(report()));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error instanceof MetanetError ? error.code : String(error) }));
}
