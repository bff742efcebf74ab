/**
 * The run directory of another user.
 * @module
 */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DeniedError } from "#mailbox/errors.ts";
import { requireReadable } from "./run-directory.ts";

const isRoot = process.getuid?.() === 0;

describe("requireReadable()", () => {
  let directory = "";
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "mn-"));
    chmodSync(directory, 0o000);
    // Root reads everything.
    if (isRoot) process.seteuid?.(65_534);
  });
  after(() => {
    if (isRoot) process.seteuid?.(0);
    rmdirSync(directory);
  });

  it("requireReadable() says what to do about a folder that is another user's", () => {
    assert.throws(
      () => requireReadable(directory),
      (error: unknown) => error instanceof DeniedError && /use sudo, or set METANET_RUN/.test(error.message),
    );
  });

  it("requireReadable() takes a folder that is not there yet", () => {
    requireReadable("/nowhere/at/all");
  });
});
