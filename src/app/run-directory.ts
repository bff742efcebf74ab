/**
 * The run directory: one Unix socket for each process of the bus, named after it.
 * @module
 */
import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isProcessName } from "#mailbox/address.ts";

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
