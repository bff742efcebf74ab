/**
 * Everything that has to hold before a change is handed in, in the order of what is quickest to mend:
 * `npm run check`. Stops at the first step that fails and names the fix.
 * @module
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

interface Step {
  readonly name: string;
  /** The program of node_modules/.bin, and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly fix: string;
}

const root: string = join(import.meta.dirname, "..");

const STEPS: readonly Step[] = [
  {
    name: "format and lint",
    command: ["biome", "check", "--error-on-warnings", "--max-diagnostics=50", "."],
    fix: "npm run fix mends what can be mended by itself",
  },
  {
    name: "compiler projects",
    command: ["node", "tool/layers.ts", "--check"],
    fix: "npm run layers writes them anew",
  },
  {
    name: "lock file",
    command: ["node", "tool/lock.ts", "--check"],
    fix: "npm run lock adds what npm left out",
  },
  {
    name: "types, direction and purity of layers",
    command: ["node", "tool/typecheck.ts"],
    fix: "the places are named above; layers.json says who may import whom",
  },
  {
    name: "dead code",
    command: ["knip", "--no-progress"],
    fix: "remove what nothing uses, or use it; knip.json names the entries",
  },
  {
    name: "reference pages",
    command: ["node", "tool/docs.ts", "--check"],
    fix: "npm run docs writes them anew",
  },
  { name: "tests", command: ["node", "tool/test.ts"], fix: "npm test -- WORD runs the files named so" },
];

for (const { name, command, fix } of STEPS) {
  process.stdout.write(`\n── ${name} ──\n`);
  const startedAt = performance.now();
  const [program, ...words] = command;
  const path = join(root, "node_modules/.bin", program);
  const { status } = spawnSync(path, words, { cwd: root, stdio: "inherit" });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (status !== 0) {
    process.stdout.write(`\n${name}: failed after ${seconds} s. To mend it: ${fix}.\n`);
    process.exitCode = 1;
    break;
  }
  process.stdout.write(`${name}: fine (${seconds} s)\n`);
}
