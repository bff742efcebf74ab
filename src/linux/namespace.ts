/**
 * Network namespaces (network_namespaces(7)): making and removing named ones with `ip`, and being inside of one.
 * A namespace belongs to a thread; sockets stay in the one they were made in.
 * @module
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { native } from "./native.ts";
import { translateErrors } from "./system-error.ts";

/** Where `ip netns` keeps its names. */
const NAMESPACE_FOLDER = "/run/netns";

/** From sched.h: setns(2) refuses a descriptor of any other kind of namespace. */
const CLONE_NEWNET = 0x4000_0000;

const NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,63}$/;

/**
 * Makes a network namespace that `ip netns exec NAME` and {@link inNamespace} know by its name.
 * @throws UnavailableError when `ip` is missing or refuses.
 */
export function createNamespace(name: string): void {
  runIp(["netns", "add", checkName(name)]);
}

/** Removes the name; the namespace itself goes when nothing is in it any more. */
export function removeNamespace(name: string): void {
  runIp(["netns", "delete", checkName(name)]);
}

/**
 * Moves this thread into a namespace for good. Threads that start later are in it too, so call it before anything
 * that makes the process start some: file access, name resolution.
 * @throws SystemCallError without root or when there is no such namespace.
 */
export function enterNamespace(name: string): void {
  enterFile(`${NAMESPACE_FOLDER}/${checkName(name)}`);
}

/** Runs `action`, which must be synchronous, inside a namespace, and comes back. */
export function inNamespace<R>(name: string, action: () => R): R {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    enterNamespace(name);
    try {
      return action();
    } finally {
      translateErrors("come back from a network namespace", () => native().setns(home, CLONE_NEWNET));
    }
  } finally {
    closeSync(home);
  }
}

function enterFile(path: string): void {
  translateErrors(`enter the network namespace ${path}`, () => {
    const fd = openSync(path, "r");
    try {
      native().setns(fd, CLONE_NEWNET);
    } finally {
      closeSync(fd);
    }
  });
}

function checkName(name: string): string {
  if (!NAME.test(name)) {
    throw new ConfigurationError(`Cannot use the namespace name '${name}': not 1 to 64 of a-z A-Z 0-9 _ . -`);
  }
  return name;
}

function runIp(args: readonly string[]): void {
  try {
    execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (cause) {
    const seen = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause);
    throw new UnavailableError(`Cannot run ip ${args.join(" ")}: ${seen || String(cause)}`, { cause });
  }
}

/** The network namespace this process started in, as the kernel names it: `net:[4026531840]`. */
export function networkNamespace(): string {
  return readlinkSync("/proc/self/ns/net");
}
