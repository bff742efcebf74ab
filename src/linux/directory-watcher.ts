/**
 * Directory watches over inotify (Node's `fs.watch`), with a poll beneath it for directories that do not exist yet
 * and file systems that do not tell.
 * @module
 */
import { type FSWatcher, readdirSync, watch } from "node:fs";
import { seconds } from "#base/time.ts";
import type { DirectoryWatch, DirectoryWatcher } from "#io/directory-watcher.ts";

/** How often the directory is looked at anyway. */
const POLL = seconds(2);

export class LinuxDirectoryWatcher implements DirectoryWatcher {
  list(path: string): readonly string[] {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  }

  watch(path: string, onChange: () => void): DirectoryWatch {
    let names = [...this.list(path)].sort().join("/");
    let watcher: FSWatcher | undefined;
    const drop = (): void => {
      watcher?.close();
      watcher = undefined;
    };
    const attach = (): void => {
      if (watcher) return;
      try {
        watcher = watch(path, { persistent: false }, () => onChange());
        watcher.on("error", drop);
      } catch {
        watcher = undefined;
      }
    };
    attach();
    const poll = setInterval(() => {
      const seen = [...this.list(path)].sort().join("/");
      // A directory that was removed and made again needs a new watch; nothing tells of that.
      if (seen === "") drop();
      attach();
      if (seen === names) return;
      names = seen;
      onChange();
    }, POLL);
    poll.unref();
    return {
      close() {
        clearInterval(poll);
        drop();
      },
    };
  }
}
