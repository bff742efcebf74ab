import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds } from "#base/time.ts";
import { CommandFailedError, commandLine, labEnvironment, run } from "./command-line.ts";

test("commandLine() quotes what a shell would split", () => {
  assert.equal(
    commandLine("curl", ["-d", "a b", "it's", "http://x/?a=1"]),
    `curl -d 'a b' 'it'\\''s' 'http://x/?a=1'`,
  );
});

test("run() gives input, collects output and tells the exit code", async () => {
  const { stdout, code } = await run("cat", [], { input: "hello" });
  assert.deepEqual({ stdout, code }, { stdout: "hello", code: 0 });
});

const failures: readonly [string, string, readonly string[], RegExp][] = [
  ["does not exist", "no-such-program-here", [], /could not be started/],
  ["fails", "ls", ["/no/such/folder"], /exit code 2; it printed ".*No such file/],
  ["takes too long", "sleep", ["30"], /ran longer than 50 ms/],
];
for (const [what, program, args, message] of failures) {
  test(`run() names the command, its words and the fix when the program ${what}`, async () => {
    const failed = run(program, args, { timeout: milliseconds(50), fix: "Do this." });
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof CommandFailedError);
      assert.match(error.message, message);
      assert.match(error.message, /Do this\.$/);
      return true;
    });
  });
}

test("labEnvironment() has the system folders on its path and no proxy", () => {
  process.env.http_proxy = "http://proxy.example/";
  try {
    const environment = labEnvironment({ EXTRA: "1" });
    assert.ok(environment.PATH?.split(":").includes("/usr/sbin"));
    assert.equal(environment.http_proxy, undefined);
    assert.equal(environment.EXTRA, "1");
  } finally {
    delete process.env.http_proxy;
  }
});
