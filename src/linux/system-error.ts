/**
 * The kernel's refusals as errors of the project: the only place where errno names become classes and fixes.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";

/** What usually helps, by the name of the errno. */
const FIXES: Record<string, string> = {
  EACCES: "it needs root, or the capability for it",
  EPERM: "it needs root, or the capability for it",
  EADDRINUSE: "another program has it; stop that one first",
  EADDRNOTAVAIL: "no interface has this address",
  ENODEV: "there is no such interface; see `ip link`",
  ENETDOWN: "the interface is down or gone; see `ip link`, bring it up with `ip link set NAME up`",
  ENETUNREACH: "there is no route; does the interface have an address?",
  EMFILE: "too many open files; raise `ulimit -n`",
  EAFNOSUPPORT: "this kernel is built without it",
};

/** A system call that failed; `errno` is its name, such as `EADDRINUSE`. */
export class SystemCallError extends UnavailableError {
  override readonly code: string = "system-call";
  readonly errno: string;

  /** @param what completes "Cannot …". */
  constructor(what: string, errno: string, cause?: unknown) {
    const fix = FIXES[errno];
    super(`Cannot ${what}: ${errno}${fix ? `, ${fix}` : ""}`, { cause });
    this.errno = errno;
  }
}

/**
 * Runs `action`; when it throws what has an errno's name as its code, throws a SystemCallError that says what
 * could not be done. Other errors pass unchanged.
 */
export function translateErrors<R>(what: string, action: () => R): R {
  try {
    return action();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) throw new SystemCallError(what, code, error);
    throw error;
  }
}
