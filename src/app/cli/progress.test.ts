import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { packetProgress } from "./progress.ts";

/** What is written to standard error while it is taken for a terminal, and standard output for a pipe. */
function written(context: TestContext, hasOwnFile: boolean): string {
  let text = "";
  const write = context.mock.method(process.stderr, "write", (part: string) => {
    text += part;
    return true;
  });
  const terminals = { stderr: process.stderr.isTTY, stdout: process.stdout.isTTY };
  // A socket pair's end or a pipe is what the test's runner gives; -1 is neither that nor a file.
  const { fd } = process.stdout;
  Object.assign(process.stderr, { isTTY: true });
  Object.assign(process.stdout, { isTTY: false, fd: -1 });
  try {
    const progress = packetProgress(hasOwnFile);
    progress.show(4321);
    progress.clear();
    progress.clear();
  } finally {
    Object.assign(process.stderr, { isTTY: terminals.stderr });
    Object.assign(process.stdout, { isTTY: terminals.stdout, fd });
    write.mock.restore();
  }
  return text;
}

test("packetProgress() shows a line to who looks while results go to a file, and takes it away once", (context) => {
  assert.equal(written(context, true), "\r4,321 packets\r\u001b[K");
});

test("packetProgress() is silent while results go to another program", (context) => {
  assert.equal(written(context, false), "");
});
