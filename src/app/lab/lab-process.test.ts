import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { CommandFailedError } from "./command-line.ts";
import { LabProcess } from "./lab-process.ts";

const folder = mkdtempSync(join(tmpdir(), "lab-process-"));
after(() => rmSync(folder, { recursive: true }));

function start(name: string, script: string): Promise<LabProcess> {
  return LabProcess.start({
    name,
    command: process.execPath,
    args: ["-e", script],
    logFile: join(folder, name),
  });
}

test("LabProcess.line() finds lines already printed and lines to come, and the log has them", async () => {
  const child = await start("lines", "console.log('one'); setTimeout(() => console.log('two'), 50)");
  assert.equal(await child.line(/^one$/, seconds(10)), "one");
  assert.equal(await child.line(/^two$/, seconds(10)), "two");
  assert.equal(await child.line(/^one$/, seconds(10)), "one");
  await child.ended();
  assert.equal(child.exit, "exit code 0");
  assert.equal(readFileSync(join(folder, "lines"), "utf8"), "one\ntwo\n");
});

test("LabProcess.line() fails with the program's last words when it ends first", async () => {
  const child = await start("ends", "console.error('out of luck'); process.exit(3)");
  await assert.rejects(child.line(/^ready$/, seconds(10)), (error) => {
    assert.ok(error instanceof CommandFailedError);
    assert.match(error.message, /exit code 3 before a line like .*ready.*out of luck/);
    return true;
  });
});

test("LabProcess.stop() kills a program that ignores SIGTERM", async () => {
  const child = await start(
    "stubborn",
    "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')",
  );
  await child.line(/^up$/, seconds(10));
  await child.stop(milliseconds(100));
  assert.equal(child.exit, "ended by SIGKILL");
});
