/**
 * Opening a capture file, and what the file system's refusals mean to the operator.
 * @module
 */
import { type FileHandle, open } from "node:fs/promises";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";

/** What an operator can mend, by the name of the errno. */
const FIXES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder; check the name",
  ENOTDIR: "a part of its folder is a file; check the name",
  EISDIR: "it is a directory; name a file in it",
  EACCES: "permission denied; check who may use it, or become root",
  EPERM: "permission denied; check who may use it, or become root",
  EROFS: "the disk is read-only; choose another place",
  ELOOP: "its links go in circles",
  ENAMETOOLONG: "the name is too long",
  ENOSPC: "the disk is full; make room or choose another place",
};

/**
 * Opens the file, to be read or to be written anew.
 * @param name what errors call it, where it is another file that stands for it in the meantime
 * @throws ConfigurationError when the operator has to mend something, else UnavailableError.
 */
export async function openCaptureFile(
  use: "read" | "write",
  path: string,
  name: string = path,
): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, use === "read" ? "r" : "w");
    // A directory can be opened, but not read.
    if ((await handle.stat()).isDirectory()) throw Object.assign(new Error("directory"), { code: "EISDIR" });
    return handle;
  } catch (cause) {
    await handle?.close();
    const errno = errnoOf(cause);
    const fix = FIXES[errno];
    const Kind = fix ? ConfigurationError : UnavailableError;
    throw new Kind(`Cannot ${use} ${name}: ${fix ?? errno}`, { cause });
  }
}

/** What an operator can mend, or what the error says. */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  return FIXES[errno] ?? errno;
}

/** The name of the errno, or whatever the error says. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
