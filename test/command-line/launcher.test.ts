import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LAUNCHER, ROOT, temporaryFolder } from "./metanet-command.ts";

/** A package with the launcher and a main that says which Node runs it and with what. */
function layOut(folder: string, main: "src/app/cli/main.ts" | "dist/app/cli/main.js" | undefined): string {
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(LAUNCHER, join(folder, "bin/metanet"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  if (main) {
    mkdirSync(join(folder, main, ".."), { recursive: true });
    writeFileSync(join(folder, main), MAIN);
  }
  return join(folder, "bin/metanet");
}

const MAIN = `
const [first] = process.argv.slice(2);
if (first === "exit") process.exitCode = 42;
if (first === "wait") {
  process.on("SIGTERM", () => process.exit(43));
  setInterval(() => undefined, 1000);
}
console.log(JSON.stringify({ node: process.execPath, version: process.versions.node, args: process.argv.slice(2) }));
if (first === "die") process.kill(process.pid, "SIGKILL");
`;

/** Makes the launcher believe that it runs on an old Node, as it would be told by one. */
const OLD_NODE = [
  "--import",
  `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})`,
];

interface Result {
  readonly code: number | string | null | undefined;
  readonly out: string;
  readonly err: string;
}

function launch(
  options: readonly string[],
  script: string,
  args: readonly string[],
  onStart?: (pid: number) => void,
): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...options, script, ...args], (error, out, err) =>
      resolve({ code: error ? error.code : 0, out, err }),
    );
    child.stdout?.once("data", () => onStart?.(child.pid ?? 0));
  });
}

describe("bin/metanet", () => {
  it("bin/metanet runs the sources of a checkout in its own process", async (context) => {
    const script = layOut(temporaryFolder(context), "src/app/cli/main.ts");
    const { out } = await launch([], script, ["a", "b c"]);
    assert.deepEqual(JSON.parse(out), {
      node: process.execPath,
      version: process.versions.node,
      args: ["a", "b c"],
    });
  });
  it("bin/metanet runs the compiled files of a package, through a link as npm makes it", async (context) => {
    const folder = temporaryFolder(context);
    layOut(join(folder, "node_modules/metanet"), "dist/app/cli/main.js");
    symlinkSync("node_modules/metanet/bin/metanet", join(folder, "metanet"));
    assert.equal((await launch([], join(folder, "metanet"), [])).code, 0);
  });
  it("bin/metanet says that a package is incomplete", async (context) => {
    const { code, err } = await launch([], layOut(temporaryFolder(context), undefined), []);
    assert.deepEqual(
      [code, /neither src\/app\/cli\/main\.ts nor dist\/app\/cli\/main\.js/.test(err)],
      [1, true],
    );
  });
  it("bin/metanet says what an old Node needs when there is no other", async (context) => {
    const { code, err } = await launch(
      OLD_NODE,
      layOut(temporaryFolder(context), "dist/app/cli/main.js"),
      [],
    );
    assert.equal(code, 1);
    assert.equal(
      err,
      "metanet: Cannot start: Node 20.1.0 is running and Node 24 is needed; install Node 24 or newer\n",
    );
  });

  describe("on an old Node", () => {
    const own = join(ROOT, "node_modules/node/bin/node");
    const inCheckout = (folder: string): string => {
      const script = layOut(folder, "src/app/cli/main.ts");
      mkdirSync(join(folder, "node_modules/node/bin"), { recursive: true });
      symlinkSync(own, join(folder, "node_modules/node/bin/node"));
      return script;
    };
    it("bin/metanet takes the checkout's own and hands its exit code on", async (context) => {
      const { code, out } = await launch(OLD_NODE, inCheckout(temporaryFolder(context)), ["exit"]);
      assert.deepEqual([code, JSON.parse(out).args], [42, ["exit"]]);
    });
    it("bin/metanet hands signals on", async (context) => {
      const script = inCheckout(temporaryFolder(context));
      const { code } = await launch(OLD_NODE, script, ["wait"], (pid) => process.kill(pid, "SIGTERM"));
      assert.equal(code, 43);
    });
    it("bin/metanet ends with 128 and the signal's number when the program was killed", async (context) => {
      const { code } = await launch(OLD_NODE, inCheckout(temporaryFolder(context)), ["die"]);
      assert.equal(code, 137);
    });
  });
});
