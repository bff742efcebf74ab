/**
 * The package as somebody else gets it: packed, installed into an empty folder, and used from there.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const root = join(import.meta.dirname, "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const PROGRAM = `import { node } from "metanet";
const net = await node("hello");
net.open("/hello/world");
await net.append("/hello/world", "print", (message) => { process.stdout.write(message.get("text") + "\\n"); });
await net.send("/hello/world", { text: "hello" });
await net.close();
`;

describe("the package", () => {
  let folder = "";
  const run = (program: string, words: readonly string[], cwd: string): { status: number; text: string } => {
    const { status, stdout, stderr } = spawnSync(program, words, {
      cwd,
      encoding: "utf8",
      env: {
        ...process.env,
        METANET_RUN: join(folder, "run"),
        // The cache that \`npm ci\` filled: nothing is fetched twice, and nothing lands in the home folder.
        npm_config_cache: join(root, ".cache/npm"),
      },
    });
    return { status: status ?? -1, text: stdout + stderr };
  };
  const installed = (file: string): string => join(folder, "app/node_modules", file);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "metanet-package-"));
    mkdirSync(join(folder, "app"));
    mkdirSync(join(folder, "run"), { mode: 0o700 });
    writeFileSync(join(folder, "app/package.json"), '{ "type": "module", "private": true }\n');
    const packed = run("npm", ["pack", "--pack-destination", folder, "--loglevel=error"], root);
    assert.equal(packed.status, 0, packed.text);
    const [archive = ""] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
    const options = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    const install = run("npm", ["install", ...options, join(folder, archive)], join(folder, "app"));
    assert.equal(install.status, 0, install.text);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("holds compiled JavaScript and declarations, and no sources, tests or tools", () => {
    const files = readdirSync(installed("metanet"), { recursive: true, encoding: "utf8" });
    assert.ok(files.includes("dist/app/metanet.js"));
    assert.ok(files.includes("dist/app/metanet.d.ts"));
    assert.ok(files.includes("LICENSE"));
    const strangers = files.filter((file) =>
      /(^|\/)(src|test|tool)(\/|$)|\.test\.|(?<!\.d)\.ts$|tsconfig/.test(file),
    );
    // The packet script by which a gateway's portal counts; scripts are loaded as they are written.
    assert.deepEqual(strangers, ["example/kernel/accounting.ts"]);
  });

  it("compiled its addon while it was installed", () => {
    assert.ok(readdirSync(installed("metanet/native")).includes("metanet.node"));
  });

  it("brings the metanet command, which tells its version", () => {
    const { status, text } = run(installed(".bin/metanet"), ["--version"], folder);
    assert.equal(status, 0, text);
    assert.equal(text.trim(), version);
  });

  it("brings the metanet command, which explains itself", () => {
    const { status, text } = run(installed(".bin/metanet"), ["--help"], folder);
    assert.equal(status, 0, text);
    for (const word of ["up", "status", "lab", "listen", "observe", "script"]) {
      assert.match(text, new RegExp(`^ +${word}\\b`, "m"));
    }
  });

  it("runs a program that imports it", () => {
    writeFileSync(join(folder, "app/hello.js"), PROGRAM);
    const { status, text } = run(process.execPath, ["hello.js"], join(folder, "app"));
    assert.equal(status, 0, text);
    assert.equal(text, "hello\n");
  });

  it("writes, checks and runs packet scripts, with its own compiler and declarations", () => {
    mkdirSync(join(folder, "scripts"));
    const script = join(folder, "scripts/scripts.ts");
    const made = run(installed(".bin/metanet"), ["script", "new", script, "-f", "telnet"], folder);
    assert.equal(made.status, 0, made.text);
    const { status, text } = run(installed(".bin/metanet"), ["script", "check", script], folder);
    assert.equal(status, 0, text);
    assert.match(text, /telnet .*scripts\.ts:\d+\n {2}only reads packets/);
    // A capture without packets: its header, with Ethernet as link type.
    const header = Uint32Array.of(0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1);
    writeFileSync(join(folder, "empty.pcap"), header);
    const words = ["script", "test", script, "-f", "telnet", "-c", join(folder, "empty.pcap")];
    const tested = run(installed(".bin/metanet"), words, folder);
    assert.equal(tested.status, 0, tested.text);
    assert.match(tested.text, /telnet: 0 packets/);
  });

  it("gives that program its types", () => {
    writeFileSync(join(folder, "app/hello.ts"), PROGRAM);
    const types = join(root, "node_modules/@types");
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"];
    const { status, text } = run(
      process.execPath,
      [
        join(root, "node_modules/typescript/bin/tsc"),
        ...options,
        "--typeRoots",
        types,
        "--types",
        "node",
        "hello.ts",
      ],
      join(folder, "app"),
    );
    assert.equal(status, 0, text);
  });
});
