/**
 * Giving up root's powers for good: another user, no supplementary groups, no capabilities in any set but those that
 * were asked for by name, and no_new_privs for every thread (credentials(7), capabilities(7)). Afterwards it is looked up in /proc whether all
 * of it holds; a process that could not give everything up must not go on.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { ConfigurationError, InvariantError } from "#base/errors.ts";
import { native } from "./native.ts";
import { translateErrors } from "./system-error.ts";

export interface UserIdentity {
  readonly uid: number;
  /** The user's own group. */
  readonly gid: number;
}

/**
 * `changed`: this process is the user now. `kept`: it was no other user's business before, because it already ran
 * as that user or as the root of a user namespace that knows nobody else; its capabilities are gone all the same.
 */
export type DropOutcome = "changed" | "kept";

/** Powers that can be kept, by the kernel's numbers (linux/capability.h). */
const CAPABILITIES = { "dac-read-search": 2, "net-admin": 12, "net-raw": 13, perfmon: 38, bpf: 39 } as const;

export type Capability = keyof typeof CAPABILITIES;

/** What a process keeps of root's powers. */
export interface KeptCapabilities {
  /** For the calling thread, and for threads that it starts afterwards. */
  readonly own: readonly Capability[];
  /** Those of them that programs started by it get as well. */
  readonly programs: readonly Capability[];
}

const NOTHING: KeptCapabilities = { own: [], programs: [] };

/**
 * Who a user is, by name or by number as text (`nobody`, `65534`).
 * @throws ConfigurationError when this machine knows no such user.
 */
export function lookUpUser(user: string): UserIdentity {
  const identity = new Int32Array(2);
  const isNumber = /^\d{1,9}$/.test(user);
  const isKnown = translateErrors(`look up the user '${user}'`, () =>
    native().lookUpUser(isNumber ? Number(user) : user, identity),
  );
  if (!isKnown)
    throw new ConfigurationError(`Cannot use the user '${user}': this machine has none of that name`);
  const [uid = 0, gid = 0] = identity;
  return { uid: uid >>> 0, gid: gid >>> 0 };
}

/**
 * Who a process is after {@link dropPrivileges}: the user, or, where the user namespace knows nobody else, whoever
 * it is already. Files for it are given to this user, and its messages are known by it.
 * @throws ConfigurationError when this machine knows no such user.
 */
