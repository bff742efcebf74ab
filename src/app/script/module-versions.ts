/**
 * The modules of an isolate: scripts of one file share it, and its variables, as long as the file and what it imports
 * have not changed; else they are read anew.
 * @module
 */
import { statSync } from "node:fs";
import { type LoadedModule, loadScript } from "./modules.ts";

interface Known {
  readonly version: number;
  /** The files as they were, told by their times and sizes. */
  readonly files: ReadonlyMap<string, string>;
}

let lastVersion = 0;

export class ModuleVersions {
  readonly #known = new Map<string, Known>();

  /** @throws ScriptLoadError */
  async load(file: string, functionName: string): Promise<LoadedModule> {
    const known = this.#known.get(file);
    const isSame = known !== undefined && [...known.files].every(([path, seen]) => stateOf(path) === seen);
    const version = isSame ? known.version : ++lastVersion;
    const before = Date.now();
    const module = await loadScript(file, functionName, version);
    if (!isSame) {
      // A file that was written while it was read is read again the next time.
      const files = new Map(module.files.map((path) => [path, stateOf(path, before)]));
      this.#known.set(file, { version, files });
    }
    return module;
  }
}

function stateOf(path: string, before: number = Number.POSITIVE_INFINITY): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return mtimeMs > before ? "changing" : `${mtimeMs} ${size} ${ino}`;
  } catch {
    return "gone";
  }
}
