/**
 * The addon's lifetimes: what is collected when, who ends whom, and that nothing grows.
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nativeProblem } from "#linux/native.ts";

/** Growth of a process that is put down to the engine's own housekeeping, in MiB; a leak is ten times that. */
const GROWTH_MEBIBYTES_MAX = 12;

interface Ending {
  readonly text: string;
  readonly code: number | null;
  readonly signal: string | null;
}

function run(name: string): Promise<Ending> {
  const program = join(import.meta.dirname, "life.ts");
  const child = spawn(process.execPath, ["--expose-gc", program, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ text, code, signal })));
}

describe("the addon", { skip: nativeProblem() ?? false, concurrency: 2 }, () => {
  const endings: [string, string, string, number][] = [
    ["keeps a watch that nobody holds, until it is closed", "forgotten", "called 1", 0],
    ["makes a callback's exception the process's own", "throws", "uncaught from the callback", 3],
    ["lets the process end when its watch need not keep it alive", "unreferenced", "left", 0],
    ["survives workers that end with open watches", "workers", "alive", 0],
    ["survives a process that ends with open watches", "abrupt", "bye", 0],
  ];
  for (const [what, name, text, code] of endings) {
    it(what, async () => assert.deepEqual(await run(name), { text, code, signal: null }));
  }

  const loops: [string, string][] = [
    ["25,000 watches opened and closed", "manyWatches"],
    ["160,000 datagrams received in batches", "manyDatagrams"],
    ["800,000 errors thrown", "manyErrors"],
  ];
  for (const [what, name] of loops) {
    it(`does not grow by ${what}`, async () => {
      const { text, code, signal } = await run(name);
      assert.deepEqual([code, signal], [0, null]);
      const [, grownBy = "1000", receivedCount = "160000"] =
        /^grew (-?\d+) MiB(?:, received (\d+))?$/.exec(text) ?? [];
      assert.ok(Number(grownBy) <= GROWTH_MEBIBYTES_MAX, text);
      assert.equal(receivedCount, "160000");
    });
  }
});
