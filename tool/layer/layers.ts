/**
 * layers.json, read: the layers below src/, what each may import, and the compiler projects they make.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One layer, as layers.json has it. */
export interface Layer {
  /** Layers this one may import. */
  readonly may: readonly string[];
  /** A pure layer sees neither Node's types nor its globals. */
  readonly pure: boolean;
  /** Its exports' types are inferred: a contract's come from its tags. */
  readonly inferred?: boolean;
  /** One compiler project for each folder below, none of which sees another. */
  readonly each?: boolean;
  /** What the layer holds, in a few words. */
  readonly says: string;
}

/** Every layer by its name, which is its folder's. */
export type Layers = Readonly<Record<string, Layer>>;

/** Reads layers.json of a checkout. */
export function readLayers(root: string): Layers {
  return JSON.parse(readFileSync(join(root, "layers.json"), "utf8"));
}

/** The compiler projects of a layer, as paths below src/. */
export function projectsOf(root: string, layers: Layers, name: string): string[] {
  const folder = join(root, "src", name);
  if (!existsSync(folder)) return [];
  if (!layers[name]?.each) return hasSource(folder) ? [name] : [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasSource(join(folder, entry.name)))
    .map((entry) => `${name}/${entry.name}`)
    .sort();
}

/** What is wrong with the folders themselves, as sentences. */
export function misplaced(root: string, layers: Layers): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, "src"), { withFileTypes: true })) {
    if (!entry.isDirectory()) found.push(`src/${entry.name} is in no layer: move it into a folder of src/`);
    else if (layers[entry.name] === undefined) {
      found.push(`src/${entry.name}/ is no layer: add it to layers.json, or move its files`);
    } else if (layers[entry.name]?.each) {
      for (const file of readdirSync(join(root, "src", entry.name))) {
        if (file.endsWith(".ts"))
          found.push(`src/${entry.name}/${file} is in no project: move it into a folder`);
      }
    }
  }
  return found;
}

function hasSource(folder: string): boolean {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).some(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
  );
}
