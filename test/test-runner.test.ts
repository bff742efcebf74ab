/**
 * The project's own test runner: it passes a run only for tests that it has seen pass, and names the rest.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { it } from "node:test";

const root = join(import.meta.dirname, "..");
const IMPORT = 'import test from "node:test";\n';

/** Runs the runner over files made for the occasion; answers its exit code and its lines. */
function runTests(
  files: Record<string, string>,
  words: readonly string[] = [],
): { status: number; text: string } {
  const folder = mkdtempSync(join(tmpdir(), "metanet-runner-"));
  try {
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, "tool/test.ts"), "--root", folder, ...words],
      { encoding: "utf8" },
    );
    return { status: status ?? -1, text: stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failing: Record<string, { text: string; says: string; words?: string[] }> = {
  "a test that fails": { text: `${IMPORT}test("a", () => { throw new Error("why"); });`, says: "Error: why" },
  "a file that cannot be loaded": { text: 'import "./nowhere.ts";', says: "the file itself: exit 1" },
  "a file without a test": { text: "export {};", says: "the file itself: ended before its tests had run" },
  "a file that ends in the middle of its tests with exit code 0": {
    text: `${IMPORT}test("a", () => process.exit(0)); test("b", () => undefined);`,
    says: "the file itself: ended before its tests had run",
  },
  "a file that is killed": {
    text: `${IMPORT}test("a", () => process.kill(process.pid, "SIGKILL"));`,
    says: "the file itself: killed by SIGKILL",
  },
  "an error after the last test": {
    text: `${IMPORT}test("a", () => undefined); setTimeout(() => { throw new Error("late"); }, 50);`,
    says: "the file itself: exit 1",
  },
  "a file that never ends": {
    text: `${IMPORT}test("a", () => undefined); setInterval(() => undefined, 1000);`,
    says: "the file itself: not over after 1 s",
    words: ["--timeout", "1"],
  },
};
for (const [name, { text, says, words }] of Object.entries(failing)) {
  it(`tool/test.ts fails ${name}`, () => {
    const passing = `${IMPORT}test("fine", () => undefined);`;
    const run = runTests({ "bad.test.ts": text, "src/good.test.ts": passing }, words);
    assert.equal(run.status, 1, run.text);
    assert.ok(run.text.includes(says), run.text);
    assert.match(run.text, /^FAIL bad\.test\.ts/m);
    assert.match(run.text, /^\d+ passed, 1 failed\n$/m);
  });
}

it("tool/test.ts names each skipped test with its reason and does not count it as passed", () => {
  const text = `${IMPORT}test("needs a kernel", { skip: "no nftables" }, () => undefined); test("a", () => undefined);`;
  const run = runTests({ "src/a.test.ts": text });
  assert.equal(run.status, 0, run.text);
  assert.match(run.text, /src\/a\.test\.ts: needs a kernel\n {6}no nftables/);
  assert.match(run.text, /^1 passed, 0 failed, 1 skipped\n$/m);
});

it("tool/test.ts does not pass when nothing but skipped tests was found", () => {
  assert.equal(runTests({ "a.test.ts": `${IMPORT}test.skip("a", () => undefined);` }).status, 1);
  assert.equal(runTests({}).status, 1);
});

it("tool/test.ts keeps the files that a word names", () => {
  const text = `${IMPORT}test("a", () => undefined);`;
  const run = runTests({ "src/wire/a.test.ts": text, "src/base/a.test.ts": text }, ["src/wire"]);
  assert.match(run.text, /^1 passed, 0 failed\n$/m);
  assert.doesNotMatch(run.text, /src\/base/);
});

it("tool/test.ts runs the lab's files beside the others, and those that say @serial at the end", () => {
  const text = (opening: string): string => `${opening}\n${IMPORT}test("a", () => undefined);`;
  const waits = (file: string): string => `/** Waits for another. @module */
    import { existsSync } from "node:fs";
    ${IMPORT}test("a", async () => {
      while (!existsSync(${JSON.stringify(file)})) await new Promise((over) => setTimeout(over, 20));
    });`;
  const tells = (file: string): string => `/** Tells another. @module */
    import { writeFileSync } from "node:fs";
    ${IMPORT}test("a", () => writeFileSync(${JSON.stringify(file)}, ""));`;
  const files = {
    "a.test.ts": text("/** Counts. @serial @module */"),
    "test/lab/b.test.ts": text("/** Counts as well. @serial @module */"),
    // It would not end without the other, which is later in the order of names.
    "test/lab/c.test.ts": waits("mark-z"),
    "z.test.ts": tells("mark-z"),
  };
  const order = runTests(files).text.match(/^ok +\S+/gm);
  assert.deepEqual(order?.slice(0, 2).sort(), ["ok   test/lab/c.test.ts", "ok   z.test.ts"]);
  assert.deepEqual(order?.slice(2), ["ok   a.test.ts", "ok   test/lab/b.test.ts"]);
});

it("tool/test.ts --again names a file that passes only the second time, and fails one that does not", () => {
  const once = `${IMPORT}import { existsSync, writeFileSync } from "node:fs";
    const mark = import.meta.filename + ".ran";
    const isSecond = existsSync(mark);
    writeFileSync(mark, "");
    test("a", () => { if (!isSecond) throw new Error("first"); });`;
  const steady = runTests({ "a.test.ts": once });
  assert.equal(steady.status, 1, steady.text);
  const again = runTests({ "a.test.ts": once }, ["--again"]);
  assert.equal(again.status, 0, again.text);
  assert.match(again.text, /^Unsteady: .*\n {2}a\.test\.ts$/m);
  assert.match(again.text, /^1 passed, 0 failed\n$/m);
  const never = `${IMPORT}test("a", () => { throw new Error("always"); });`;
  assert.equal(runTests({ "a.test.ts": never }, ["--again"]).status, 1);
});
