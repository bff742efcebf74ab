/**
 * Without root the lab runs in a user namespace, where it is root over its own network, mounts and processes
 * only. The same command starts itself again inside; when the kernel refuses, the error says what is missing.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { UnavailableError } from "#base/errors.ts";
import { labEnvironment, run } from "./command-line.ts";
import { ownerStamp } from "./lab-place.ts";

const INSIDE = "METANET_LAB_OWNER";
const UNSHARE = [
  "--user",
  "--map-root-user",
  "--net",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
];

/** How the inside learns that the outside is gone or wants it to stop: this descriptor ends. */
const LEASH_DESCRIPTOR = 3;

/** The kernel gives this user no namespace of its own. */
export class RootlessError extends UnavailableError {
  override readonly code: string = "lab-rootless";
}

/** True in the process that {@link runRootless} started. */
export function insideUserNamespace(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** True when this process must start itself again inside a user namespace. */
export function needsUserNamespace(): boolean {
  return process.getuid?.() !== 0 && !insideUserNamespace();
}

/**
 * Starts this very command again inside new namespaces and resolves with its exit code. A signal to this process,
 * or its death, reaches the inside through a pipe; the death of the inside's first process ends all others.
 * @throws RootlessError when the kernel refuses
 */
export async function runRootless(environment: Readonly<Record<string, string>>): Promise<number> {
  await requireUserNamespaces();
  const child = spawn(
    "unshare",
    [...UNSHARE, "--", process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: ["inherit", "inherit", "inherit", "pipe"],
      detached: true,
      env: labEnvironment({ ...environment, [INSIDE]: ownerStamp() }),
    },
  );
  const leash = child.stdio[LEASH_DESCRIPTOR];
  const stop = (): void => {
    leash?.destroy();
  };
  leash?.on("error", stop);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  return promise;
}

/** Inside: a private /run for the names of network namespaces, and the leash. */
export async function settleInside(stop: () => void): Promise<void> {
  await run("mount", ["-t", "tmpfs", "tmpfs", "/run"], {
    fix: "The lab hides /run behind a folder of its own, in its own mount namespace.",
  });
  const { Socket } = await import("node:net");
  const leash = new Socket({ fd: LEASH_DESCRIPTOR, readable: true, writable: false });
  leash.on("close", stop);
  leash.on("error", stop);
  leash.resume();
  leash.unref();
}

async function requireUserNamespaces(): Promise<void> {
  const tried = await run("unshare", [...UNSHARE, "--", "true"], { accept: "any" });
  if (tried.code === 0) return;
  const reasons = [
    kernelSetting(
      "/proc/sys/kernel/unprivileged_userns_clone",
      "0",
      "sysctl kernel.unprivileged_userns_clone=1",
    ),
    kernelSetting("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    kernelSetting(
      "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
      "1",
      "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
  ].filter((reason) => reason !== undefined);
  const fix =
    reasons.length > 0
      ? `As root: ${reasons.join(", ")}`
      : "In a container, allow user namespaces and an unmasked /proc; in a chroot there are none";
  throw new RootlessError(
    `Cannot run the lab as user ${process.getuid?.()}: unshare said "${tried.stderr.trim()}". ${fix}; or run it as root`,
  );
}

/** The fix, when the kernel's setting is the one that forbids. */
function kernelSetting(file: string, forbidding: string, fix: string): string | undefined {
  return existsSync(file) && readFileSync(file, "utf8").trim() === forbidding ? fix : undefined;
}
