/**
 * What a script needs of the packets it is brought: told by its module's `options`, else read off its source, where
 * not seeing something means that it may be there.
 * @module
 */
import { readFileSync } from "node:fs";
import type { ScriptNeeds } from "./isolate-messages.ts";
import type { LoadedModule } from "./modules.ts";

export function needsOf({ options, files }: LoadedModule): ScriptNeeds {
  return {
    isWriting: options.writes ?? true,
    readBytes: options.readBytes,
    connection: options.connection ?? files.some(mentionsConnection),
    files,
  };
}

function mentionsConnection(file: string): boolean {
  try {
    return /\bconnection\b/.test(readFileSync(file, "utf8"));
  } catch {
    return true;
  }
}
