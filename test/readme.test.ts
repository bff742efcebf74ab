/**
 * What the README shows works as it stands there.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The code blocks of one language. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(
    (match) => match[1] ?? "",
  );
}

function metanet(words: readonly string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(join(root, "bin/metanet"), words, { encoding: "utf8" });
  return { status, text: stdout + stderr };
}

it("README.md's configuration is one that `metanet up --check` passes", () => {
  const folder = mkdtempSync(join(tmpdir(), "metanet-readme-"));
  const [configuration = ""] = blocks("yaml");
  writeFileSync(join(folder, "gateway.yaml"), configuration);
  const checked = metanet(["up", "--check", join(folder, "gateway.yaml")]);
  rmSync(folder, { recursive: true, force: true });
  assert.equal(checked.status, 0, checked.text);
});

it("README.md's metanet commands are commands", () => {
  const commands = new Set(
    [
      ...blocks("sh")
        .join("\n")
        .matchAll(/bin\/metanet (\w+)/g),
    ].map((match) => match[1]),
  );
  assert.ok(commands.size > 4);
  for (const command of commands) {
    const { status, text } = metanet([command ?? "", "--help"]);
    assert.equal(status, 0, text);
  }
});

it("README.md's npm commands are scripts of package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const names = new Set(
    [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )\w+)/g)].map((match) => match[1]),
  );
  assert.deepEqual(
    [...names].filter((name) => !(name !== undefined && name in scripts)),
    [],
  );
  assert.ok(names.has("check"));
});
