/**
 * Notices when a script, or a module of the script's own that it imports, has been saved.
 * @module
 */
import { existsSync, type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { readModuleGraph } from "../script/analysis/module-graph.ts";

/** Editors save in several steps: what follows within this many milliseconds is one change. */
const SETTLE_MILLISECONDS = 100;

/**
 * Calls `onChange` after every change, one call at a time, until it is closed. Which modules there are is found out
 * anew each time.
 */
export function watchModules(file: string, onChange: () => Promise<void>): { close(): void } {
  let folders: FSWatcher[] = [];
  let timer: NodeJS.Timeout | undefined;
  let queue: Promise<void> = Promise.resolve();
  const begin = (): void => {
    const names = new Map<string, Set<string>>();
    for (const path of modulesOf(file)) {
      const folder = dirname(path);
      names.set(folder, (names.get(folder) ?? new Set()).add(basename(path)));
    }
    // Folders and not files: editors put a new file in the place of the old one.
    folders = [...names].map(([folder, known]) => {
      const watcher = watch(folder, (_event, name) => {
        if (name !== null && known.has(name)) changed();
      });
      // A folder that goes away takes its modules along, which the next load tells.
      watcher.on("error", () => undefined);
      return watcher;
    });
  };
  const end = (): void => {
    for (const folder of folders.splice(0)) folder.close();
  };
  const changed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!existsSync(file)) return;
      // Watched again before it is loaded: what is saved meanwhile counts.
      end();
      begin();
      queue = queue.then(onChange);
    }, SETTLE_MILLISECONDS);
  };
  begin();
  return {
    close: () => {
      clearTimeout(timer);
      end();
    },
  };
}

/** The script itself where its imports cannot be told, while it has a mistake. */
function modulesOf(file: string): string[] {
  try {
    return [file, ...readModuleGraph(file).modules.map(({ path }) => path)];
  } catch {
    return [file];
  }
}
