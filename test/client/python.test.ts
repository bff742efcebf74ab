/**
 * The Python client: the protocol's vectors, and a conversation with a real process over a Unix socket.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { answer, type Node, node } from "../../src/app/metanet.ts";

const root = join(import.meta.dirname, "../..");
const hasPython = spawnSync("python3", ["--version"]).status === 0;
const skip = hasPython ? false : "needs python3";

function python(file: string, args: readonly string[], run = ""): ChildProcess {
  return spawn("python3", ["-B", join(import.meta.dirname, file), ...args], {
    env: { ...process.env, PYTHONPATH: join(root, "client/python"), METANET_RUN: run },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function linesOf(child: ChildProcess): Promise<string[]> {
  assert.ok(child.stdout);
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) lines.push(line);
  return lines;
}

describe("the Python client", { skip }, () => {
  let directory = "";
  let bus: Node;
  let bigCount = 0;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "mn-"));
    bus = await node("gate", { directory });
    for (const path of ["/gate/ask", "/gate/big"]) bus.open(path);
    const band = 1000;
    await bus.append("/gate/ask", "gate", (message) => answer({ by: "gate", who: message.get("who") }), {
      band,
    });
    await bus.append("/gate/big", "gate", () => void bigCount++, { band });
  });
  after(async () => {
    await bus?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("reads and writes the messages of test/vectors", async () => {
    const lines = await linesOf(python("check_vectors.py", [join(root, "test/vectors")]));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] ?? "", /^\d{2,} vectors$/);
  });

  it("calls, observes, takes part in a decision and leaves", { timeout: 30_000 }, async () => {
    const child = python("guest.py", ["gate"], directory);
    const told = new Map<string, unknown>();
    for await (const line of createInterface(child.stdout as NodeJS.ReadableStream)) {
      const [what, value]: [string, unknown] = JSON.parse(line);
      told.set(what, value);
      // From our side as well: its listener is asked for everybody's messages.
      if (what === "missing") {
        assert.equal((await bus.call("/gate/ask", { who: "answer" })).get("by"), "py");
        await bus.call("/gate/ask", { who: "last" });
      }
    }
    const { paths, ...rest } = Object.fromEntries(told);
    assert.ok(Array.isArray(paths) && paths.includes("/gate/ask"));
    assert.deepEqual(rest, {
      alone: { by: "gate", who: "answer" },
      nobody: { by: "gate", who: "nobody" },
      change: { by: "gate", who: "eve" },
      answer: { by: "py" },
      stop: {},
      reject: "rejected",
      fail: { by: "gate", who: "fail" },
      // One return is allowed, the second is a loop.
      circle: { again: "{'again': 'loop'}" },
      missing: "no-such-mailbox",
      copies: 11,
      left: true,
    });
    assert.equal(bigCount, 40);
    assert.equal((await bus.call("/gate/ask", { who: "answer" })).get("by"), "gate");
  });
});
