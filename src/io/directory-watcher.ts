/**
 * Which names a directory holds, and a call when that may have changed; links use it to notice that a process has
 * appeared. `linux/` answers with inotify and a slow poll beneath it, `sim/` with a set in memory.
 * @module
 */

/** A running watch. */
export interface DirectoryWatch {
  /** Calls nothing any more; harmless when repeated. */
  close(): void;
}

export interface DirectoryWatcher {
  /** The names in the directory now; none when the directory does not exist. */
  list(path: string): readonly string[];
  /**
   * Calls `onChange` after names have appeared or vanished: at once where the system tells, otherwise within a few
   * seconds. It may be called without need, and the directory need not exist yet.
   */
  watch(path: string, onChange: () => void): DirectoryWatch;
}
