/**
 * Writes one tsconfig.json per layer from layers.json, so that the compiler refuses an import against the
 * direction of the layers, and Node's names in a pure one. `--check` reports files that are out of date.
 * @module
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

interface Layer {
  /** Layers this one may import. */
  readonly may: readonly string[];
  /** A pure layer sees neither Node's types nor its globals. */
  readonly pure: boolean;
  /** One compiler project for each folder below, none of which sees another. */
  readonly each?: boolean;
  /** Types of exports are inferred: a contract's declaration is its type. */
  readonly inferred?: boolean;
  readonly says: string;
}

const root: string = join(import.meta.dirname, "..");
const layers: Record<string, Layer> = JSON.parse(readFileSync(join(root, "layers.json"), "utf8"));

/** The compiler projects of a layer, as paths below src/. */
function projectsOf(name: string): string[] {
  if (!layers[name]?.each) return hasSource(join(root, "src", name)) ? [name] : [];
  return readdirSync(join(root, "src", name), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasSource(join(root, "src", name, entry.name)))
    .map((entry) => `${name}/${entry.name}`)
    .sort();
}

function hasSource(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).some(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
  );
}

function projectFile(project: string, layer: Layer): string {
  const folder = join(root, "src", project);
  const up = relative(folder, root);
  return render({
    extends: `${up}/tsconfig.base.json`,
    compilerOptions: {
      rootDir: up,
      outDir: `${up}/.cache/types`,
      tsBuildInfoFile: `${up}/.cache/types/${project.replaceAll("/", "-")}.tsbuildinfo`,
      ...(layer.pure ? {} : { types: ["node"] }),
      ...(layer.inferred ? { isolatedDeclarations: false } : {}),
    },
    include: ["**/*.ts"],
    exclude: ["**/*.test.ts"],
    references: layer.may
      .flatMap(projectsOf)
      .map((other) => ({ path: relative(folder, join(root, "src", other)) })),
  });
}

/** Tests, benchmarks, examples and tools may import anything. */
function everythingFile(projects: readonly string[]): string {
  return render({
    extends: "./tsconfig.base.json",
    compilerOptions: {
      types: ["node"],
      lib: ["es2024", "dom"],
      isolatedDeclarations: false,
      rootDir: ".",
      outDir: ".cache/types",
      tsBuildInfoFile: ".cache/types/everything.tsbuildinfo",
    },
    include: [
      "src/**/*.test.ts",
      "test/**/*.ts",
      "bench/**/*.ts",
      "example/**/*.ts",
      "fuzz/**/*.ts",
      "tool/**/*.ts",
    ],
    references: projects.map((project) => ({ path: `src/${project}` })),
  });
}

function render(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

const wanted = new Map<string, string>();
for (const [name, layer] of Object.entries(layers)) {
  for (const project of projectsOf(name)) {
    wanted.set(`src/${project}/tsconfig.json`, projectFile(project, layer));
  }
}
wanted.set("tsconfig.json", everythingFile(Object.keys(layers).flatMap(projectsOf)));

const stale = [...wanted].filter(([file, text]) => {
  const path = join(root, file);
  return !existsSync(path) || readFileSync(path, "utf8") !== text;
});
if (process.argv.includes("--check")) {
  for (const [file] of stale) process.stderr.write(`${file} is out of date: run npm run layers\n`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [file, text] of stale) writeFileSync(join(root, file), text);
}
