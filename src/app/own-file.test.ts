import assert from "node:assert/strict";
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createOwnFile, readOwnFile, replaceOwnFile } from "./own-file.ts";

const isRoot = process.getuid?.() === 0;

describe("own files", () => {
  const folder = mkdtempSync(join(tmpdir(), "mn-own-"));
  const file = join(folder, "file");
  const target = join(folder, "target");
  after(() => rmSync(folder, { recursive: true }));

  test("readOwnFile() gives what replaceOwnFile() wrote, and nothing where there is no file", () => {
    assert.equal(readOwnFile(file), undefined);
    assert.equal(readOwnFile(join(file, "below")), undefined);
    replaceOwnFile(file, "one");
    replaceOwnFile(file, "two");
    assert.equal(readOwnFile(file), "two");
    assert.equal(existsSync(`${file}.next`), false);
  });

  test("replaceOwnFile() and createOwnFile() do not write through a link that somebody has put there", () => {
    writeFileSync(target, "precious");
    symlinkSync(target, `${file}.next`);
    replaceOwnFile(file, "three");
    symlinkSync(target, join(folder, "link"));
    assert.throws(() => createOwnFile(join(folder, "link"), "x"), { code: "EEXIST" });
    assert.deepEqual([readFileSync(target, "utf8"), readOwnFile(file)], ["precious", "three"]);
  });

  test("readOwnFile() does not follow a link", () => {
    assert.equal(readOwnFile(join(folder, "link")), undefined);
  });

  test("readOwnFile() does not believe another user's file", { skip: isRoot ? false : "needs root" }, () => {
    writeFileSync(target, "lies");
    chownSync(target, 65534, 65534);
    assert.equal(readOwnFile(target), undefined);
  });
});
