import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { HARD_LIMITS, watchMemory } from "./memory-watch.ts";

/** Loops that take memory in ways V8 treats differently: some abort the process at V8's own limit. */
const HOARDS: Readonly<Record<string, string>> = {
  "arrays made by a built-in function": "const all = []; for (;;) all.push(new Array(1000).fill(1.5));",
  "small objects": "const all = []; for (;;) all.push({ a: 1, b: { c: 2 } });",
  "a table that doubles": "const all = new Map(); for (let i = 0; ; i++) all.set(i, [i]);",
  "one array that grows": "const all = []; for (;;) all.push(1.5);",
  buffers: "const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));",
};

describe("watchMemory()", () => {
  for (const [what, code] of Object.entries(HOARDS)) {
    it(`ends a thread that hoards ${what}, and nothing else`, { timeout: 20_000 }, async () => {
      const worker = new Worker(code, { eval: true, resourceLimits: HARD_LIMITS });
      worker.on("error", () => undefined);
      const ended = new Promise((resolve) => worker.on("exit", resolve));
      await new Promise<void>((resolve) => watchMemory(worker, resolve));
      await worker.terminate();
      assert.equal(await ended, 1);
    });
  }
});
