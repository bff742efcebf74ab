/**
 * The set-up of a fresh machine: what it finds missing, what it says, and that it starts and enables nothing.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { npmReason } from "../tool/setup/npm.mjs";
import { withQuietServices } from "../tool/setup/quiet-services.mjs";

const checkout = join(import.meta.dirname, "..");
let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "metanet-setup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("withQuietServices()", () => {
  const policy = (): string => join(root, "usr/sbin/policy-rc.d");
  beforeEach(() => {
    mkdirSync(join(root, "usr/sbin"), { recursive: true });
    mkdirSync(join(root, "etc/systemd/system/multi-user.target.wants"), { recursive: true });
  });

  it("refuses every start of a service meanwhile, and leaves no guard behind", () => {
    const { result } = withQuietServices(() => spawnSync(policy(), ["nginx", "start"]).status, root);
    assert.equal(result, 101);
    assert.deepEqual(readdirSync(join(root, "usr/sbin")), []);
  });

  it("puts back a policy that stood there, also when the installation throws", () => {
    writeFileSync(policy(), "#!/bin/sh\nexit 104\n", { mode: 0o755 });
    assert.throws(() => {
      withQuietServices(() => {
        throw new Error("no space");
      }, root);
    }, /no space/);
    assert.equal(readFileSync(policy(), "utf8"), "#!/bin/sh\nexit 104\n");
    assert.deepEqual(readdirSync(join(root, "usr/sbin")), ["policy-rc.d"]);
  });

  it("makes good what a set-up left behind that was killed", () => {
    writeFileSync(policy(), "#!/bin/sh\nexit 104\n", { mode: 0o755 });
    const killed = `import { withQuietServices } from "${join(checkout, "tool/setup/quiet-services.mjs")}";
      withQuietServices(() => process.kill(process.pid, "SIGKILL"), ${JSON.stringify(root)});`;
    spawnSync(process.execPath, ["--input-type=module", "--eval", killed]);
    assert.ok(existsSync(`${policy()}.metanet-saved`), "the guard was there");
    assert.equal(spawnSync(policy(), ["nginx", "start"]).status, 104, "steps aside for the older policy");
    withQuietServices(() => undefined, root);
    assert.equal(readFileSync(policy(), "utf8"), "#!/bin/sh\nexit 104\n");
  });

  it("disables what the packages enabled, and nothing that was enabled before", () => {
    const wants = join(root, "etc/systemd/system/multi-user.target.wants");
    symlinkSync("/lib/systemd/system/ssh.service", join(wants, "ssh.service"));
    const { disabled } = withQuietServices(() => {
      symlinkSync("/lib/systemd/system/kea-dhcp4-server.service", join(wants, "kea-dhcp4-server.service"));
    }, root);
    assert.deepEqual(disabled, ["kea-dhcp4-server.service"]);
    assert.deepEqual(readdirSync(wants), ["ssh.service"]);
  });
});

describe("npmReason()", () => {
  const lock = (file: string, packages: Record<string, object>): void => {
    mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
    writeFileSync(join(root, file), JSON.stringify({ packages }));
  };
  const wanted = {
    "": { version: "0.1.0" },
    "node_modules/zod": { version: "4.0.0" },
    "node_modules/for-another-machine": { version: "1.0.0", optional: true },
  };
  beforeEach(() => {
    lock("package-lock.json", wanted);
    writeFileSync(join(root, "node_modules/.bin/node"), "");
  });

  it("is undefined when everything but other machines' packages is installed", () => {
    lock("node_modules/.package-lock.json", { "node_modules/zod": { version: "4.0.0" } });
    assert.equal(npmReason(root), undefined);
  });

  it("names the package whose version changed", () => {
    lock("node_modules/.package-lock.json", { "node_modules/zod": { version: "3.9.0" } });
    assert.equal(npmReason(root), "zod 4.0.0 is not installed");
  });

  it("sees a fresh clone and an installation that did not end", () => {
    assert.equal(npmReason(root), "zod 4.0.0 is not installed");
    rmSync(join(root, "node_modules"), { recursive: true });
    assert.equal(npmReason(root), "not installed yet");
  });
});

describe("tool/setup.mjs", () => {
  it("prints the exact command to somebody who is not root, and goes on", () => {
    // A real other user may not be able to read the checkout: it may stand in /root.
    const asNobody = ["--import", "data:text/javascript,process.getuid = () => 65534"];
    const setup = join(checkout, "tool/setup.mjs");
    const { status, stderr } = spawnSync(process.execPath, [...asNobody, setup, "test"], {
      encoding: "utf8",
      env: { PATH: "/nonexistent" },
    });
    assert.match(stderr, /sudo apt-get install --no-install-recommends .*\bcurl\b/);
    assert.match(stderr, /^ {2}curl +a plain HTTP client/m);
    assert.equal(status, 0, stderr);
  });

  it("asks for nothing that the list does not explain", () => {
    const list: { package: string; finds: string; for: string; when: string[] }[] = JSON.parse(
      readFileSync(join(checkout, "tool/debian-packages.json"), "utf8"),
    );
    for (const one of list) {
      assert.ok(one.for.length > 10, one.package);
      assert.ok(
        one.when.every((when) => ["start", "test", "bench"].includes(when)),
        one.package,
      );
    }
    assert.equal(new Set(list.map((one) => one.package)).size, list.length);
  });

  it("takes less than a second when nothing is missing", () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, [join(checkout, "tool/setup.mjs"), "start"], { env: process.env });
    assert.ok(performance.now() - startedAt < 1000);
  });
});
