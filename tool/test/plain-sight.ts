/**
 * A checkout in a folder that only root may look into, such as /root: the tests that become another user could not
 * read their own programs. They run in a mount namespace of their own, where the checkout is mounted once more at a
 * place that everybody may look into. Nothing of that is seen outside, and nothing is left of it.
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Folders that every Debian has and that a machine's users rarely keep a checkout in. */
const PLACES = ["/mnt", "/media", "/srv"] as const;
const OTHERS_MAY_ENTER = 0o001;

/** True for root when other users may not come to a folder. */
export function isHidden(folder: string): boolean {
  if (process.getuid?.() !== 0) return false;
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if ((statSync(at).mode & OTHERS_MAY_ENTER) === 0) return true;
  }
  return false;
}

/** Becomes the same program on the checkout's other place; returns where no place or no program for it is. */
export function startAgainInPlainSight(checkout: string, program: string, args: readonly string[]): void {
  const place = PLACES.find((folder) => existsSync(folder) && !checkout.startsWith(folder));
  if (place === undefined || !existsSync("/usr/bin/unshare")) return;
  const step = join(import.meta.dirname, "mount-checkout.ts");
  process.execve?.(
    "/usr/bin/unshare",
    ["unshare", "--mount", "--", process.execPath, step, checkout, place, program, ...args],
    { ...process.env } as Record<string, string>,
  );
}
