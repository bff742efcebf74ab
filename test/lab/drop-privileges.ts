/**
 * A program for tests: starts some threads, drops privileges to the user named on the command line, tries what
 * only root may do, and prints what it found as JSON. With a second argument it keeps what packet scripts need.
 * @module
 */
import { execFileSync } from "node:child_process";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
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
    readRules: attempt(() => execFileSync("nft", ["list", "tables"], { env: NFT, stdio: "ignore" })),
    workerCapabilities,
    programCapabilities: /^CapBnd:\s*(\S+)/m.exec(ownStatus)?.[1],
    programUser: /^Uid:\s*(\d+)/m.exec(ownStatus)?.[1],
    programNoNewPrivileges: /^NoNewPrivs:\s*(\d)/m.exec(ownStatus)?.[1],
  };
}

const NFT = { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };
const KEPT = { own: ["net-admin", "net-raw"], programs: ["net-admin"] } as const;

/** The effective capabilities of a thread that is started now. */
function capabilitiesOfWorker(): Promise<string> {
  const code = `require("node:worker_threads").parentPort.postMessage(
    require("node:fs").readFileSync("/proc/thread-self/status", "utf8"))`;
  return new Promise((resolve) => {
    const worker = new Worker(code, { eval: true });
    worker.once("message", (status: string) => resolve(/^CapEff:\s*(\S+)/m.exec(status)?.[1] ?? ""));
  });
}

await readFile(import.meta.filename); // so that there are pool threads to be checked too
let dropped: string;
let workerCapabilities: string;
try {
  const [, , user = "", keeps] = process.argv;
  dropped = dropPrivileges(user, keeps === undefined ? undefined : KEPT);
  workerCapabilities = await capabilitiesOfWorker();
  process.stdout.write(JSON.stringify(report()));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error instanceof MetanetError ? error.code : String(error) }));
}
