/**
 * Dropping privileges, in processes of their own.
 * @module
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { ConfigurationError } from "#base/errors.ts";
import { lookUpUser } from "#linux/privileges.ts";
import { rootProblem, userNamespaceProblem } from "./own-namespace.ts";

const run = promisify(execFile);
const program: string = join(import.meta.dirname, "drop-privileges.ts");

async function drop(
  user: string,
  before: string[] = [],
  options: object = {},
  more: string[] = [],
): Promise<Record<string, unknown>> {
  const [command = "", ...args] = [...before, process.execPath, program, user, ...more];
  const { stdout } = await run(command, args, options);
  return JSON.parse(stdout);
}

describe("dropPrivileges()", { skip: rootProblem() }, () => {
  for (const user of ["nobody", "65534"]) {
    it(`dropPrivileges() to '${user}' leaves nothing of root, in any thread and in any program started`, async () => {
      const { threadCount, ...seen } = await drop(user);
      assert.deepEqual(seen, {
        outcome: "changed",
        becomeRoot: "EPERM",
        openRawSocket: "EPERM",
        readShadow: "EACCES",
        enterNamespace: "EPERM",
        readRules: "undefined",
        workerCapabilities: "0000000000000000",
        programCapabilities: "0000000000000000",
        programUser: "65534",
        programNoNewPrivileges: "1",
      });
      assert.ok(Number(threadCount) > 4, "there were no threads to check");
    });
  }

  it("dropPrivileges() keeps two capabilities in its own thread and new ones, and passes one on to programs", async () => {
    const { threadCount, ...seen } = await drop("nobody", [], {}, ["keep"]);
    assert.deepEqual(seen, {
      outcome: "changed",
      becomeRoot: "EPERM",
      openRawSocket: "done",
      readShadow: "EACCES",
      enterNamespace: "EPERM",
      readRules: "done",
      workerCapabilities: "0000000000003000",
      programCapabilities: "0000000000003000",
      programUser: "65534",
      programNoNewPrivileges: "1",
    });
    assert.ok(Number(threadCount) > 4, "there were no threads to check");
  });

  it("dropPrivileges() by the user itself only gives up what is left", async () => {
    const seen = await drop("nobody", [], { uid: 65534, gid: 65534, cwd: "/" });
    assert.equal(seen.outcome, "kept");
    assert.equal(seen.programNoNewPrivileges, "1");
  });

  const skip = userNamespaceProblem();
  it("dropPrivileges() as root of a user namespace without other users gives up the capabilities", {
    skip,
  }, async () => {
    const seen = await drop("nobody", ["unshare", "--user", "--map-root-user"]);
    assert.equal(seen.outcome, "kept");
    assert.equal(seen.openRawSocket, "EPERM");
    assert.equal(seen.programCapabilities, "0000000000000000");
  });

  const refused: [string, string, object][] = [
    ["an unknown user", "no-such-user", {}],
    ["root", "root", {}],
    ["another user than the one that runs it", "nobody", { uid: 1, gid: 1, cwd: "/" }],
  ];
  for (const [what, user, options] of refused) {
    it(`dropPrivileges() refuses ${what}`, async () => {
      assert.deepEqual(await drop(user, [], options), { code: "configuration" });
    });
  }
});

describe("lookUpUser()", { skip: rootProblem() }, () => {
  it("lookUpUser() knows root by name and by number", () => {
    assert.deepEqual(lookUpUser("root"), { uid: 0, gid: 0 });
    assert.deepEqual(lookUpUser("0"), { uid: 0, gid: 0 });
  });
  it("lookUpUser() refuses a number without a user", () => {
    assert.throws(() => lookUpUser("54321"), ConfigurationError);
  });
});
