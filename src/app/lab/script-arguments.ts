/**
 * How a helper process of the lab is started: the project's own Node and a file of `process/`, as TypeScript in a
 * checkout and as JavaScript in the installed package.
 * @module
 */
import { extname, join } from "node:path";

/** Node's arguments for one file of `process/`; the helper's own arguments come after them. */
export function scriptArguments(
  name: "web-site" | "browser-driver" | "lookup-listener" | "visitor-relay" | "own-root",
): string[] {
  const extension = extname(import.meta.filename);
  return [join(import.meta.dirname, "process", `${name}${extension}`)];
}
