import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { checkMatch } from "#io/queue-rules.ts";

const METANET = join(import.meta.dirname, "../../bin/metanet");
const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const examples = [...readme.matchAll(/^\| \[([a-z-]+\.ts)\]/gm)].map(([, file]) => file ?? "");
const commands = [...readme.matchAll(/metanet script load ([a-z-]+\.ts) --function (\w+) (--hook [^`\n]*)/g)];

describe("example/packet", () => {
  test("the README tells of every script in the folder", () => {
    const modules = new Set(["http-recording.ts", "tcp-answerer.ts", "test-world.ts"]);
    const files = readdirSync(import.meta.dirname).filter((name) => /(?<!\.test)\.ts$/.test(name));
    assert.deepEqual(files.filter((name) => !modules.has(name)).sort(), [...examples].sort());
  });

  for (const file of examples) {
    test(`metanet script check finds nothing wrong with ${file}, and the functions that the README loads`, () => {
      const text = execFileSync(METANET, ["script", "check", join(import.meta.dirname, file)], {
        encoding: "utf8",
      });
      const wanted = commands.filter(([, name]) => name === file).map(([, , functionName]) => functionName);
      assert.ok(wanted.length > 0, "the README does not load it");
      for (const functionName of wanted) assert.match(text, new RegExp(`^${functionName} `, "m"));
    });
  }

  test("the README's expressions are ones that choose packets", () => {
    const matches = commands.flatMap(([, , , words = ""]) => /--match '([^']+)'/.exec(words)?.[1] ?? []);
    assert.ok(matches.length >= 10);
    for (const match of matches) checkMatch(match);
  });
});
