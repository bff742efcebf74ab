/**
 * The direction and the purity of the layers, shown by breaking them on purpose in a small copy: each mistake
 * is refused, by the compiler or by Biome, with a sentence that names the rule.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";

const root = join(import.meta.dirname, "..");
const HERE = "/** A value for others to import. @module */\nexport const here: number = 1;\n";

/** A checkout in small: one file in each layer that is imported below. */
function smallCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "metanet-layers-"));
  for (const file of ["layers.json", "tsconfig.base.json", "package.json", "biome.json", ".gitignore"]) {
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const layer of ["base", "wire", "protocol", "linux", "sim", "app", "service/one", "service/two"]) {
    write(folder, `src/${layer}/here.ts`, HERE);
  }
  return folder;
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

function run(
  folder: string,
  program: string,
  words: readonly string[],
): { status: number | null; text: string } {
  const path = join(root, "node_modules/.bin", program);
  const { status, stdout, stderr } = spawnSync(path, words, { cwd: folder, encoding: "utf8" });
  return { status, text: stdout + stderr };
}

function importing(specifier: string): string {
  return `import { here } from "${specifier}";\nexport const x: number = here;\n`;
}

describe("layers", () => {
  let folder = "";
  before(() => {
    folder = smallCheckout();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const typecheck = (): { status: number | null; text: string } => {
    assert.equal(run(folder, "node", [join(root, "tool/layers.ts"), "--root", folder]).status, 0);
    return run(folder, "node", [join(root, "tool/typecheck.ts"), "--root", folder]);
  };

  const mistakes: Record<string, { file: string; text: string; says: string }> = {
    "an import against the direction": {
      file: "src/wire/bad-1.ts",
      text: importing("#protocol/here.ts"),
      says: "src/wire/bad-1.ts:1 imports #protocol/here.ts: wire may import base only (layers.json)",
    },
    "an import type against the direction": {
      file: "src/wire/bad-2.ts",
      text: 'import type { here } from "#protocol/here.ts";\nexport type X = typeof here;\n',
      says: "src/wire/bad-2.ts:1 imports #protocol/here.ts: wire may import base only",
    },
    "a relative import out of the layer": {
      file: "src/base/bad-3.ts",
      text: importing("../wire/here.ts"),
      says: "src/base/bad-3.ts:1 imports ../wire/here.ts: base may import nothing",
    },
    "a service that imports another": {
      file: "src/service/one/bad-4.ts",
      text: importing("#service/two/here.ts"),
      says: "src/service/one/bad-4.ts:1 imports #service/two/here.ts: one service never imports another",
    },
    "a service that imports linux": {
      file: "src/service/one/bad-5.ts",
      text: importing("#linux/here.ts"),
      says: "src/service/one/bad-5.ts:1 imports #linux/here.ts: service may import base, ",
    },
    "an app that imports sim": {
      file: "src/app/bad-6.ts",
      text: importing("#sim/here.ts"),
      says: "src/app/bad-6.ts:1 imports #sim/here.ts: app may import base, ",
    },
    "Node's modules in a pure layer": {
      file: "src/protocol/bad-7.ts",
      text: 'import { connect } from "node:net";\nexport const x: unknown = connect;\n',
      says: "src/protocol/bad-7.ts:1 uses node:net: protocol is pure",
    },
    "a timer in a pure layer": {
      file: "src/wire/bad-8.ts",
      text: "setTimeout(() => undefined, 1);\nexport {};\n",
      says: "src/wire/bad-8.ts:1 uses setTimeout: wire is pure and sees no Node, clock or I/O; take a Clock",
    },
    "a Buffer in a service": {
      file: "src/service/one/bad-9.ts",
      text: 'export const x: unknown = Buffer.from("x");\n',
      says: "src/service/one/bad-9.ts:1 uses Buffer: service is pure",
    },
  };
  describe("tool/typecheck.ts", () => {
    let refused = { status: 0 as number | null, text: "" };
    before(() => {
      for (const { file, text } of Object.values(mistakes)) write(folder, file, text);
      refused = typecheck();
      for (const { file } of Object.values(mistakes)) rmSync(join(folder, file));
    });
    for (const [name, { says }] of Object.entries(mistakes)) {
      it(`refuses ${name}`, () => {
        assert.equal(refused.status, 1, refused.text);
        assert.ok(refused.text.includes(says), refused.text);
      });
    }
  });

  it("tool/typecheck.ts passes what follows the rules", () => {
    write(folder, "src/protocol/good.ts", importing("#wire/here.ts"));
    write(folder, "src/linux/good.ts", "setTimeout(() => undefined, 1);\nexport {};\n");
    const { status, text } = typecheck();
    assert.equal(status, 0, text);
    assert.equal(text, "");
  });

  const lints: Record<string, { text: string; says: string }> = {
    "the clock": { text: "export const x: number = Date.now();\n", says: "Take `now: Instant` or a Clock" },
    randomness: { text: "export const x: number = Math.random();\n", says: "Take a Random" },
    "a default export": { text: "export default 1;\n", says: "noDefaultExport" },
  };
  for (const [name, { text, says }] of Object.entries(lints)) {
    it(`biome refuses ${name} in a pure layer`, () => {
      write(folder, "src/wire/bad.ts", text);
      const { status, text: output } = run(folder, "biome", [
        "lint",
        "--vcs-enabled=false",
        "src/wire/bad.ts",
      ]);
      rmSync(join(folder, "src/wire/bad.ts"));
      assert.equal(status, 1, output);
      assert.ok(output.includes(says), output);
    });
  }

  const misplaced: Record<string, { file: string; says: string }> = {
    "a folder that is no layer": { file: "src/util/x.ts", says: "src/util/ is no layer" },
    "a file outside the services' folders": {
      file: "src/service/x.ts",
      says: "src/service/x.ts is in no project",
    },
    "a layer without its compiler project": { file: "src/packet/x.ts", says: "run npm run layers" },
  };
  for (const [name, { file, says }] of Object.entries(misplaced)) {
    it(`tool/layers.ts --check refuses ${name}`, () => {
      write(folder, file, HERE);
      const { status, text } = run(folder, "node", [
        join(root, "tool/layers.ts"),
        "--check",
        "--root",
        folder,
      ]);
      rmSync(join(folder, file));
      assert.equal(status, 1, text);
      assert.ok(text.includes(says), text);
    });
  }
});
