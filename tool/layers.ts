/**
 * Writes one tsconfig.json per layer from layers.json, so that the compiler refuses an import against the
 * direction of the layers, and Node's names in a pure one. `--check` reports files that are out of date.
 * @module
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { type Layer, misplaced, projectsOf, readLayers } from "./layer/layers.ts";

const { values } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    root: { type: "string", default: join(import.meta.dirname, "..") },
  },
});
const root: string = values.root;
const layers = readLayers(root);

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
      .flatMap((name) => projectsOf(root, layers, name))
      .map((other) => ({ path: relative(folder, join(root, "src", other)) })),
  });
}

/** Tests, benchmarks, examples and tools may import anything. */
function everythingFile(projects: readonly string[]): string {
  return render({
    extends: "./tsconfig.base.json",
    compilerOptions: {
      types: ["node"],
      lib: ["es2024", "esnext.disposable", "dom"],
      customConditions: ["metanet-source"],
      // The set-up is plain JavaScript, as it runs before there is a Node that strips types.
      allowJs: true,
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
      "tool/**/*.mjs",
    ],
    references: projects.map((project) => ({ path: `src/${project}` })),
  });
}

function render(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The text of every compiler project, by its file. */
function projectFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, layer] of Object.entries(layers)) {
    for (const project of projectsOf(root, layers, name)) {
      files.set(`src/${project}/tsconfig.json`, projectFile(project, layer));
    }
  }
  const all = Object.keys(layers).flatMap((name) => projectsOf(root, layers, name));
  return files.set("tsconfig.json", everythingFile(all));
}

const wanted = projectFiles();
const stale = [...wanted].filter(([file, text]) => {
  const path = join(root, file);
  return !existsSync(path) || readFileSync(path, "utf8") !== text;
});
// A project of a folder that has lost its sources.
const orphans = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith("tsconfig.json") && !wanted.has(`src/${file}`))
  .map((file) => `src/${file}`);
const problems = misplaced(root, layers);
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (values.check) {
  for (const file of [...stale.map(([name]) => name), ...orphans]) {
    process.stderr.write(`${file} is out of date: run npm run layers\n`);
  }
} else {
  for (const [file, text] of stale) writeFileSync(join(root, file), text);
  for (const file of orphans) rmSync(join(root, file));
}
if (problems.length > 0 || (values.check && stale.length + orphans.length > 0)) process.exitCode = 1;
