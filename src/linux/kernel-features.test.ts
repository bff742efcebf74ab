import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { probeKernelFeatures } from "./kernel-features.ts";

/** What the probes could have changed, were they not isolated. */
function traces(): string {
  return ["/proc/net/dev", "/proc/net/packet"]
    .map((file) => execFileSync("cat", [file], { encoding: "utf8" }))
    .join("\n")
    .replace(/\d+/g, "");
}

describe("probeKernelFeatures()", () => {
  it("probeKernelFeatures() says of each feature what it is for and how to get it, and leaves no trace", async () => {
    const before = traces();
    const features = await probeKernelFeatures();
    assert.equal(traces(), before);
    assert.equal(new Set(features.map(({ name }) => name)).size, features.length);
    for (const { name, available, seen, neededFor, fix } of features) {
      assert.match(name, /^[a-z0-9-]+$/);
      assert.ok(neededFor.length > 5 && fix.length > 10, name);
      assert.equal(seen === undefined, available, `${name} saw '${seen}'`);
    }
  });

  it("probeKernelFeatures() without programs on the path names the missing one instead of failing", async () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      const features = await probeKernelFeatures();
      const compiler = features.find(({ name }) => name === "compiler");
      assert.equal(compiler?.available, false);
      assert.equal(compiler?.seen, "there is no program cc");
    } finally {
      process.env.PATH = path;
    }
  });

  it("probeKernelFeatures() finds root exactly when run by root", async () => {
    const root = (await probeKernelFeatures()).find(({ name }) => name === "root");
    assert.equal(root?.available, process.getuid?.() === 0);
  });
});