export function identityAfterDrop(user: string): UserIdentity {
  const identity = lookUpUser(user);
  if (isMapped(identity.uid)) return identity;
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

/**
 * Becomes `user`, without a way back, and checks that it is so. Call it before the first byte is read from the
 * network, and after every socket below port 1024 has been opened or asked for. Threads that are there already keep
 * nothing, whatever `kept` says.
 * @throws ConfigurationError when the user is unknown, is root, or cannot be reached from who runs this.
 * @throws InvariantError when something is still held afterwards: end the process.
 */
export function dropPrivileges(user: string, kept: KeptCapabilities = NOTHING): DropOutcome {
  const identity = lookUpUser(user);
  if (identity.uid === 0) {
    throw new ConfigurationError(`Cannot drop privileges to '${user}': that is root; name another user`);
  }
  const current = process.geteuid?.();
  const canChange = current === 0 && isMapped(identity.uid);
  if (current !== 0 && current !== identity.uid) {
    throw new ConfigurationError(`Cannot become '${user}' (${identity.uid}): started as user ${current}`);
  }
  translateErrors(`become the user '${user}'`, () =>
    giveUp(identity, kept, { isRoot: current === 0, canChange }),
  );
  const held = canChange ? heldByThreads(identity, kept) : heldByThread(process.pid, exactly(kept));
  if (held.length > 0) throw new InvariantError(`Cannot go on as '${user}': ${held.join("; ")}`);
  return canChange ? "changed" : "kept";
}

/**
 * Gives up some of what the calling thread has kept, for it and for threads that it starts; other threads keep theirs.
 * A thread of root's keeps everything. Nothing is passed on to programs afterwards but what is left and was passed on.
 */
export function dropInThread(capabilities: readonly Capability[]): void {
  if (process.geteuid?.() === 0) return;
  const status = readFileSync("/proc/thread-self/status", "utf8");
  const held = (field: string): number =>
    Number.parseInt(new RegExp(`^${field}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "0", 16);
  const without = (mask: number): number =>
    capabilities.reduce((rest, name) => {
      const bit = 2 ** CAPABILITIES[name];
      return Math.floor(rest / bit) % 2 === 1 ? rest - bit : rest;
    }, mask);
  const [permitted, ambient] = [held("CapPrm"), held("CapAmb")];
  translateErrors("give up capabilities", () =>
    native().limitCapabilities(without(permitted), without(ambient)),
  );
}

function giveUp(
  identity: UserIdentity,
  kept: KeptCapabilities,
  { isRoot, canChange }: { isRoot: boolean; canChange: boolean },
): void {
  const system = native();
  // In this order, because each step needs a power that a later one gives up.
  if (isRoot) system.dropBoundingSet(maskOf(kept.own));
  if (canChange) {
    if (kept.own.length > 0) system.keepCapabilities();
    process.setgroups?.([identity.gid]);
    process.setgid?.(identity.gid);
    process.setuid?.(identity.uid);
  }
  system.limitCapabilities(maskOf(kept.own), maskOf(kept.programs));
  system.setNoNewPrivileges();
}

/** Whether the user namespace we are in knows `uid` (user_namespaces(7)); the machine's first one knows all. */
function isMapped(uid: number): boolean {
  return readFileSync("/proc/self/uid_map", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => uid >= first && uid < first + count);
}

/** A field of /proc/PID/task/TID/status and what it has to say. */
type Expectation = readonly [name: string, wanted: RegExp];

/** The capabilities as one bit each. */
function maskOf(capabilities: readonly Capability[]): number {
  // No bit operation of JavaScript reaches beyond the 32nd.
  return capabilities.reduce((mask, name) => mask + 2 ** CAPABILITIES[name], 0);
}

/** A field of capabilities that holds these and no others. */
function only(capabilities: readonly Capability[]): RegExp {
  return new RegExp(`^${maskOf(capabilities).toString(16).padStart(16, "0")}$`);
}

/** These capabilities and no others, and no way to get any. */
function exactly({ own, programs }: KeptCapabilities): Expectation[] {
  const [all, passed] = [only(own), only(programs)];
  return [
    ["CapInh", passed],
    ["CapPrm", all],
    ["CapEff", all],
    ["CapAmb", passed],
    ["NoNewPrivs", /^1$/],
  ];
}

/** What is still held that should not be, thread by thread; empty when everything was given up. */
function heldByThreads(identity: UserIdentity, kept: KeptCapabilities): string[] {
  // Real, effective, saved and file-system identity, each. The bounding set is left to the main thread: it alone
  // starts programs, and under no_new_privs a full one of another thread gives nothing.
  const user: Expectation[] = [
    ["Uid", new RegExp(`^(${identity.uid}\\s*){4}$`)],
    ["Gid", new RegExp(`^(${identity.gid}\\s*){4}$`)],
    ["Groups", new RegExp(`^${identity.gid}$`)],
  ];
  const others = [...user, ...exactly(NOTHING)];
  const main: Expectation[] = [...user, ...exactly(kept), ["CapBnd", only(kept.own)]];
  return readdirSync("/proc/self/task")
    .map(Number)
    .flatMap((thread) => heldByThread(thread, thread === process.pid ? main : others));
}

function heldByThread(thread: number, expectations: readonly Expectation[]): string[] {
  const fields = statusOf(thread);
  if (!fields) return [];
  return expectations
    .filter(([name, wanted]) => !wanted.test(fields.get(name) ?? ""))
    .map(([name]) => `thread ${thread} has ${name} ${fields.get(name) ?? "unknown"}`);
}

/** The fields of a thread's status; `undefined` when it has ended meanwhile. */
function statusOf(thread: number): Map<string, string> | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/self/task/${thread}/status`, "utf8");
  } catch (error) {
    if (thread !== process.pid) return undefined;
    throw new InvariantError("Cannot check privileges: /proc is not readable", { cause: error });
  }
  const lines = text.split("\n").map((line) => line.split(":\t"));
  return new Map(lines.map(([name = "", value = ""]) => [name, value.trim()]));
}
