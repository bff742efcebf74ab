/**
 * Building the addon as `npm install` does, in a copy of the folder: with and without a compiler, and as a package
 * inside of somebody else's node_modules.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const HAS_COMPILER = spawnSync("cc", ["--version"]).status === 0;

describe("native/build.mjs", { skip: HAS_COMPILER ? false : "needs a C compiler" }, () => {
  let folder: string;
  let native: string;
  let addon: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "metanet-build-"));
    native = join(folder, "node_modules/metanet/native");
    addon = join(native, "metanet.node");
    mkdirSync(native, { recursive: true });
    cpSync(join(ROOT, "native"), native, { recursive: true, filter: (name) => !name.endsWith(".node") });
    symlinkSync(join(ROOT, "node_modules/node-api-headers"), join(folder, "node_modules/node-api-headers"));
  });
  after(() => rmSync(folder, { recursive: true }));

  function build(
    args: string[] = [],
    env: Record<string, string> = {},
  ): { status: number | null; said: string } {
    const program = join(native, "build.mjs");
    const options = { encoding: "utf8" as const, env: { PATH: process.env.PATH, ...env } };
    const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...args], options);
    return { status, said: stdout + stderr };
  }

  it("without a compiler warns with the command to type, and succeeds", () => {
    const { status, said } = build([], { CC: "no-such-compiler" });
    assert.equal(status, 0);
    assert.match(said, /^warning: .*sudo apt-get install --yes gcc libc6-dev/);
    assert.ok(!existsSync(addon));
  });

  it("without a compiler and with --strict fails", () => {
    const { status, said } = build(["--strict"], { CC: "no-such-compiler" });
    assert.equal(status, 1);
    assert.match(said, /^error: /);
  });

  it("compiles without a word, finding the headers from where the package is", () => {
    assert.deepEqual(build(["--strict"]), { status: 0, said: "" });
    assert.equal(typeof createRequire(import.meta.url)(addon).socket, "function");
  });

  it("compiles again only when a source is newer", () => {
    const built = statSync(addon).mtimeMs;
    build();
    assert.equal(statSync(addon).mtimeMs, built);
    const later = new Date(built + 5000);
    utimesSync(join(native, "socket.c"), later, later);
    build();
    assert.ok(statSync(addon).mtimeMs > built);
  });

  it("keeps the last good addon when the compiler fails, and shows what it said", () => {
    const { status, said } = build(["--force", "--strict"], { CC: "cc -DBROKEN=( -include /nonexistent.h" });
    assert.equal(status, 1);
    assert.match(said, /nonexistent\.h[\s\S]*error: MetaNet's addon was not built: the C compiler failed/);
    assert.ok(existsSync(addon));
  });

  it("without the headers says which package is missing", () => {
    rmSync(join(folder, "node_modules/node-api-headers"));
    const { status, said } = build(["--force", "--strict"]);
    assert.equal(status, 1);
    assert.match(said, /node-api-headers is not installed/);
  });
});

describe("native()", () => {
  it("native() without the addon throws a NativeMissingError that says what to type", () => {
    const folder = mkdtempSync(join(tmpdir(), "metanet-missing-"));
    try {
      for (const name of ["src/base", "src/linux", "native", "package.json"]) {
        cpSync(join(ROOT, name), join(folder, name), {
          recursive: true,
          filter: (from) => !from.endsWith(".node"),
        });
      }
      const program = `
        import { NativeMissingError, native, nativeProblem } from ${JSON.stringify(join(folder, "src/linux/native.ts"))};
        try { native(); } catch (error) {
          console.log(error instanceof NativeMissingError, error.code, error.message === nativeProblem());
          console.log(error.message);
        }`;
      const said = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
        encoding: "utf8",
      });
      assert.match(said.stdout, /^true native-missing true\nCannot load the addon: it is not there\./);
      assert.match(said.stdout, /node native\/build\.mjs --strict.*sudo apt-get install --yes gcc libc6-dev/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
