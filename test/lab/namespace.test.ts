/**
 * Being inside of a network namespace, and coming back.
 * @module
 */
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { createNamespace, inNamespace, removeNamespace } from "#linux/namespace.ts";
import { SystemCallError } from "#linux/system-error.ts";
import { rootProblem } from "./own-namespace.ts";

const where = (): string => readlinkSync("/proc/thread-self/ns/net");

describe("inNamespace()", { skip: rootProblem() }, () => {
  it("inNamespace() runs inside and comes back, also when the action throws", () => {
    const name = `mn${process.pid}-inside`;
    const home = where();
    createNamespace(name);
    try {
      assert.notEqual(inNamespace(name, where), home);
      assert.throws(() => inNamespace(name, () => assert.fail("on purpose")), /on purpose/);
      assert.equal(where(), home);
      assert.throws(() => createNamespace(name), UnavailableError);
    } finally {
      removeNamespace(name);
    }
  });

  it("inNamespace() of a namespace that is not there is a SystemCallError with ENOENT", () => {
    const home = where();
    const isMissing = (error: unknown): boolean =>
      error instanceof SystemCallError && error.errno === "ENOENT";
    assert.throws(() => inNamespace("nosuch", () => 1), isMissing);
    assert.equal(where(), home);
  });

  for (const name of ["", "../etc", "a b", "-x", "x".repeat(65)]) {
    it(`createNamespace() refuses the name '${name.slice(0, 10)}'`, () => {
      assert.throws(() => createNamespace(name), ConfigurationError);
    });
  }
});
