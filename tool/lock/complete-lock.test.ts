/**
 * What a lock file lacks, and what it gets.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { completeLock } from "./complete-lock.ts";

const lock = {
  packages: {
    "": {},
    "node_modules/tool": {
      version: "1.0.0",
      dev: true,
      optionalDependencies: {
        "@tool/linux-x64": "1.0.0",
        "@tool/linux-arm-musleabihf": "^1.0.0",
        extra: "2.0.0",
      },
    },
    "node_modules/@tool/linux-x64": { version: "1.0.0", dev: true, optional: true },
  },
};

it("completeLock() adds what other platforms need, with the platform that the name tells", () => {
  const { lock: complete, added } = completeLock(lock);
  assert.deepEqual(added, ["@tool/linux-arm-musleabihf"]);
  assert.deepEqual(complete.packages["node_modules/@tool/linux-arm-musleabihf"], {
    version: "1.0.0",
    dev: true,
    optional: true,
    os: ["linux"],
    cpu: ["arm"],
    libc: ["musl"],
  });
  assert.deepEqual(
    complete.packages["node_modules/@tool/linux-x64"],
    lock.packages["node_modules/@tool/linux-x64"],
  );
});

it("completeLock() adds nothing to a complete lock file", () => {
  assert.deepEqual(completeLock(completeLock(lock).lock).added, []);
});
