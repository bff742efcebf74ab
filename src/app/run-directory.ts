/**
 * The run directory: one Unix socket for each process of the bus, named after it.
 * @module
 */
import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isProcessName } from "#mailbox/address.ts";
import { DeniedError } from "#mailbox/errors.ts";

/** Where root's processes meet. */
export const SYSTEM_RUN_DIRECTORY = "/run/metanet";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The run directory for a user: `METANET_RUN`, else `/run/metanet` for root and for others where it exists and is
 * served, else `metanet` below `XDG_RUNTIME_DIR`.
 */
export function runDirectory(
  environment: Environment = process.env,
  isRoot: boolean = process.getuid?.() === 0,
): string {
  if (environment.METANET_RUN) return environment.METANET_RUN;
  if (isRoot || !environment.XDG_RUNTIME_DIR || processNames(SYSTEM_RUN_DIRECTORY).length > 0)
    return SYSTEM_RUN_DIRECTORY;
  return join(environment.XDG_RUNTIME_DIR, "metanet");
}

/**
 * Makes a run directory of root's, which everybody may look into and nobody else may make or remove files in: a
 * name there is as good as the service behind it.
 */
export function makeSystemRunDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  chownSync(directory, 0, 0);
  // mkdir() leaves out what the umask forbids.
  chmodSync(directory, 0o755);
}

/** @throws DeniedError when this user may not look into a run directory; one that is not there is fine. */
export function requireReadable(directory: string): void {
  try {
    readdirSync(directory);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code !== "EACCES") return;
    throw new DeniedError(
      `Cannot look into run directory ${directory}: it is for another user only; use sudo, or set METANET_RUN to a folder of yours`,
      { cause },
    );
  }
}

/** The names of the processes that have a socket there, sorted; a missing folder has none. */
export function processNames(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isSocket() && isProcessName(entry.name) && !entry.name.endsWith(".sockets"))
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}
