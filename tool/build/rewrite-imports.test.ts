/**
 * Imports as the package needs them.
 * @module
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { rewriteImports } from "./rewrite-imports.ts";

const cases: Record<string, [source: string, file: string, packaged: string]> = {
  "an import of the same layer": ['import { x } from "./x.ts";', "base/a.ts", 'import { x } from "./x.js";'],
  "an import of a layer": [
    'import { x } from "#base/x.ts";',
    "wire/a.ts",
    'import { x } from "../base/x.js";',
  ],
  "an import from a deeper folder": [
    'export type { X } from "#base/x.ts";',
    "service/dhcpd/a.ts",
    'export type { X } from "../../base/x.js";',
  ],
  "an import of the file's own folder by its layer": [
    'import "#app/cli/b.ts";',
    "app/cli/a.ts",
    'import "./b.js";',
  ],
  "an import while running": ['await import("./b.ts");', "app/a.ts", 'await import("./b.js");'],
  "an import in a type": ['let a: import("#base/x.ts").X;', "app/a.ts", 'let a: import("../base/x.js").X;'],
  "two imports of one file": [
    'import { a } from "./x.ts";\nimport type { b } from "./x.ts";',
    "app/a.ts",
    'import { a } from "./x.js";\nimport type { b } from "./x.js";',
  ],
  "an added declaration": [
    'import "#mailbox/registry.ts";\ndeclare module "#mailbox/registry.ts" {}\nexport {};',
    "contract/a.ts",
    'import "../mailbox/registry.js";\ndeclare module "../mailbox/registry.js" {}\nexport {};',
  ],
};
for (const [name, [source, file, packaged]] of Object.entries(cases)) {
  it(`rewriteImports() makes ${name} relative and compiled`, () => {
    assert.equal(rewriteImports(source, file), packaged);
  });
}

it("rewriteImports() leaves packages, Node's modules and mere strings alone", () => {
  const source =
    'import { z } from "zod";\nimport fs from "node:fs";\nconst help = \'import x from "./x.ts"\';\n';
  assert.equal(rewriteImports(source, "app/a.ts"), source);
});
