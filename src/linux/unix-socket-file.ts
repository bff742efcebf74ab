/**
 * The file of a listening Unix socket (unix(7)): taken over from a dead process, never from a living one, and
 * removed at the end only when it is still ours. The socket is bound under another name and appears under its own
 * with the right mode, in one step.
 * @module
 */
import { chmodSync, chownSync, linkSync, lstatSync, type Stats, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import {
  AddressInUseError,
  type ListenOptions,
  PathTooLongError,
  type PeerCredentials,
  UNIX_PATH_BYTES_MAX,
} from "#io/stream.ts";

/** Only the user itself, unless asked otherwise. */
const MODE_DEFAULT = 0o600;

let temporaryCount = 0;

/** A place that was free, or left by a dead process, when it was looked at. */
export interface SocketPlace {
  /** Bind and listen here, then call {@link take}. */
  readonly temporaryPath: string;
  /**
   * Gives the socket its mode, its group and its name.
   * @throws AddressInUseError when somebody else was faster.
   */
  take(): void;
  /** Removes the file, when it is still the one that was placed. */
  leave(): void;
}

/** @throws PathTooLongError */
export function checkUnixPath(path: string): void {
  const count = Buffer.byteLength(path);
  if (count <= UNIX_PATH_BYTES_MAX) return;
  throw new PathTooLongError(
    `Cannot use socket path '${path}': ${count} bytes, at most ${UNIX_PATH_BYTES_MAX} fit; use a shorter run directory`,
  );
}

/**
 * Finds out whether `path` can be listened at.
 * @param probe tells who listens at a path, `undefined` when nobody does.
 * @throws PathTooLongError, AddressInUseError
 */
export async function placeSocket(
  path: string,
  options: ListenOptions,
  probe: (path: string) => Promise<Partial<PeerCredentials> | undefined>,
): Promise<SocketPlace> {
  checkUnixPath(path);
  const temporaryPath = `${dirname(path)}/.${process.pid}-${++temporaryCount}`;
  checkUnixPath(temporaryPath);
  const found = fileAt(path);
  if (found && !found.isSocket()) {
    throw new AddressInUseError(`Cannot listen at ${path}: a file that is no socket is there; move it away`);
  }
  const alive = found && (await probe(path));
  if (alive) {
    const who = alive.pid === undefined ? "another process" : `process ${alive.pid}`;
    throw new AddressInUseError(`Cannot listen at ${path}: ${who} of this name is running`);
  }
  let placed: Stats | undefined;
  return {
    temporaryPath,
    take() {
      try {
        chmodSync(temporaryPath, options.mode ?? MODE_DEFAULT);
        if (options.uid !== undefined || options.gid !== undefined)
          chownSync(temporaryPath, options.uid ?? -1, options.gid ?? -1);
        if (found && isSameFile(found, fileAt(path))) unlinkSync(path);
        // Unlike a rename this fails when somebody else has taken the name since.
        linkSync(temporaryPath, path);
        placed = lstatSync(path);
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code;
        const Taken = code === "EEXIST" ? AddressInUseError : UnavailableError;
        const why = code === "EEXIST" ? "another process has just taken it" : (code ?? String(cause));
        throw new Taken(`Cannot listen at ${path}: ${why}`, { cause });
      } finally {
        unlinkSync(temporaryPath);
      }
    },
    leave() {
      try {
        if (placed && isSameFile(placed, fileAt(path))) unlinkSync(path);
      } catch {
        // A process that has given up its privileges may not: the next of this name takes the file over.
      }
    },
  };
}

function fileAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isSameFile(left: Stats, right: Stats | undefined): boolean {
  return (
    right !== undefined &&
    left.ino === right.ino &&
    left.dev === right.dev &&
    left.birthtimeMs === right.birthtimeMs
  );
}
