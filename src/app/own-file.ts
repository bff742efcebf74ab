/**
 * Small files that root keeps in the run directory. That is root's alone, but may have been somebody else's before:
 * what somebody else has put there is neither followed nor believed.
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";

/** Makes a file that was not there; a link of that name is not followed. Throws with code EEXIST. */
export function createOwnFile(path: string, text: string): void {
  writeFileSync(path, text, { flag: "wx", mode: 0o644 });
}

/** Replaces a file in one step: a reader sees the old one or the new one. */
export function replaceOwnFile(path: string, text: string): void {
  const next = `${path}.next`;
  rmSync(next, { force: true });
  createOwnFile(next, text);
  renameSync(next, path);
}

/**
 * What a file holds that root or this process's user has written; `undefined` when it is not there or somebody
 * else's. Throws when it cannot be read for another reason.
 */
export function readOwnFile(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) return undefined;
    throw cause;
  }
  try {
    const status = fstatSync(fd);
    const isOwn = status.isFile() && [0, process.geteuid?.()].includes(status.uid);
    return isOwn ? readFileSync(fd, "utf8") : undefined;
  } finally {
    closeSync(fd);
  }
}
